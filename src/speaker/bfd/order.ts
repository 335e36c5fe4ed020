import type { Address } from '../../domain/address.ts';
import type { AuthenticationKind } from '../../protocol/bfd/authentication.ts';
import type { SessionTimers } from '../../protocol/bfd/session-state.ts';
import type { BfdWanted } from './bfd.ts';

/** A wanted session as it is handed to the thread: plain values only. */
export interface SessionOrder {
  readonly path: PathOrder;
  readonly timers: SessionTimers;
  readonly passive: boolean;
  /** Least TTL of what arrives. */
  readonly minimumTtl: number;
  readonly echoMode: boolean;
  readonly profile: string;
}

/** What makes a session this one and no other. */
export interface PathOrder {
  readonly remote: Address;
  readonly local: Address | undefined;
  readonly interface: string | undefined;
  readonly multihop: boolean;
  readonly authentication: KeyOrder | undefined;
}

export interface KeyOrder {
  readonly kind: AuthenticationKind;
  readonly keyId: number;
  readonly key: Uint8Array;
}

/** TTL of a packet that no router has touched (RFC 5881 §5). */
const TTL_MAX = 255;

export function orderOf(wanted: BfdWanted): SessionOrder {
  const { remote, local, multihop, profile, authentication } = wanted;
  return {
    path: {
      remote,
      local,
      interface: wanted.interface,
      multihop,
      authentication: authentication && {
        kind: authentication.kind,
        keyId: authentication.keyId,
        key: Uint8Array.from(authentication.key()),
      },
    },
    timers: {
      transmitUs: profile.transmitIntervalMs * 1000,
      receiveUs: profile.receiveIntervalMs * 1000,
      detectMultiplier: profile.detectMultiplier,
    },
    passive: profile.passive,
    minimumTtl: multihop ? profile.minimumTtl : TTL_MAX,
    echoMode: profile.echoMode,
    profile: profile.name,
  };
}

/** Whether a session on `a` can go on as one on `b`. */
export function samePath(a: PathOrder, b: PathOrder): boolean {
  return samePlace(a, b) && a.local === b.local && sameKey(a.authentication, b.authentication);
}

/** Whether packets of the peer could belong to either: there can be only one session (RFC 5881 §3). */
export function samePlace(a: PathOrder, b: PathOrder): boolean {
  return a.remote === b.remote && a.interface === b.interface && a.multihop === b.multihop;
}

function sameKey(a: KeyOrder | undefined, b: KeyOrder | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return (
    a.kind === b.kind &&
    a.keyId === b.keyId &&
    a.key.length === b.key.length &&
    a.key.every((byte, index) => byte === b.key[index])
  );
}
