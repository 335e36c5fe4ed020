import type { Clock } from '../../domain/clock.ts';
import type { CheckHealth, CheckId, HealthCheck } from '../../domain/health.ts';
import { KeyedMap } from '../../domain/keyed-map.ts';
import type { Log } from '../../domain/log.ts';
import { type CheckState, judge, UNANSWERED, type Verdict } from './machine.ts';

/** How long the health of a check outlives the wish for it, ms. */
export const FORGET_AFTER_MS = 60_000;
/** Changes logged one by one in a second; of the rest only the number is said. */
const LOGGED_PER_SECOND = 100;

export type HealthChanges = ReadonlyMap<CheckId, CheckHealth | undefined>;

/**
 * What is known of every check, and who wants to hear of changes.
 *
 * Health outlives the wish for a check by `FORGET_AFTER_MS`: a file edited badly and mended, or a
 * source of the cluster that is slow to answer after a restart, does not make anything flap.
 */
export interface Tracker {
  verdict(check: HealthCheck, verdict: Verdict): void;
  states(): KeyedMap<CheckHealth>;
  /** Says which checks are wanted from now on; the rest is forgotten in time. */
  wanted(checks: KeyedMap<HealthCheck>): void;
  stop(): void;
}

export function createTracker(options: {
  readonly clock: Clock;
  readonly log: Log;
  /** What an earlier process knew. */
  readonly remembered: ReadonlyMap<CheckId, CheckHealth>;
  /** Called once a turn of the event loop in which something changed. */
  readonly onChange: (changes: HealthChanges) => void;
}): Tracker {
  const { clock } = options;
  const changeLog = createChangeLog(clock, options.log);
  const states = new Map<CheckId, CheckState>();
  for (const [id, health] of options.remembered) states.set(id, { health, against: 0 });
  let published = KeyedMap.from(options.remembered);
  let changes = new Map<CheckId, CheckHealth | undefined>();
  let current = KeyedMap.empty<HealthCheck>();
  /** Remembered, and nobody has said yet what is wanted: not forgotten before that. */
  let unclaimed: ReadonlySet<CheckId> = new Set(options.remembered.keys());
  /** When to forget, in order of time. */
  const forgetAtMs = new Map<CheckId, number>();
  let cancelForget: (() => void) | undefined;
  let cancelPublish: (() => void) | undefined;

  function change(id: CheckId, health: CheckHealth | undefined) {
    changes.set(id, health);
    cancelPublish ??= clock.after(0, publish);
  }

  function fold(): KeyedMap<CheckHealth> {
    if (cancelPublish) published = published.withAll(changes);
    return published;
  }

  function publish() {
    fold();
    cancelPublish = undefined;
    const told = changes;
    changes = new Map();
    for (const [id, health] of told) if (health) changeLog.say(id, health);
    options.onChange(told);
  }

  function forget() {
    cancelForget = undefined;
    const nowMs = clock.monotonicMs();
    for (const [id, atMs] of forgetAtMs) {
      if (atMs > nowMs) {
        cancelForget = clock.after(atMs - nowMs, forget);
        return;
      }
      forgetAtMs.delete(id);
      if (states.delete(id)) change(id, undefined);
    }
  }

  return {
    verdict(check, verdict) {
      const before = states.get(check.id) ?? UNANSWERED;
      const after = judge(before, verdict, check.settings, clock.wallMs());
      states.set(check.id, after);
      if (after.health !== before.health) change(check.id, after.health);
    },
    states: fold,
    wanted(checks) {
      const atMs = clock.monotonicMs() + FORGET_AFTER_MS;
      for (const id of checks.changedKeys(current)) {
        if (checks.has(id)) forgetAtMs.delete(id);
        else forgetAtMs.set(id, atMs);
      }
      for (const id of unclaimed) if (!checks.has(id)) forgetAtMs.set(id, atMs);
      unclaimed = new Set();
      current = checks;
      if (forgetAtMs.size > 0) cancelForget ??= clock.after(FORGET_AFTER_MS, forget);
    },
    stop() {
      cancelForget?.();
      cancelPublish?.();
      if (cancelPublish) publish();
      changeLog.stop();
    },
  };
}

/** Logs each change, up to the limit, and once a second how many more there were. */
function createChangeLog(clock: Clock, log: Log) {
  let said = 0;
  let unsaid = 0;
  let cancelSecond: (() => void) | undefined;

  function endSecond() {
    if (unsaid > 0) log.warn('More backends changed health', { changes: unsaid });
    said = 0;
    unsaid = 0;
    cancelSecond = undefined;
  }

  return {
    say(check: CheckId, { state, reason }: CheckHealth) {
      cancelSecond ??= clock.after(1_000, endSecond);
      if (said === LOGGED_PER_SECOND) {
        unsaid += 1;
        return;
      }
      said += 1;
      if (state === 'up') log.info('Backend is up', { check });
      else log.warn('Backend is down', { check, reason });
    },
    stop() {
      cancelSecond?.();
      endSecond();
    },
  };
}
