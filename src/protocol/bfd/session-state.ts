import type { BfdState } from '../../domain/bgp/bfd-session.ts';
import { DIAGNOSTIC } from './diagnostic.ts';

/** What the operator asked for. */
export interface SessionTimers {
  readonly transmitUs: number;
  readonly receiveUs: number;
  readonly detectMultiplier: number;
}

/**
 * The variables of RFC 5880 §6.8.1 and the two deadlines. Intervals are in microseconds, times in ms
 * of a monotonic clock; `Infinity`: never.
 */
export interface SessionState {
  readonly timers: SessionTimers;
  /** Says nothing before the peer does (§6.1). */
  readonly passive: boolean;
  readonly state: BfdState;
  readonly diagnostic: number;
  readonly localDiscriminator: number;
  readonly remoteDiscriminator: number;
  readonly remoteState: BfdState;
  readonly remoteDiagnostic: number;
  readonly remoteDemand: boolean;
  readonly remoteMinRxUs: number;
  readonly remoteMinTxUs: number;
  readonly remoteDetectMultiplier: number;
  /** bfd.DesiredMinTxInterval and bfd.RequiredMinRxInterval, as packets say them. */
  readonly desiredMinTxUs: number;
  readonly requiredMinRxUs: number;
  /** The same as they are used: a change for the slower waits until the peer has confirmed it (§6.8.3). */
  readonly transmitUs: number;
  readonly receiveUs: number;
  /** `again`: there was a change while the peer was being asked about an earlier one. */
  readonly poll: 'none' | 'active' | 'again';
  /** When a packet was last taken; `undefined`: none ever. */
  readonly lastReceivedMs: number | undefined;
  readonly detectAtMs: number;
  readonly transmitAtMs: number;
}

/** Least Desired Min TX Interval while the session is not Up (§6.8.3). */
export const SLOW_TRANSMIT_US = 1_000_000;

/** Before a peer has said otherwise (§6.8.1). */
export const UNHEARD = {
  remoteDiscriminator: 0,
  remoteDemand: false,
  remoteMinRxUs: 1,
  remoteMinTxUs: 0,
  remoteDetectMultiplier: 0,
} as const;

/** A session that is Down; the first packet goes out at once unless `passive`. */
export function createSession(options: {
  readonly timers: SessionTimers;
  readonly passive: boolean;
  /** Unique on this host and not 0. */
  readonly localDiscriminator: number;
  readonly nowMs: number;
}): SessionState {
  const { timers, passive, localDiscriminator, nowMs } = options;
  const transmitUs = slow(timers.transmitUs);
  return {
    ...UNHEARD,
    timers,
    passive,
    localDiscriminator,
    state: 'Down',
    diagnostic: DIAGNOSTIC.none,
    remoteState: 'Down',
    remoteDiagnostic: DIAGNOSTIC.none,
    desiredMinTxUs: transmitUs,
    requiredMinRxUs: timers.receiveUs,
    transmitUs,
    receiveUs: timers.receiveUs,
    poll: 'none',
    lastReceivedMs: undefined,
    detectAtMs: Number.POSITIVE_INFINITY,
    transmitAtMs: passive ? Number.POSITIVE_INFINITY : nowMs,
  };
}

export function slow(transmitUs: number): number {
  return Math.max(transmitUs, SLOW_TRANSMIT_US);
}

/** When `step` wants to be told the time next. */
export function nextDeadlineMs({ detectAtMs, transmitAtMs }: SessionState): number {
  return Math.min(detectAtMs, transmitAtMs);
}

/** Between two packets of ours, before jitter (§6.8.2). */
export function transmitIntervalUs({ transmitUs, remoteMinRxUs }: SessionState): number {
  return Math.max(transmitUs, remoteMinRxUs);
}

/** Between two packets of the peer, before its jitter (§6.8.2). */
export function receiveIntervalUs({ receiveUs, remoteMinTxUs }: SessionState): number {
  return Math.max(receiveUs, remoteMinTxUs);
}

/** After so long a silence the session is Down (§6.8.4); 0 when the peer has never been heard. */
export function detectionTimeMs(session: SessionState): number {
  return (session.remoteDetectMultiplier * receiveIntervalUs(session)) / 1000;
}

/** After so long a silence of ours the peer takes the session down, in ms. */
export function peerDetectionTimeMs(session: SessionState): number {
  return (session.timers.detectMultiplier * transmitIntervalUs(session)) / 1000;
}

/**
 * Whether packets go out by the clock (§6.8.7): not to a peer that wants none, that a passive side has
 * not heard of, or whose demand mode is active while it is not being polled.
 */
export function transmitsPeriodically(session: SessionState): boolean {
  if (session.remoteMinRxUs === 0 || !maySend(session)) return false;
  const demand = session.remoteDemand && session.state === 'Up' && session.remoteState === 'Up';
  return !demand || session.poll !== 'none';
}

/** Whether any packet may go out. */
export function maySend({ passive, remoteDiscriminator }: SessionState): boolean {
  return !passive || remoteDiscriminator !== 0;
}
