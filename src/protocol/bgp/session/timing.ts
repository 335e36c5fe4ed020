import type { SessionConfig } from './session-config.ts';

/** For a peer that has not said its own hold time yet: RFC 4271 §8.2.2 suggests 4 minutes. */
export const LARGE_HOLD_MS = 240_000;

/** RFC 9687 §4: at least 8 minutes, and twice the hold time. */
const SEND_HOLD_MS = 480_000;

const SHORTEST_KEEPALIVE_MS = 1000;

/** An attempt to connect that nobody has answered is given up then, if the transport has not before. */
export const ATTEMPT_MS = 20_000;

/** After a first failure; each further one doubles it, up to `connectRetryMs`. */
const FIRST_RETRY_MS = 2000;

const FIRST_IDLE_HOLD_MS = 1000;
const LONGEST_IDLE_HOLD_MS = 60_000;

/** A session that has lasted so long begins with a clean slate when it ends. */
export const STABLE_MS = 60_000;

/**
 * An OPEN on a new connection that comes so soon after Established may have been on its way when both
 * sides settled on the other connection; later, it tells that the peer has lost that.
 */
export const COLLISION_WINDOW_MS = 5000;

/** A hold timer that goes off later than this tells of a pause of this side, not of the peer. */
export const PAUSE_MS = 1000;

const DOUBLINGS = 16;

/** What the OPEN offers: whole seconds, 0 or 3 to 65,535 (RFC 4271 §4.2). */
export function offeredHoldSec({ holdTimeMs }: SessionConfig): number {
  if (holdTimeMs <= 0) return 0;
  return Math.min(65_535, Math.max(3, Math.floor(holdTimeMs / 1000)));
}

/** RFC 4271 §4.2: the smaller one, and none at all when one side wants none. */
export function agreedHoldMs(config: SessionConfig, peerSec: number): number {
  return Math.min(offeredHoldSec(config), peerSec) * 1000;
}

/** RFC 4271 §4.4: a third of the hold time at most, and not more often than once a second. */
export function agreedKeepaliveMs({ keepaliveMs }: SessionConfig, holdTimeMs: number): number {
  if (holdTimeMs === 0) return 0;
  const third = holdTimeMs / 3;
  return Math.max(SHORTEST_KEEPALIVE_MS, keepaliveMs > 0 ? Math.min(keepaliveMs, third) : third);
}

/** @param attempts how many there have been since the session was last Established */
export function retryAfterMs({ connectRetryMs }: SessionConfig, attempts: number): number {
  return Math.min(connectRetryMs, doubled(FIRST_RETRY_MS, attempts - 1));
}

/** @param errorsInRow the one that is waited for among them */
export function idleHoldMs(errorsInRow: number): number {
  return Math.min(LONGEST_IDLE_HOLD_MS, doubled(FIRST_IDLE_HOLD_MS, errorsInRow - 1));
}

export function sendHoldMs(holdTimeMs: number): number {
  return Math.max(SEND_HOLD_MS, 2 * holdTimeMs);
}

/** RFC 4271 §10: between three quarters and the whole. */
export function jittered(ms: number, random: number): number {
  return ms * (0.75 + 0.25 * random);
}

function doubled(ms: number, times: number): number {
  return ms * 2 ** Math.min(DOUBLINGS, Math.max(0, times));
}
