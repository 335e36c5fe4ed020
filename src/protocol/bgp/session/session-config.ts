import type { Family } from '../../../domain/address.ts';

/**
 * What this side wants of a session. It goes into each `step()` anew: a change takes effect with the
 * next connection (`connectRetryMs`, `keepaliveMs`, `passive`) or OPEN; a `reset` event hurries it.
 */
export interface SessionConfig {
  /** In this side's OPEN. 1 to 2^32-1. */
  readonly localAsn: number;
  /** Which AS the peer may be of; `internal`: that of `localAsn`, `external`: any other. */
  readonly peerAsn: number | 'internal' | 'external';
  /** Not 0 (RFC 6286). */
  readonly routerId: number;
  /** Offered in whole seconds; 0: silence never ends the session. */
  readonly holdTimeMs: number;
  /** At most: a third of the negotiated hold time is the bound. */
  readonly keepaliveMs: number;
  /** The longest between two attempts to connect; the first ones follow closer (`retryAfterMs`). */
  readonly connectRetryMs: number;
  /** Waits for the peer to connect. */
  readonly passive: boolean;
  readonly families: readonly Family[];
  /** Offers IPv6 next hops for IPv4 prefixes (RFC 8950). */
  readonly extendedNextHop: boolean;
  readonly gracefulRestart: OwnGracefulRestart | undefined;
}

/** What this side's OPEN says of its restarts (RFC 4724 §3, RFC 8538 §2: N is always set). */
export interface OwnGracefulRestart {
  /** How long the peer may keep the routes while nobody answers here; 0 to 4095 s. */
  readonly restartTimeSec: number;
  /** R: an earlier speaker died on this box, and its sessions are being taken up again. */
  readonly restarting: boolean;
  /** F, of all families: what the routes lead to worked on meanwhile. */
  readonly forwarding: boolean;
}

/** What a step may know of the world besides its event. */
export interface StepContext {
  readonly config: SessionConfig;
  readonly monotonicMs: number;
  /** ms since 1970; for what people read. */
  readonly wallMs: number;
  /** 0 to below 1, another one for each step: spreads timers (RFC 4271 §10). */
  readonly random: number;
}
