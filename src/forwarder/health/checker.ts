import type { Clock } from '../../domain/clock.ts';
import type { CheckHealth, HealthCheck } from '../../domain/health.ts';
import { KeyedMap } from '../../domain/keyed-map.ts';
import type { Log } from '../../domain/log.ts';
import type { HealthChecker } from '../health-checker.ts';
import { probeHttp } from './http.ts';
import { createIcmpProber } from './icmp.ts';
import { type Memory, openMemory } from './memory.ts';
import type { Probe } from './probe.ts';
import { Schedule } from './schedule.ts';
import { probeTcp } from './tcp.ts';
import { Tracker } from './tracker.ts';

/** Least time between two lines about results thrown away, ms. */
const DISCARD_LOG_MS = 10_000;

/** Counts since the start, and gauges of now. */
export interface HealthMetrics {
  readonly checks: number;
  readonly up: number;
  readonly down: number;
  /** Wanted and never answered. */
  readonly unanswered: number;
  readonly inFlight: number;
  /** Due, and held back by the pace. */
  readonly waiting: number;
  readonly passed: number;
  readonly failed: number;
  /** Ended with nothing learnt of the backend: this box was stalled or short of something. */
  readonly discarded: number;
  readonly stalls: number;
  /** Changes of state, the first one of each check included. */
  readonly changes: number;
}

export interface CheckerOptions {
  readonly clock: Clock;
  readonly log: Log;
  /** File that keeps what is known over a restart; in the run directory. */
  readonly ledger: string;
}

export type Checker = HealthChecker & { metrics(): HealthMetrics };

/** A health checker with real probes. Without its ledger it checks all the same, and says so. */
export async function startHealthChecker(options: CheckerOptions): Promise<Checker> {
  const { clock } = options;
  const log = options.log.child({ part: 'health' });
  const memory = await openMemory(options.ledger, clock, log).catch((error: unknown) => {
    log.warn('Health will not survive a restart: the ledger cannot be opened', { error });
    return undefined;
  });
  const icmp = createIcmpProber({ clock, log });
  const probe: Probe = (check, done) => {
    const { kind } = check.settings;
    const start = kind === 'tcp' ? probeTcp : kind === 'icmp' ? icmp.probe : probeHttp;
    return start(check, done);
  };
  const checker = createChecker({ clock, log, memory, probe });
  return {
    ...checker,
    async stop() {
      await checker.stop();
      icmp.close();
    },
  };
}

/** The checker itself, with its probes and its memory as arguments. */
export function createChecker(options: {
  readonly clock: Clock;
  readonly log: Log;
  readonly memory: Memory | undefined;
  readonly probe: Probe;
}): Checker {
  const { clock, log, memory, probe } = options;
  const listeners = new Set<() => void>();
  const counts = { passed: 0, failed: 0, discarded: 0, stalls: 0, changes: 0 };
  const sayDiscarded = discardLog(clock, log);
  let wanted = KeyedMap.empty<HealthCheck>();

  const tracker = new Tracker({
    clock,
    log,
    remembered: memory?.remembered ?? new Map(),
    onChange(changes) {
      counts.changes += changes.size;
      memory?.save(changes);
      for (const listener of listeners) listener();
    },
  });
  const schedule = new Schedule({
    clock,
    probe,
    onVerdict(check, verdict) {
      counts[verdict.pass ? 'passed' : 'failed'] += 1;
      tracker.verdict(check, verdict);
    },
    onDiscard(check, reason) {
      counts.discarded += 1;
      sayDiscarded(check, reason);
    },
    onStall(stalledMs) {
      counts.stalls += 1;
      log.warn('Health checks were stalled; failures meanwhile do not count', {
        stalledMs: Math.round(stalledMs),
      });
    },
  });

  return {
    want(checks) {
      reschedule(schedule, wanted, checks);
      wanted = checks;
      tracker.want(checks);
    },
    states: () => tracker.states(),
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    metrics: () => ({ ...gauges(wanted, tracker.states()), ...schedule.load(), ...counts }),
    async stop() {
      listeners.clear();
      schedule.stop();
      tracker.stop();
      await memory?.close();
    },
  };
}

function reschedule(
  schedule: Schedule,
  before: KeyedMap<HealthCheck>,
  checks: KeyedMap<HealthCheck>,
) {
  for (const id of checks.changedKeys(before)) {
    const check = checks.get(id);
    // Equal ids are equal checks: another object of the same content changes nothing.
    if (check && before.has(id)) continue;
    if (check) schedule.add(check);
    else schedule.remove(id);
  }
}

function gauges(checks: KeyedMap<HealthCheck>, states: KeyedMap<CheckHealth>) {
  let up = 0;
  let down = 0;
  for (const id of checks.keys()) {
    const state = states.get(id)?.state;
    if (state === 'up') up += 1;
    else if (state === 'down') down += 1;
  }
  return { checks: checks.size, up, down, unanswered: checks.size - up - down };
}

/** Says the first result thrown away, and then how many at most every `DISCARD_LOG_MS`. */
function discardLog(clock: Clock, log: Log): (check: HealthCheck, reason: string) => void {
  let saidMs = Number.NEGATIVE_INFINITY;
  let unsaid = 0;
  return (check, reason) => {
    unsaid += 1;
    const nowMs = clock.monotonicMs();
    if (nowMs - saidMs < DISCARD_LOG_MS) return;
    log.warn('Health probe says nothing about the backend', {
      check: check.id,
      reason,
      probes: unsaid,
    });
    saidMs = nowMs;
    unsaid = 0;
  };
}
