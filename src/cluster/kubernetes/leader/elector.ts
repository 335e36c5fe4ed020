import { backoffMs } from '../../../reconcile/backoff.ts';
import { isOlder } from '../reflector/resource-version.ts';
import {
  type ElectorEffect,
  type ElectorEvent,
  type ElectorState,
  type LeaseWrite,
  leads,
  type Moment,
} from './elector-state.ts';
import { act, expire, lose, type Turn } from './elector-turn.ts';
import { decodeJournal, objectionTo, withEntries, withoutEntries } from './journal.ts';
import { type Lease, sameHold } from './lease.ts';

/** So long `stop` tries to release the Lease. */
export const RELEASE_PATIENCE_MS = 3_000;
/** So many times taking over is tried before others get the Lease for a while. */
export const TAKE_OVER_TRIES = 7;
/** So many writes in a row may fail before there are pauses; what has changed is read in between. */
const FREE_TRIES = 2;
/** The pauses are so much shorter than `retryPeriodMs`. */
const RETRIES_A_PERIOD = 4;
/** How long, in durations of a Lease. */
const HOLD_OFF_DURATIONS = 2;

/**
 * One step of the election: what becomes of the state, and what is to be done about it. Pure; one request
 * at a time is under way. Follows client-go's leader election, but for what it takes for sure:
 *
 * - a hold ends `renewDeadlineMs` after the last successful renewal was *sent*;
 * - after a write without answer the Lease is read before anything else is done;
 * - a Lease in a state that we did not write is not ours, even with our name in it.
 */
export function step(
  state: ElectorState,
  event: ElectorEvent,
  at: Moment,
): { readonly state: ElectorState; readonly effects: readonly ElectorEffect[] } {
  const turn: Turn = { state: { ...state }, effects: [], at };
  if (!state.stopped) {
    expire(turn);
    handle(turn, event);
    act(turn);
  } else if (event.kind === 'begin') onBegin(turn, event.begin);
  return { state: turn.state, effects: turn.effects };
}

function handle(turn: Turn, event: ElectorEvent): void {
  const { state } = turn;
  switch (event.kind) {
    case 'tick':
      break;
    case 'read':
      onRead(turn, event.lease);
      break;
    case 'readFailed':
      state.request = undefined;
      fail(turn, event.problem);
      break;
    case 'written':
      onWritten(turn, event.lease);
      break;
    case 'writeRefused':
    case 'writeDenied':
    case 'writeUnknown':
      onNotWritten(turn, event);
      break;
    case 'seen':
      onSeen(turn, event.lease);
      break;
    case 'tookOver':
    case 'takeOverFailed':
      onTakeOver(turn, event);
      break;
    case 'begin':
      onBegin(turn, event.begin);
      break;
    case 'end':
      state.pending = withoutEntries(state.pending, event.entries);
      break;
    case 'stop':
      onStop(turn);
  }
}

function onRead(turn: Turn, lease: Lease | undefined): void {
  const { state, at } = turn;
  const { write, lease: before } = state;
  state.request = undefined;
  state.mustRead = false;
  state.pollMs = at.nowMs + jittered(state.durations.retryPeriodMs, at.random);
  state.write = undefined;
  recover(turn);
  if (write && lease && isSame(lease, before, write)) {
    succeed(turn, write, lease);
    return;
  }
  if (write) state.queue = [...write.begins, ...state.queue];
  const ours = lease && before?.object.metadata.uid === lease.object.metadata.uid;
  if (state.role !== 'standby' && !(ours && sameHold(lease, before))) {
    lose(turn, lossOf(state.identity, lease));
  }
  note(turn, lease);
}

/** True when the Lease is another than before, and says what the write wanted to say. */
function isSame(lease: Lease, before: Lease | undefined, { content }: LeaseWrite): boolean {
  const { uid, resourceVersion } = lease.object.metadata;
  const old = before?.object.metadata;
  if (old && (old.uid !== uid || old.resourceVersion === resourceVersion)) return false;
  return sameHold(lease, content) && lease.journal === content.journal;
}

function lossOf(identity: string, lease: Lease | undefined): string {
  if (!lease) return 'The Lease was deleted';
  if (lease.holder === identity) return 'The Lease was changed by somebody else';
  return lease.holder === ''
    ? 'The Lease was taken away by somebody else'
    : `The Lease is held by "${lease.holder}"`;
}

function onWritten(turn: Turn, lease: Lease): void {
  const { state } = turn;
  const { write } = state;
  state.request = undefined;
  state.write = undefined;
  recover(turn);
  if (write) succeed(turn, write, lease);
}

function succeed(turn: Turn, write: LeaseWrite, lease: Lease): void {
  const { state, at } = turn;
  const { purpose, begins, startedMs } = write;
  note(turn, lease);
  state.notWritten = 0;
  if (purpose === 'release') {
    state.role = 'standby';
    state.yielding = false;
    state.pending = new Map();
    return;
  }
  if (purpose === 'renew' && state.role === 'standby') return;
  state.renewedMs = startedMs;
  state.renewDueMs = startedMs + jittered(state.durations.retryPeriodMs, at.random);
  if (purpose === 'acquire') {
    state.role = 'taking';
    state.acquired += 1;
    state.term += 1;
    state.tookOver = false;
    state.pending = withEntries(new Map(), decodeJournal(lease.journal).entries);
    state.takeOver = { running: false, attempts: 0, dueMs: at.nowMs };
    turn.effects.push({ kind: 'log', level: 'info', message: 'Acquired the Lease' });
    return;
  }
  if (state.role === 'taking' && write.tookOver) {
    state.role = 'leading';
    turn.effects.push({ kind: 'log', level: 'info', message: 'Leading' });
  }
  if (begins.length === 0) return;
  const entries = begins.flatMap((begin) => begin.entries);
  state.pending = withEntries(state.pending, entries);
  turn.effects.push({ kind: 'begun', begins });
}

type NotWritten = Extract<ElectorEvent, { kind: 'writeRefused' | 'writeDenied' | 'writeUnknown' }>;

function onNotWritten(turn: Turn, event: NotWritten): void {
  const { state, at } = turn;
  const { write } = state;
  state.request = undefined;
  state.failures += 1;
  state.notWritten += 1;
  if (state.notWritten > FREE_TRIES) {
    state.writeAfterMs = at.nowMs + state.durations.retryPeriodMs / RETRIES_A_PERIOD;
  }
  if (event.kind === 'writeUnknown') {
    state.mustRead = true;
    say(turn, event.problem);
    return;
  }
  state.write = undefined;
  if (event.kind === 'writeRefused') {
    state.mustRead = true;
    if (write) state.queue = [...write.begins, ...state.queue];
    return;
  }
  if (write && write.begins.length > 0) {
    turn.effects.push({ kind: 'notBegun', begins: write.begins, problem: event.problem });
  }
  fail(turn, event.problem);
}

/** The watch brings what the next read would, earlier; or what is known, later. */
function onSeen(turn: Turn, lease: Lease | undefined): void {
  const { state } = turn;
  const known = state.lease?.object.metadata;
  if (!lease || !known || lease.object.metadata.uid !== known.uid) {
    state.mustRead = true;
  } else if (isOlder(known.resourceVersion, lease.object.metadata.resourceVersion)) {
    if (state.role === 'standby' && !state.write) note(turn, lease);
    else if (lease.holder !== state.identity) state.mustRead = true;
  }
}

function onTakeOver(
  turn: Turn,
  event: Extract<ElectorEvent, { kind: 'tookOver' | 'takeOverFailed' }>,
): void {
  const { state, at } = turn;
  if (event.term !== state.term || state.role !== 'taking') return;
  if (event.kind === 'tookOver') {
    // Leading begins with the next renewal: this may have taken longer than our clock says.
    state.tookOver = true;
    return;
  }
  const attempts = state.takeOver.attempts + 1;
  state.takeOver = { running: false, attempts, dueMs: at.nowMs + backoffMs(attempts) };
  const message = 'Cannot take over what an earlier leader had under way; will try again';
  turn.effects.push({ kind: 'log', level: 'warn', message, problem: event.problem });
  if (attempts < TAKE_OVER_TRIES) return;
  state.yielding = true;
  state.holdOffMs = at.nowMs + HOLD_OFF_DURATIONS * state.durations.durationMs;
  const giving = 'Cannot take over what an earlier leader had under way; others may try';
  turn.effects.push({ kind: 'log', level: 'error', message: giving, problem: event.problem });
}

function onBegin(turn: Turn, begin: Turn['state']['queue'][number]): void {
  const { state, at } = turn;
  const ahead = [...(state.write?.begins ?? []), ...state.queue, begin];
  const problem = leads(state, at.nowMs)
    ? objectionTo(
        withEntries(
          state.pending,
          ahead.flatMap(({ entries }) => entries),
        ),
      )
    : 'This controller does not lead';
  if (problem) turn.effects.push({ kind: 'notBegun', begins: [begin], problem });
  else state.queue = [...state.queue, begin];
}

function onStop({ state, effects, at }: Turn): void {
  state.stopByMs ??= at.nowMs + RELEASE_PATIENCE_MS;
  state.retryMs = Number.NEGATIVE_INFINITY;
  const begins = state.queue;
  state.queue = [];
  const problem = 'This controller is being stopped';
  if (begins.length > 0) effects.push({ kind: 'notBegun', begins, problem });
}

/** Takes over what the API server says of the Lease. */
function note({ state, at }: Turn, lease: Lease | undefined): void {
  const before = state.lease;
  const isUnchanged =
    lease && before?.object.metadata.uid === lease.object.metadata.uid && sameHold(lease, before);
  if (!isUnchanged) state.changedMs = at.nowMs;
  state.lease = lease;
  state.missing = lease === undefined;
}

function fail(turn: Turn, problem: string): void {
  const { state, at } = turn;
  state.failures += 1;
  state.retryMs = at.nowMs + state.durations.retryPeriodMs * (0.5 + at.random / 2);
  say(turn, problem);
}

/** Says what is wrong once, not with each try. */
function say({ state, effects }: Turn, problem: string): void {
  if (problem !== state.problem) {
    const message = 'Cannot read or write the Lease; will try again';
    effects.push({ kind: 'log', level: 'error', message, problem });
  }
  state.problem = problem;
}

function recover({ state, effects }: Turn): void {
  if (state.problem !== '') {
    effects.push({
      kind: 'log',
      level: 'info',
      message: 'The Lease can be read and written again',
    });
  }
  state.problem = '';
  state.retryMs = Number.NEGATIVE_INFINITY;
}

function jittered(ms: number, random: number): number {
  return ms * (0.8 + random * 0.2);
}
