import type { Clock } from '../../domain/clock.ts';
import type { CheckId, HealthCheck } from '../../domain/health.ts';
import { createAttention } from './attention.ts';
import type { Verdict } from './machine.ts';
import { hashOf, nextDueMs } from './next-due.ts';
import type { Outcome, Probe, RunningProbe } from './probe.ts';
import { createWheel } from './wheel.ts';

/** How often the schedule looks while anything is waiting or under way, ms. */
const TICK_MS = 10;
/** Probes begun in one tick: 20,000 a second, so that a burst of new checks leaves the loop breathing. */
const STARTS_PER_TICK = 200;
/** Of those, kept for checks never probed yet while known ones, which come first, use up the rest. */
const FRESH_STARTS_PER_TICK = 50;
/** Probes under way at once, each a file descriptor. More wait, which slows checking and fails nothing. */
export const MAX_IN_FLIGHT = 16_384;
/** A probe from which nothing was learnt is repeated after this, or after its interval if that is shorter. */
const RETRY_MS = 200;

export interface ScheduleOptions {
  readonly clock: Clock;
  readonly probe: Probe;
  readonly onVerdict: (check: HealthCheck, verdict: Verdict) => void;
  /** A probe ended with nothing learnt of the backend. */
  readonly onDiscard: (check: HealthCheck, reason: string) => void;
  /** The process could not look for this long. */
  readonly onStall: (stalledMs: number) => void;
}

/** When which check is probed. Never two probes of one check at once. */
export interface Schedule {
  /** Probes from now on, the first time as soon as the pace allows. */
  add(check: HealthCheck): void;
  /** Stops a probe under way; nothing is called for this check any more. */
  remove(id: CheckId): void;
  load(): { readonly inFlight: number; readonly waiting: number };
  stop(): void;
}

interface Entry {
  readonly check: HealthCheck;
  readonly hash: number;
  count: number;
  startedMs: number;
  stallsAtStart: number;
  running: RunningProbe | undefined;
}

/** Stands for a probe whose start has not returned yet. */
const STARTING: RunningProbe = { stop: () => undefined, stage: () => '' };

export function createSchedule(options: ScheduleOptions): Schedule {
  const { clock, probe } = options;
  const attention = createAttention(clock);
  const wheel = createWheel<Entry>(attention.nowMs());
  const entries = new Map<CheckId, Entry>();
  const fresh = new Set<Entry>();
  const due = new Set<Entry>();
  let inFlight = 0;
  let cancelWake: (() => void) | undefined;

  function tick() {
    cancelWake = undefined;
    look();
    for (const entry of wheel.advance(attention.nowMs())) {
      if (entry.running) timeOut(entry);
      else due.add(entry);
    }
    const forFresh = Math.min(fresh.size, FRESH_STARTS_PER_TICK);
    const begun = startFrom(due, STARTS_PER_TICK - forFresh);
    startFrom(fresh, STARTS_PER_TICK - begun);
    arm();
  }

  function look() {
    const stalledMs = attention.look();
    if (stalledMs > 0) options.onStall(stalledMs);
  }

  function arm() {
    look();
    cancelWake?.();
    cancelWake = undefined;
    const busy = inFlight > 0 || fresh.size > 0 || due.size > 0;
    const wakeMs = busy ? undefined : wheel.wakeMs();
    const idleMs = wakeMs === undefined ? Number.POSITIVE_INFINITY : wakeMs - attention.nowMs();
    const delayMs = busy ? TICK_MS : Math.max(0, idleMs);
    attention.expect(delayMs);
    if (delayMs < Number.POSITIVE_INFINITY) cancelWake = clock.after(delayMs, tick);
  }

  function startFrom(queue: Set<Entry>, most: number): number {
    let begun = 0;
    for (const entry of queue) {
      if (begun >= most || inFlight >= MAX_IN_FLIGHT) break;
      queue.delete(entry);
      start(entry);
      begun += 1;
    }
    return begun;
  }

  function start(entry: Entry) {
    const { check } = entry;
    const attempt = ++entry.count;
    entry.startedMs = attention.nowMs();
    entry.stallsAtStart = attention.stalls;
    entry.running = STARTING;
    inFlight += 1;
    wheel.schedule(entry, entry.startedMs + check.settings.timeoutMs);
    const running = probe(check, (outcome) => {
      if (entry.running && entry.count === attempt) finish(entry, outcome);
    });
    if (entry.running === STARTING && entry.count === attempt) entry.running = running;
  }

  function timeOut(entry: Entry) {
    const stage = entry.running?.stage() ?? '';
    entry.running?.stop();
    const { timeoutMs } = entry.check.settings;
    finish(entry, { pass: false, reason: `timed out after ${timeoutMs} ms${stage}` });
  }

  function finish(entry: Entry, outcome: Outcome) {
    const { check } = entry;
    entry.running = undefined;
    inFlight -= 1;
    // An answer is an answer; but what failed across a stall may have failed because of it.
    if (outcome.pass === false) look();
    const stalled = outcome.pass === false && entry.stallsAtStart !== attention.stalls;
    const { intervalMs } = check.settings;
    const nowMs = attention.nowMs();
    if (outcome.pass === undefined || stalled) {
      wheel.schedule(entry, nowMs + Math.min(RETRY_MS, intervalMs));
      options.onDiscard(check, stalled ? `${outcome.reason} during a stall` : outcome.reason);
      return;
    }
    const nextMs = nextDueMs(entry.hash, entry.count, entry.startedMs, intervalMs);
    wheel.schedule(entry, Math.max(nextMs, nowMs));
    options.onVerdict(check, outcome);
  }

  function remove(id: CheckId) {
    const entry = entries.get(id);
    if (!entry) return;
    entries.delete(id);
    fresh.delete(entry);
    due.delete(entry);
    wheel.cancel(entry);
    const { running } = entry;
    if (!running) return;
    entry.running = undefined;
    inFlight -= 1;
    running.stop();
  }

  return {
    add(check) {
      const entry: Entry = {
        check,
        hash: hashOf(check.id),
        count: 0,
        startedMs: 0,
        stallsAtStart: 0,
        running: undefined,
      };
      entries.set(check.id, entry);
      fresh.add(entry);
      if (fresh.size === 1) arm();
    },
    remove,
    load: () => ({ inFlight, waiting: fresh.size + due.size }),
    stop() {
      cancelWake?.();
      cancelWake = undefined;
      for (const id of [...entries.keys()]) this.remove(id);
    },
  };
}
