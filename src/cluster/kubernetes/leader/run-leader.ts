import { step } from './elector.ts';
import {
  type ElectorEffect,
  type ElectorEvent,
  holderOf,
  initialElector,
  leads,
} from './elector-state.ts';
import type { JournalEntry } from './journal.ts';
import type { Leader, LeaderOptions, LeaderState } from './leader.ts';
import type { Lease } from './lease.ts';
import { createLeaseClient, problemOf } from './lease-client.ts';

/** Follows the Lease; `undefined`: there is none. May be late. The returned function ends it. */
export type LeaseWatch = (seen: (lease: Lease | undefined) => void) => () => Promise<void>;

/** Runs the election: sends what its steps ask for, and feeds it what comes back. */
export function runLeader(options: LeaderOptions, watch: LeaseWatch): Leader {
  const { connection, namespace, name, durations, clock, log, random, takeOver } = options;
  let state = initialElector(withRandomPart(options.identity, random), durations);
  /** Kept apart from the state: a deadline may have passed while nothing ran. */
  let told = { leads: false, holder: '' };
  let cancelWake = () => {};
  let nextBegin = 1;
  const waiting = new Map<number, PromiseWithResolvers<void>>();
  const listeners = new Set<() => void>();
  const stopped = Promise.withResolvers<void>();
  const aborted = new AbortController();
  const lease = createLeaseClient({
    ...{ connection, namespace, name, signal: aborted.signal },
    timeoutMs: Math.floor(durations.renewDeadlineMs / TRIES_BEFORE_DEADLINE),
  });

  function dispatch(event: ElectorEvent): void {
    const nowMs = clock.monotonicMs();
    const done = step(state, event, { nowMs, wallMs: clock.wallMs(), random: random() });
    state = done.state;
    for (const effect of done.effects) perform(effect);
    const now = { leads: leads(state, nowMs), holder: holderOf(state, nowMs) };
    if (now.leads === told.leads && now.holder === told.holder) return;
    told = now;
    for (const listener of [...listeners]) listener();
  }

  function perform(effect: ElectorEffect): void {
    switch (effect.kind) {
      case 'read':
        void lease.read().then(dispatch);
        break;
      case 'write':
        void lease.write(effect.lease, effect.content).then(dispatch);
        break;
      case 'takeOver':
        void runTakeOver(effect).then(dispatch);
        break;
      case 'begun':
        for (const { id } of effect.begins) settle(id, undefined);
        break;
      case 'notBegun':
        for (const { id } of effect.begins) settle(id, effect.problem);
        break;
      case 'wake':
        cancelWake();
        cancelWake = clock.after(effect.atMs - clock.monotonicMs(), () => dispatch(TICK));
        break;
      case 'log': {
        const { level, message, problem } = effect;
        const object = `Lease ${namespace}/${name}`;
        const { identity } = state;
        log[level](message, { object, identity, ...(problem ? { problem } : {}) });
        break;
      }
      case 'stopped':
        cancelWake();
        aborted.abort();
        stopped.resolve();
    }
  }

  function settle(id: number, problem: string | undefined): void {
    const promise = waiting.get(id);
    waiting.delete(id);
    if (problem === undefined) promise?.resolve();
    else promise?.reject(new Error(`Cannot note address changes in the Lease: ${problem}`));
  }

  async function runTakeOver(
    effect: Extract<ElectorEffect, { kind: 'takeOver' }>,
  ): Promise<ElectorEvent> {
    const { term, journal } = effect;
    try {
      await takeOver(journal);
      return { kind: 'tookOver', term };
    } catch (error) {
      return { kind: 'takeOverFailed', term, problem: problemOf(error) };
    }
  }

  const unwatch = watch((seen) => dispatch({ kind: 'seen', lease: seen }));
  dispatch(TICK);

  return {
    leads: () => leads(state, clock.monotonicMs()),
    leader: () => holderOf(state, clock.monotonicMs()),
    problem: () => state.problem,
    subscribe(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    async begin(entries: readonly JournalEntry[]) {
      const id = nextBegin++;
      const promise = Promise.withResolvers<void>();
      waiting.set(id, promise);
      dispatch({ kind: 'begin', begin: { id, entries } });
      await promise.promise;
    },
    end: (entries) => dispatch({ kind: 'end', entries: [...entries] }),
    pending: () => state.pending,
    term: () => state.term,
    state: () => stateOf(state, clock.monotonicMs()),
    async stop() {
      dispatch({ kind: 'stop' });
      await stopped.promise;
      await unwatch();
    },
  };
}

const TICK: ElectorEvent = { kind: 'tick' };

/** A request that hangs leaves time for another before the deadline. */
const TRIES_BEFORE_DEADLINE = 3;

function stateOf(state: ReturnType<typeof initialElector>, nowMs: number): LeaderState {
  const { role, identity, lease, acquired, lost, failures, renewedMs, pending, problem } = state;
  return {
    phase: state.stopByMs === undefined ? role : 'stopped',
    identity,
    leader: holderOf(state, nowMs),
    transitions: lease?.transitions ?? 0,
    acquired,
    lost,
    renewFailures: failures,
    renewAgeMs: role === 'standby' ? undefined : nowMs - renewedMs,
    pending: pending.size,
    problem,
  };
}

/** 64 random bits: two processes may have been given the same name. */
function withRandomPart(identity: string, random: () => number): string {
  const half = () =>
    Math.floor(random() * 2 ** 32)
      .toString(16)
      .padStart(8, '0');
  return `${identity}_${half()}${half()}`;
}
