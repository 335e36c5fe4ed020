import type { Clock } from '../../domain/clock.ts';
import type { CheckHealth, CheckId, HealthCheck } from '../../domain/health.ts';
import { KeyedMap } from '../../domain/keyed-map.ts';
import type { Log } from '../../domain/log.ts';
import { type ChangeLog, createChangeLog } from './change-log.ts';
import { type CheckState, judge, UNANSWERED, type Verdict } from './machine.ts';

/** How long the health of a check outlives the wish for it, ms. */
export const FORGET_AFTER_MS = 60_000;

export type HealthChanges = ReadonlyMap<CheckId, CheckHealth | undefined>;

export interface TrackerOptions {
  readonly clock: Clock;
  readonly log: Log;
  /** What an earlier process knew. */
  readonly remembered: ReadonlyMap<CheckId, CheckHealth>;
  /** Called once a turn of the event loop in which something changed. */
  readonly onChange: (changes: HealthChanges) => void;
}

/**
 * What is known of every check, and who hears of changes.
 *
 * Health outlives the wish for a check by `FORGET_AFTER_MS`: a file edited badly and mended, or a
 * source of the cluster that is slow to answer after a restart, does not make anything flap.
 */
export class Tracker {
  readonly #options: TrackerOptions;
  readonly #changeLog: ChangeLog;
  readonly #known = new Map<CheckId, CheckState>();
  #published: KeyedMap<CheckHealth>;
  #changes = new Map<CheckId, CheckHealth | undefined>();
  #cancelPublish: (() => void) | undefined;
  #wanted = KeyedMap.empty<HealthCheck>();
  /** Remembered, and nobody has said yet what is wanted: not forgotten before that. */
  #unclaimed: ReadonlySet<CheckId>;
  /** When to forget, in order of time. */
  readonly #forgetAtMs = new Map<CheckId, number>();
  #cancelForget: (() => void) | undefined;

  constructor(options: TrackerOptions) {
    this.#options = options;
    this.#changeLog = createChangeLog(options.clock, options.log);
    for (const [id, health] of options.remembered) this.#known.set(id, { health, against: 0 });
    this.#published = KeyedMap.from(options.remembered);
    this.#unclaimed = new Set(options.remembered.keys());
  }

  verdict(check: HealthCheck, verdict: Verdict): void {
    const before = this.#known.get(check.id) ?? UNANSWERED;
    const after = judge(before, verdict, check.settings, this.#options.clock.wallMs());
    this.#known.set(check.id, after);
    if (after.health !== before.health) this.#change(check.id, after.health);
  }

  /** With the latest verdict in it, also before anybody was told. */
  states(): KeyedMap<CheckHealth> {
    this.#published = this.#published.withAll(this.#changes);
    return this.#published;
  }

  /** Says which checks are wanted from now on; the rest is forgotten in time. */
  want(checks: KeyedMap<HealthCheck>): void {
    const { clock } = this.#options;
    const atMs = clock.monotonicMs() + FORGET_AFTER_MS;
    for (const id of checks.changedKeys(this.#wanted)) {
      if (checks.has(id)) this.#forgetAtMs.delete(id);
      else this.#forgetAtMs.set(id, atMs);
    }
    for (const id of this.#unclaimed) if (!checks.has(id)) this.#forgetAtMs.set(id, atMs);
    this.#unclaimed = new Set();
    this.#wanted = checks;
    if (this.#forgetAtMs.size > 0)
      this.#cancelForget ??= clock.after(FORGET_AFTER_MS, () => this.#forget());
  }

  stop(): void {
    this.#cancelForget?.();
    this.#cancelPublish?.();
    if (this.#changes.size > 0) this.#publish();
    this.#changeLog.stop();
  }

  #change(id: CheckId, health: CheckHealth | undefined): void {
    this.#changes.set(id, health);
    this.#cancelPublish ??= this.#options.clock.after(0, () => this.#publish());
  }

  #publish(): void {
    this.states();
    const changes = this.#changes;
    this.#changes = new Map();
    this.#cancelPublish = undefined;
    for (const [id, health] of changes) if (health) this.#changeLog.say(id, health);
    this.#options.onChange(changes);
  }

  #forget(): void {
    this.#cancelForget = undefined;
    const { clock } = this.#options;
    const nowMs = clock.monotonicMs();
    for (const [id, atMs] of this.#forgetAtMs) {
      if (atMs > nowMs) {
        this.#cancelForget = clock.after(atMs - nowMs, () => this.#forget());
        return;
      }
      this.#forgetAtMs.delete(id);
      if (this.#known.delete(id)) this.#change(id, undefined);
    }
  }
}
