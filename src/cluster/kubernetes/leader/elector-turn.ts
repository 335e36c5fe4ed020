import {
  deadlineOf,
  type ElectorEffect,
  type ElectorState,
  expiryOf,
  type LeaseWrite,
  type Moment,
} from './elector-state.ts';
import { decodeJournal, encodeJournal, withEntries } from './journal.ts';
import { type LeaseContent, microTime } from './lease.ts';

/** One step under way. */
export interface Turn {
  state: { -readonly [K in keyof ElectorState]: ElectorState[K] };
  readonly effects: ElectorEffect[];
  readonly at: Moment;
}

/** What comes after the deadline comes too late, even if it was sent in time. */
export function expire(turn: Turn): void {
  const { state, at } = turn;
  if (holds(state) && at.nowMs >= deadlineOf(state)) {
    lose(turn, 'The Lease could not be renewed in time');
  }
}

/** Does what is due, and says when something is due again. */
export function act(turn: Turn): void {
  const { state, at } = turn;
  expire(turn);
  if (state.stopByMs !== undefined && (isReleased(state) || at.nowMs >= state.stopByMs)) {
    if (holds(state)) lose(turn, 'This controller is being stopped');
    state.stopped = true;
    turn.effects.push({ kind: 'stopped' });
    return;
  }
  if (state.request === undefined && at.nowMs >= state.retryMs) nextRequest(turn);
  startTakeOver(turn);
  const atMs = nextDue(state, at.nowMs);
  if (Number.isFinite(atMs)) turn.effects.push({ kind: 'wake', atMs });
}

function holds({ role }: ElectorState): boolean {
  return role !== 'standby';
}

/** Nothing of us is in the Lease, nor can be. */
function isReleased(state: ElectorState): boolean {
  return !holds(state) && state.request !== 'write' && state.write === undefined;
}

/** Ends our hold, as far as we are concerned. */
export function lose({ state, effects }: Turn, problem: string): void {
  if (state.role === 'leading' && state.stopByMs === undefined) state.lost += 1;
  const begins = [...(state.write?.begins ?? []), ...state.queue];
  if (begins.length > 0) effects.push({ kind: 'notBegun', begins, problem });
  if (state.write) state.write = { ...state.write, begins: [] };
  state.queue = [];
  state.role = 'standby';
  state.yielding = false;
  state.pending = new Map();
  effects.push({ kind: 'log', level: 'warn', message: 'Lost the Lease', problem });
}

function nextRequest(turn: Turn): void {
  const { state, at } = turn;
  const purpose = at.nowMs >= state.writeAfterMs ? dueWrite(state, at.nowMs) : undefined;
  const isPollDue = !holds(state) && state.stopByMs === undefined && at.nowMs >= state.pollMs;
  if (state.mustRead) read(turn);
  else if (purpose) write(turn, purpose);
  else if (isPollDue) read(turn);
}

function dueWrite(state: ElectorState, nowMs: number): LeaseWrite['purpose'] | undefined {
  const isEnding = state.stopByMs !== undefined || state.yielding;
  if (holds(state)) {
    if (isEnding) return 'release';
    return isRenewalDue(state, nowMs) ? 'renew' : undefined;
  }
  return !isEnding && nowMs >= state.holdOffMs && isFree(state, nowMs) ? 'acquire' : undefined;
}

/** Also when something is to be noted, or leading may begin. */
function isRenewalDue({ role, tookOver, queue, renewDueMs }: ElectorState, nowMs: number): boolean {
  return queue.length > 0 || (role === 'taking' && tookOver) || nowMs >= renewDueMs;
}

/** Nobody holds it, or somebody of whom nothing was heard; our own name is there after a loss. */
function isFree(state: ElectorState, nowMs: number): boolean {
  const { lease, missing, identity } = state;
  if (!lease) return missing;
  return lease.holder === '' || lease.holder === identity || nowMs >= expiryOf(state);
}

function read({ state, effects }: Turn): void {
  state.request = 'read';
  effects.push({ kind: 'read' });
}

function write({ state, effects, at }: Turn, purpose: LeaseWrite['purpose']): void {
  const begins = purpose === 'renew' ? state.queue : [];
  const content = contentOf(state, purpose, begins, microTime(at.wallMs));
  state.queue = state.queue.slice(begins.length);
  const { tookOver } = state;
  state.write = { purpose, content, begins, tookOver, startedMs: at.nowMs };
  state.request = 'write';
  effects.push({ kind: 'write', lease: state.lease, content });
}

function contentOf(
  state: ElectorState,
  purpose: LeaseWrite['purpose'],
  begins: LeaseWrite['begins'],
  renewTime: string,
): LeaseContent {
  const { lease, identity, durations } = state;
  const entries = begins.flatMap((begin) => begin.entries);
  const journal = state.tookOver
    ? encodeJournal(withEntries(state.pending, entries))
    : lease?.journal;
  if (purpose === 'release') {
    const transitions = lease?.transitions ?? 0;
    const acquireTime = renewTime;
    return { holder: '', durationMs: RELEASED_MS, acquireTime, renewTime, transitions, journal };
  }
  const isNew = lease?.holder !== identity;
  return {
    holder: identity,
    durationMs: durations.durationMs,
    acquireTime: isNew ? renewTime : lease.acquireTime,
    renewTime,
    transitions: (lease?.transitions ?? 0) + (isNew && lease ? 1 : 0),
    journal: purpose === 'acquire' ? lease?.journal : journal,
  };
}

/** As client-go leaves it. */
const RELEASED_MS = 1_000;

function startTakeOver({ state, effects, at }: Turn): void {
  const { role, takeOver, term, pending, lease } = state;
  if (role !== 'taking' || state.tookOver || takeOver.running || at.nowMs < takeOver.dueMs) return;
  if (state.stopByMs !== undefined || state.yielding) return;
  state.takeOver = { ...takeOver, running: true };
  const { complete } = decodeJournal(lease?.journal);
  effects.push({ kind: 'takeOver', term, journal: { entries: [...pending.values()], complete } });
}

/** What is past or waits for an answer is not waited for by the clock. */
function nextDue(state: ElectorState, nowMs: number): number {
  const due = [state.stopByMs];
  if (holds(state)) {
    due.push(deadlineOf(state));
    if (state.role === 'taking' && !state.tookOver && !state.takeOver.running)
      due.push(state.takeOver.dueMs);
  }
  if (state.request === undefined) {
    due.push(state.writeAfterMs);
    if (state.retryMs > nowMs) due.push(state.retryMs);
    else if (holds(state)) due.push(state.renewDueMs);
    else if (state.stopByMs === undefined) due.push(state.pollMs, expiryOf(state), state.holdOffMs);
  }
  return Math.min(...due.filter((atMs) => atMs !== undefined && atMs > nowMs).map(Number));
}
