import type { Address } from '../../domain/address.ts';
import type { BfdProfile } from '../../domain/bgp/bfd-profile.ts';
import type { BfdSession } from '../../domain/bgp/bfd-session.ts';
import type { Clock } from '../../domain/clock.ts';
import type { Log } from '../../domain/log.ts';
import type { BfdDropReason } from '../../protocol/bfd/drop-reason.ts';

export type BfdDrops = Readonly<Partial<Record<BfdDropReason, number>>>;

/** Sessions at once; those beyond it get an obstacle. At 10 ms each that is 51,200 packets a second. */
export const BFD_SESSIONS_MAX = 512;

/** A path that somebody wants to be watched. */
export interface BfdWanted {
  readonly remote: Address;
  /** Source of our packets; `undefined`: the kernel chooses. */
  readonly local: Address | undefined;
  /** Bound to this device; required for link-local addresses. */
  readonly interface: string | undefined;
  /** RFC 5883 (port 4784, `profile.minimumTtl`); otherwise RFC 5881 (port 3784, TTL 255). */
  readonly multihop: boolean;
  readonly profile: BfdProfile;
  /** `undefined`: none, and packets that carry some are refused (RFC 5880 §6.7). */
  readonly authentication: BfdAuthentication | undefined;
}

/** RFC 5880 §6.7.4. The peer must have the same. */
export interface BfdAuthentication {
  readonly kind: 'keyedSha1' | 'meticulousKeyedSha1';
  /** 0 to 255; BIRD's and most routers' default is 1. */
  readonly keyId: number;
  /** 1 to 20 bytes. Behind a function, so that nothing can print it. */
  readonly key: () => Uint8Array;
}

/**
 * The running watch of paths. Everything with a deadline happens on a thread of its own; calls here
 * only pass on what is wanted and what was last heard.
 */
export interface Bfd {
  /**
   * The whole of what is wanted, by a key of the caller's. A session goes on undisturbed while its
   * path (remote, local, interface, multihop, authentication) is the same; a changed profile is
   * negotiated with the peer (Poll Sequence). One that is no longer there ends with AdminDown.
   */
  want(sessions: ReadonlyMap<string, BfdWanted>): void;
  /** What is wanted and how it stands; counters are at most a second old. */
  sessions(): ReadonlyMap<string, BfdSession>;
  /**
   * Packets refused since the start, by reason; at most a second old. Of those of strangers (`unknown…`)
   * one in sixteen is counted: the kernel drops the others.
   */
  drops(): BfdDrops;
  /** Called at every change of state and obstacle (not of counters); returns how to stop that. */
  onChange(listener: (key: string, session: BfdSession) => void): () => void;
  /** Tells every peer AdminDown, then ends the thread. Idempotent. */
  stop(): Promise<void>;
}

export interface BfdDeps {
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * Whether this change says that the path broke: Up before, Down now, and not because the peer's
 * administrator ended the session (RFC 5882 §4.2, §3.2).
 */
export function pathFailed(before: BfdSession | undefined, now: BfdSession): boolean {
  return before?.state === 'Up' && now.state === 'Down' && now.remoteState !== 'AdminDown';
}
