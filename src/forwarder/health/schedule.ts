import type { Clock } from '../../domain/clock.ts';
import type { CheckId, HealthCheck } from '../../domain/health.ts';
import { type Attention, createAttention } from './attention.ts';
import type { Verdict } from './machine.ts';
import { hashOf, nextDueMs } from './next-due.ts';
import type { Outcome, Probe, RunningProbe } from './probe.ts';
import { createWheel, type Wheel } from './wheel.ts';

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

/** When which check is probed. Never two probes of one check at once. */
export class Schedule {
  readonly #options: ScheduleOptions;
  readonly #attention: Attention;
  readonly #wheel: Wheel<Entry>;
  readonly #entries = new Map<CheckId, Entry>();
  /** Never probed yet. */
  readonly #fresh = new Set<Entry>();
  readonly #due = new Set<Entry>();
  #inFlight = 0;
  #cancelWake: (() => void) | undefined;

  constructor(options: ScheduleOptions) {
    this.#options = options;
    this.#attention = createAttention(options.clock);
    this.#wheel = createWheel<Entry>(this.#attention.nowMs());
  }

  /** Probes from now on, the first time as soon as the pace allows. */
  add(check: HealthCheck): void {
    const entry: Entry = {
      check,
      hash: hashOf(check.id),
      count: 0,
      startedMs: 0,
      stallsAtStart: 0,
      running: undefined,
    };
    this.#entries.set(check.id, entry);
    this.#fresh.add(entry);
    if (this.#fresh.size === 1) this.#arm();
  }

  /** Stops a probe under way; nothing is called for this check any more. */
  remove(id: CheckId): void {
    const entry = this.#entries.get(id);
    if (!entry) return;
    this.#entries.delete(id);
    this.#fresh.delete(entry);
    this.#due.delete(entry);
    this.#wheel.cancel(entry);
    const { running } = entry;
    if (!running) return;
    entry.running = undefined;
    this.#inFlight -= 1;
    running.stop();
  }

  load(): { readonly inFlight: number; readonly waiting: number } {
    return { inFlight: this.#inFlight, waiting: this.#fresh.size + this.#due.size };
  }

  stop(): void {
    for (const id of [...this.#entries.keys()]) this.remove(id);
    this.#cancelWake?.();
    this.#cancelWake = undefined;
  }

  #tick(): void {
    this.#look();
    for (const entry of this.#wheel.advance(this.#attention.nowMs())) {
      if (entry.running) this.#timeOut(entry, entry.running);
      else this.#due.add(entry);
    }
    const forFresh = Math.min(this.#fresh.size, FRESH_STARTS_PER_TICK);
    const begun = this.#startFrom(this.#due, STARTS_PER_TICK - forFresh);
    this.#startFrom(this.#fresh, STARTS_PER_TICK - begun);
    this.#arm();
  }

  #look(): void {
    const stalledMs = this.#attention.look();
    if (stalledMs > 0) this.#options.onStall(stalledMs);
  }

  /** Ticks on while anything waits or is under way; else sleeps until the next check is due. */
  #arm(): void {
    this.#look();
    this.#cancelWake?.();
    this.#cancelWake = undefined;
    const busy = this.#inFlight > 0 || this.#fresh.size > 0 || this.#due.size > 0;
    const wakeMs = busy ? undefined : this.#wheel.wakeMs();
    const idleMs =
      wakeMs === undefined ? Number.POSITIVE_INFINITY : wakeMs - this.#attention.nowMs();
    const delayMs = busy ? TICK_MS : Math.max(0, idleMs);
    this.#attention.expect(delayMs);
    if (delayMs === Number.POSITIVE_INFINITY) return;
    this.#cancelWake = this.#options.clock.after(delayMs, () => this.#tick());
  }

  #startFrom(queue: Set<Entry>, most: number): number {
    let begun = 0;
    for (const entry of queue) {
      if (begun >= most || this.#inFlight >= MAX_IN_FLIGHT) break;
      queue.delete(entry);
      this.#start(entry);
      begun += 1;
    }
    return begun;
  }

  #start(entry: Entry): void {
    const { check } = entry;
    const attempt = ++entry.count;
    entry.startedMs = this.#attention.nowMs();
    entry.stallsAtStart = this.#attention.stalls;
    entry.running = STARTING;
    this.#inFlight += 1;
    this.#wheel.schedule(entry, entry.startedMs + check.settings.timeoutMs);
    const running = this.#options.probe(check, (outcome) => {
      if (entry.running && entry.count === attempt) this.#finish(entry, outcome);
    });
    if (entry.running === STARTING) entry.running = running;
  }

  #timeOut(entry: Entry, running: RunningProbe): void {
    const { timeoutMs } = entry.check.settings;
    const reason = `timed out after ${timeoutMs} ms${running.stage()}`;
    running.stop();
    this.#finish(entry, { pass: false, reason });
  }

  #finish(entry: Entry, outcome: Outcome): void {
    const { check } = entry;
    entry.running = undefined;
    this.#inFlight -= 1;
    // An answer is an answer; but what failed across a stall may have failed because of it.
    if (outcome.pass === false) this.#look();
    const stalled = outcome.pass === false && entry.stallsAtStart !== this.#attention.stalls;
    const { intervalMs } = check.settings;
    const nowMs = this.#attention.nowMs();
    if (outcome.pass === undefined || stalled) {
      this.#wheel.schedule(entry, nowMs + Math.min(RETRY_MS, intervalMs));
      const reason = stalled ? `${outcome.reason} during a stall` : outcome.reason;
      this.#options.onDiscard(check, reason);
      return;
    }
    const nextMs = nextDueMs(entry.hash, entry.count, entry.startedMs, intervalMs);
    this.#wheel.schedule(entry, Math.max(nextMs, nowMs));
    this.#options.onVerdict(check, outcome);
  }
}
