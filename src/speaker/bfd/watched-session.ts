import type { Address } from '../../domain/address.ts';
import type { BfdSession } from '../../domain/bgp/bfd-session.ts';
import type { Clock } from '../../domain/clock.ts';
import {
  type AuthenticationKey,
  type AuthenticationState,
  padKey,
  signPacket,
  verifyPacket,
} from '../../protocol/bfd/authentication.ts';
import {
  type ControlPacket,
  encodeControlPacket,
  type ReceivedPacket,
} from '../../protocol/bfd/control-packet.ts';
import type { BfdDropReason } from '../../protocol/bfd/drop-reason.ts';
import { type SessionEvent, step } from '../../protocol/bfd/session.ts';
import {
  createSession,
  detectionTimeMs,
  nextDeadlineMs,
  peerDetectionTimeMs,
  type SessionState,
} from '../../protocol/bfd/session-state.ts';
import type { Datagram } from '../../system/udp.ts';
import { createDeadlineTimer } from './deadline-timer.ts';
import { keepPath } from './kept-path.ts';
import type { SessionOrder } from './order.ts';
import type { PathDeps } from './path.ts';
import { type SessionCounts, viewOfSession } from './session-view.ts';

export interface WatchedDeps extends PathDeps {
  readonly clock: Clock;
  readonly sha1: AuthenticationKey['sha1'];
  /** State, diagnostic, the peer's state, or the obstacle is another one. */
  readonly onChange: () => void;
}

/** A session with its sockets and timers. */
export interface WatchedSession {
  readonly order: SessionOrder;
  readonly discriminator: number;
  /** Index of its interface; 0 when it has none, or cannot be opened. */
  readonly ifindex: number;
  /** New timers and the like, negotiated with the peer; the path is the same. */
  configure(order: SessionOrder): void;
  /** A packet for this session; why it was not taken, if so. */
  receive(received: ReceivedPacket, datagram: Datagram): BfdDropReason | undefined;
  countDrop(): void;
  view(): BfdSession;
  /** AdminDown, and then nothing; resolves when the peer must have noticed, within `LINGER_MAX_MS`. */
  leave(): Promise<void>;
}

/** Longest stay after AdminDown was sent. */
const LINGER_MAX_MS = 1000;

/** Starts a session that is Down. Never throws: what fails is an obstacle, and tried again. */
export function watchSession(
  first: SessionOrder,
  localDiscriminator: number,
  deps: WatchedDeps,
): WatchedSession {
  const { clock, random, onChange } = deps;
  const key = keyOf(first, deps);
  const counts: SessionCounts = { sent: 0, received: 0, dropped: 0, ups: 0, downs: 0 };
  const sockets = keepPath(first.path, deps, onChange);
  const timer = createDeadlineTimer(clock, onTime);
  let order = first;
  let sinceMs = clock.wallMs();
  let localAddress: Address | undefined;
  let authentication: AuthenticationState = {
    sent: Math.floor(random() * 2 ** 32),
    received: undefined,
  };
  /** When the peer's sequence number is worth nothing any more (RFC 5880 §6.8.1). */
  let forgetAtMs = 0;
  let lastSent: Uint8Array = new Uint8Array();
  let session: SessionState = createSession({
    timers: order.timers,
    passive: order.passive,
    localDiscriminator,
    nowMs: clock.monotonicMs(),
  });

  function advance(event: SessionEvent): void {
    const before = session;
    const done = step(session, event, { nowMs: clock.monotonicMs(), random: random() });
    session = done.session;
    for (const packet of done.packets) send(packet);
    timer.set(nextDeadlineMs(session));
    if (before.state !== session.state) {
      sinceMs = clock.wallMs();
      if (session.state === 'Up') counts.ups += 1;
      if (before.state === 'Up') counts.downs += 1;
    }
    if (looksDifferent(before, session)) onChange();
  }

  function send(packet: ControlPacket): void {
    if (sockets.send(seal(packet))) counts.sent += 1;
  }

  function seal(packet: ControlPacket): Uint8Array {
    const bytes = encodeControlPacket(packet);
    if (!key) return bytes;
    const signed = signPacket(packet, key, authentication, !sameBytes(bytes, lastSent));
    authentication = signed.state;
    lastSent = bytes;
    return signed.bytes;
  }

  function onTime(): void {
    // The thread may have been kept from its sockets as well as from this timer.
    if (clock.monotonicMs() >= session.detectAtMs) sockets.receivePending();
    advance({ kind: 'time' });
  }

  function admit(received: ReceivedPacket, { ttl }: Datagram): BfdDropReason | undefined {
    if (ttl < order.minimumTtl) return 'ttl';
    const now = clock.monotonicMs();
    const known = now < forgetAtMs ? authentication : { ...authentication, received: undefined };
    const verified = verifyPacket(received, key, known, order.timers.detectMultiplier);
    if ('drop' in verified) return verified.drop;
    authentication = verified.state;
    return undefined;
  }

  timer.set(nextDeadlineMs(session));
  return {
    get order() {
      return order;
    },
    discriminator: localDiscriminator,
    get ifindex() {
      return sockets.ifindex();
    },
    configure(next) {
      order = next;
      advance({ kind: 'configure', timers: next.timers, passive: next.passive });
    },
    receive(received, datagram) {
      const reason = admit(received, datagram);
      if (reason !== undefined) return reason;
      const ended = session.state === 'AdminDown';
      if (!ended) counts.received += 1;
      localAddress = datagram.destination;
      advance({ kind: 'packet', packet: received.packet });
      forgetAtMs = clock.monotonicMs() + 2 * detectionTimeMs(session);
      return ended ? 'adminDown' : undefined;
    },
    countDrop() {
      counts.dropped += 1;
    },
    view: () =>
      viewOfSession(order.path, session, {
        counts,
        sinceMs,
        localAddress,
        obstacle: sockets.obstacle(),
      }),
    leave() {
      const heard = session.remoteDiscriminator !== 0;
      const lingerMs = heard ? Math.min(peerDetectionTimeMs(session), LINGER_MAX_MS) : 0;
      advance({ kind: 'adminDown' });
      return new Promise((resolve) => {
        clock.after(lingerMs, () => {
          timer.clear();
          sockets.close();
          resolve();
        });
      });
    },
  };
}

function keyOf({ path }: SessionOrder, { sha1 }: WatchedDeps): AuthenticationKey | undefined {
  if (path.authentication === undefined) return undefined;
  const { kind, keyId } = path.authentication;
  const key = padKey(path.authentication.key);
  if (key === undefined) throw new RangeError('A session was started with a key that cannot be');
  return { kind, keyId, key, sha1 };
}

function looksDifferent(a: SessionState, b: SessionState): boolean {
  return a.state !== b.state || a.remoteState !== b.remoteState || a.diagnostic !== b.diagnostic;
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}
