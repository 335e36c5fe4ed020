import type { BfdState } from '../../domain/bgp/bfd-session.ts';
import type { ControlPacket } from './control-packet.ts';
import { DIAGNOSTIC } from './diagnostic.ts';
import {
  detectionTimeMs,
  maySend,
  type SessionState,
  type SessionTimers,
  slow,
  transmitIntervalUs,
  transmitsPeriodically,
  UNHEARD,
} from './session-state.ts';

export type SessionEvent =
  /** Decoded, authenticated and found to be of this session. */
  | { readonly kind: 'packet'; readonly packet: ControlPacket }
  /** Look at the clock: a deadline of the session has come, or may have. */
  | { readonly kind: 'time' }
  | { readonly kind: 'configure'; readonly timers: SessionTimers; readonly passive: boolean }
  /** The operator ends the session (§6.8.16); there is no way back. */
  | { readonly kind: 'adminDown' };

export interface Step {
  readonly session: SessionState;
  /** To be sent now, in this order. */
  readonly packets: readonly ControlPacket[];
}

/** The moment of an event. */
export interface Moment {
  /** Monotonic. */
  readonly nowMs: number;
  /** Uniform in [0, 1), a fresh one each time: spreads packets (§6.8.7). */
  readonly random: number;
}

/**
 * The session's machine (RFC 5880 §6.8, asynchronous mode). Pure: it neither sends nor waits. Call it
 * with `time` at `nextDeadlineMs` of what it returned, once everything that had arrived by then was
 * handed in: silence is what is left when nothing waits in a socket.
 */
export function step(session: SessionState, event: SessionEvent, moment: Moment): Step {
  switch (event.kind) {
    case 'packet':
      return receive(session, event.packet, moment);
    case 'time':
      return lookAtClock(session, moment);
    case 'configure':
      return configure(session, event, moment);
    case 'adminDown':
      return takeDown(session, moment);
  }
}

/** §6.8.6, from where the packet has been found to be the session's. */
function receive(before: SessionState, packet: ControlPacket, moment: Moment): Step {
  const heard = learn(before, packet, moment.nowMs);
  if (before.state === 'AdminDown') {
    return { session: reschedule(before, heard, moment), packets: [] };
  }
  const moved = moveTo(
    heard,
    nextState(before.state, packet.state),
    DIAGNOSTIC.neighborSignaledDown,
  );
  const told = withDetection(moved, moment.nowMs);
  const answer = packet.poll ? [packetOf(told, 'final')] : [];
  return send(before, told, answer, moment);
}

/** What the packet says of its sender; a Final ends the Poll Sequence. */
function learn(session: SessionState, packet: ControlPacket, nowMs: number): SessionState {
  const heard: SessionState = {
    ...session,
    remoteDiscriminator: packet.myDiscriminator,
    remoteState: packet.state,
    remoteDiagnostic: packet.diagnostic,
    remoteDemand: packet.demand,
    remoteMinRxUs: packet.requiredMinRxUs,
    remoteMinTxUs: packet.desiredMinTxUs,
    remoteDetectMultiplier: packet.detectMultiplier,
    lastReceivedMs: nowMs,
  };
  if (!packet.final || session.poll === 'none') return heard;
  // What changed since the question was asked may be unknown to the peer still: ask again.
  if (session.poll === 'again') return { ...heard, poll: 'active' };
  return {
    ...heard,
    poll: 'none',
    transmitUs: heard.desiredMinTxUs,
    receiveUs: heard.requiredMinRxUs,
  };
}

/** The state machine of §6.2 for a packet that says `remote`. */
function nextState(local: BfdState, remote: BfdState): BfdState {
  if (remote === 'AdminDown') return 'Down';
  switch (local) {
    case 'Down':
      return remote === 'Down' ? 'Init' : remote === 'Init' ? 'Up' : 'Down';
    case 'Init':
      return remote === 'Down' ? 'Init' : 'Up';
    case 'Up':
      return remote === 'Down' ? 'Down' : 'Up';
    case 'AdminDown':
      return 'AdminDown';
  }
}

/** Enters `state`; `diagnostic` is why, when that is Down. */
function moveTo(session: SessionState, state: BfdState, diagnostic: number): SessionState {
  if (state === session.state) return session;
  if (state === 'Up') {
    const desiredMinTxUs = session.timers.transmitUs;
    const changed = desiredMinTxUs !== session.desiredMinTxUs;
    return {
      ...session,
      state,
      diagnostic: DIAGNOSTIC.none,
      desiredMinTxUs,
      transmitUs: desiredMinTxUs,
      poll: changed ? 'active' : 'none',
    };
  }
  const desiredMinTxUs = slow(session.timers.transmitUs);
  return {
    ...session,
    state,
    diagnostic: state === 'Init' ? session.diagnostic : diagnostic,
    desiredMinTxUs,
    transmitUs: desiredMinTxUs,
    receiveUs: session.requiredMinRxUs,
    poll: 'none',
  };
}

function lookAtClock(before: SessionState, moment: Moment): Step {
  const { nowMs } = moment;
  if (nowMs >= before.detectAtMs) return send(before, expire(before), [], moment);
  if (nowMs < before.transmitAtMs) return { session: before, packets: [] };
  const session = { ...before, transmitAtMs: nowMs + jittered(before, moment.random) };
  return { session, packets: [packetOf(session, 'periodic')] };
}

/** The Detection Time passed in silence (§6.8.4); what the peer said is worth nothing any more (§6.8.1). */
function expire(session: SessionState): SessionState {
  const failed = session.state === 'Init' || session.state === 'Up';
  const moved = failed ? moveTo(session, 'Down', DIAGNOSTIC.detectionTimeExpired) : session;
  return {
    ...moved,
    ...UNHEARD,
    remoteState: failed ? 'Down' : session.remoteState,
    detectAtMs: Number.POSITIVE_INFINITY,
  };
}

/** New timers (§6.8.3). While Up, what makes either side slower waits for the peer's Final. */
function configure(
  before: SessionState,
  { timers, passive }: { readonly timers: SessionTimers; readonly passive: boolean },
  moment: Moment,
): Step {
  const up = before.state === 'Up';
  const desiredMinTxUs = up ? timers.transmitUs : slow(timers.transmitUs);
  const requiredMinRxUs = timers.receiveUs;
  const negotiable =
    desiredMinTxUs !== before.desiredMinTxUs || requiredMinRxUs !== before.requiredMinRxUs;
  const asked = before.poll === 'none' ? 'active' : 'again';
  const session: SessionState = {
    ...before,
    timers,
    passive,
    desiredMinTxUs,
    requiredMinRxUs,
    transmitUs: up ? Math.min(before.transmitUs, desiredMinTxUs) : desiredMinTxUs,
    receiveUs: up ? Math.max(before.receiveUs, requiredMinRxUs) : requiredMinRxUs,
    poll: up && negotiable ? asked : before.poll,
  };
  return send(before, withDetection(session, before.lastReceivedMs ?? 0), [], moment);
}

function takeDown(before: SessionState, moment: Moment): Step {
  if (before.state === 'AdminDown') return { session: before, packets: [] };
  const session = moveTo(before, 'AdminDown', DIAGNOSTIC.administrativelyDown);
  return send(before, session, [], moment);
}

/** The detection timer from `sinceMs` on; silent while the peer has not been heard. */
function withDetection(session: SessionState, sinceMs: number): SessionState {
  const unheard = session.remoteDiscriminator === 0;
  const detectAtMs = unheard ? Number.POSITIVE_INFINITY : sinceMs + detectionTimeMs(session);
  return { ...session, detectAtMs };
}

/**
 * Sends `answer`, and at once what the peer should not have to wait for: a packet that differs from the
 * last one (§6.8.7).
 */
function send(
  before: SessionState,
  after: SessionState,
  answer: readonly ControlPacket[],
  moment: Moment,
): Step {
  const news = differs(before, after) && maySend(after) && after.remoteMinRxUs !== 0;
  // The Final carries the same news, unless the peer is to be asked something.
  const needed = news && (answer.length === 0 || after.poll !== 'none');
  const scheduled = reschedule(before, after, moment);
  const session = needed
    ? { ...scheduled, transmitAtMs: nextTransmission(scheduled, moment) }
    : scheduled;
  return { session, packets: needed ? [...answer, packetOf(session, 'periodic')] : answer };
}

function differs(before: SessionState, after: SessionState): boolean {
  return (
    before.state !== after.state ||
    before.diagnostic !== after.diagnostic ||
    before.desiredMinTxUs !== after.desiredMinTxUs ||
    before.requiredMinRxUs !== after.requiredMinRxUs ||
    before.timers.detectMultiplier !== after.timers.detectMultiplier ||
    (before.poll === 'none' && after.poll !== 'none')
  );
}

/** A shorter interval holds at once, a longer one from the next packet on (§6.8.3). */
function reschedule(before: SessionState, after: SessionState, moment: Moment): SessionState {
  if (!transmitsPeriodically(after)) {
    return { ...after, transmitAtMs: Number.POSITIVE_INFINITY };
  }
  const resumes = after.transmitAtMs === Number.POSITIVE_INFINITY;
  if (!resumes && transmitIntervalUs(after) >= transmitIntervalUs(before)) return after;
  const soon = nextTransmission(after, moment);
  return { ...after, transmitAtMs: Math.min(after.transmitAtMs, soon) };
}

function nextTransmission(session: SessionState, { nowMs, random }: Moment): number {
  return transmitsPeriodically(session)
    ? nowMs + jittered(session, random)
    : Number.POSITIVE_INFINITY;
}

/** 75 to 100 % of the interval; at most 90 % when a single lost packet would end the session (§6.8.7). */
function jittered(session: SessionState, random: number): number {
  const most = session.timers.detectMultiplier === 1 ? 0.9 : 1;
  return ((most - random * (most - 0.75)) * transmitIntervalUs(session)) / 1000;
}

function packetOf(session: SessionState, kind: 'periodic' | 'final'): ControlPacket {
  return {
    diagnostic: session.diagnostic,
    state: session.state,
    poll: kind === 'periodic' && session.poll !== 'none',
    final: kind === 'final',
    // The session dies with this process, and the packets it is about do not go through it.
    controlPlaneIndependent: false,
    demand: false,
    detectMultiplier: session.timers.detectMultiplier,
    myDiscriminator: session.localDiscriminator,
    yourDiscriminator: session.remoteDiscriminator,
    desiredMinTxUs: session.desiredMinTxUs,
    requiredMinRxUs: session.requiredMinRxUs,
    requiredMinEchoRxUs: 0,
  };
}
