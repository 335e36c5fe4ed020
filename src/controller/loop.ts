import type { ObjectKey } from '../domain/object.ts';
import type { Problem } from '../domain/problem.ts';
import type { Role } from '../domain/role.ts';
import type { Service, ServiceStatus } from '../domain/service.ts';
import type { Snapshot } from '../domain/snapshot.ts';
import { allocate, mayBeHidden, usersOf } from '../plan/allocate.ts';
import type { Allocation } from '../plan/allocation/allocation.ts';
import { backoffMs } from '../reconcile/backoff.ts';
import { findingsOf, portErrorsOf } from './conditions.ts';
import type { ControllerCounters, ControllerDeps } from './controller-deps.ts';
import { createDepartures, type Departures } from './departures.ts';
import { isOurStatus, nextStatus } from './next-status.ts';
import type { Concerned } from './observed.ts';
import { createWork, type Work } from './work.ts';

/** One pass at a time: plan, write, await. */
export interface Loop {
  /** Sees to it that a pass begins after this call. */
  run(): void;
  /** Somebody else leads, or we do. */
  follow(): void;
  /** Notes that reports changed; `settle` looks at them. */
  report(concerned: Concerned): void;
  settle(): void;
  readiness(): ReturnType<Role['readiness']>;
  counters(): ControllerCounters;
  /** `undefined` while nothing is to be decided. */
  allocation(): Allocation | undefined;
  stop(): Promise<void>;
}

export function createLoop(deps: ControllerDeps): Loop {
  return new RunningLoop(deps);
}

/** Nothing could be written. Until `retryAtMs` is planned only. */
interface Failure {
  readonly attempts: number;
  readonly message: string;
  readonly retryAtMs: number;
}

/** What one process knows while it leads; who begins to lead begins with nothing. */
interface Term {
  allocation: Allocation | undefined;
  readonly work: Work;
  readonly departures: Departures;
  failure: Failure | undefined;
}

/** A write under way is waited for so long at the end: the source knows what becomes of it. */
export const STOP_WAIT_MS = 1000;

/** A class, since it is all state. */
class RunningLoop implements Loop {
  readonly #deps: ControllerDeps;
  #term: Term;
  #updates = 0;
  #updateErrors = 0;
  #running: Promise<void> | undefined;
  #again = false;
  #stopped = false;
  #cancelRetry = () => {};

  constructor(deps: ControllerDeps) {
    this.#deps = deps;
    this.#term = this.#newTerm();
  }

  run(): void {
    this.#again = true;
    this.#running ??= this.#passes();
  }

  follow(): void {
    // At once: when the pass under way ends, we may lead again.
    if (!this.#deps.source.leadership.leads()) this.#forget();
    this.run();
  }

  allocation(): Allocation | undefined {
    return this.#term.allocation;
  }

  report(concerned: Concerned): void {
    const { allocation, work } = this.#term;
    if (!allocation) return;
    if (concerned === 'all') work.report(allocation.services.keys());
    else if ('addresses' in concerned) {
      for (const address of concerned.addresses) work.report(usersOf(allocation, address));
    } else {
      work.report([...concerned.services].filter((key) => allocation.services.has(key)));
    }
  }

  settle(): void {
    this.#term.work.settle();
    this.run();
  }

  readiness() {
    const { revision, remembered } = this.#deps.source.current();
    if (revision === 0) {
      return { ready: false, reason: 'Waiting for the first complete read of the cluster' };
    }
    if (remembered) {
      return { ready: false, reason: 'Waiting for the cluster; nothing is decided on memories' };
    }
    const { leadership } = this.#deps.source;
    if (!leadership.leads()) {
      const problem = leadership.problem();
      if (problem !== '')
        return { ready: false, reason: `Cannot stand for leadership: ${problem}` };
      const leader = leadership.leader();
      const who = leader === '' ? 'nobody is known to lead' : `"${leader}" leads`;
      return { ready: true, reason: `Standing by; ${who}` };
    }
    const { failure, work } = this.#term;
    if (failure) return { ready: false, reason: failure.message };
    const { count } = work.failures();
    return { ready: true, reason: count > 0 ? `${count} statuses could not be written yet` : '' };
  }

  counters(): ControllerCounters {
    const { allocation } = this.#term;
    return {
      updates: this.#updates,
      updateErrors: this.#updateErrors,
      configLoaded: allocation !== undefined,
      configStale: allocation !== undefined && hasStalePool(allocation),
    };
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancelRetry();
    this.#term.departures.stop();
    let cancel = () => {};
    const late = new Promise<void>((resolve) => {
      cancel = this.#deps.clock.after(STOP_WAIT_MS, resolve);
    });
    await Promise.race([this.#running, late]);
    cancel();
  }

  async #passes(): Promise<void> {
    // A turn later, so that what one turn brings goes into one pass.
    await Promise.resolve();
    while (this.#again && !this.#stopped) {
      this.#again = false;
      try {
        await this.#pass();
      } catch (error) {
        this.#retryLater(error);
      }
    }
    this.#running = undefined;
  }

  async #pass(): Promise<void> {
    const { source, settings, clock } = this.#deps;
    const startedMs = clock.monotonicMs();
    const snapshot = source.current();
    if (!this.#mayDecide(snapshot)) return;
    const term = this.#term;
    const before = term.allocation;
    const allocation = allocate(before, snapshot, settings.allocation);
    term.allocation = allocation;
    term.work.addDecisions(before, allocation);
    if (isReportNews(before, allocation)) this.#reportConfiguration(allocation);
    if (term.failure && startedMs < term.failure.retryAtMs) return;
    const keys = term.work.next(startedMs);
    if (keys.length > 0) {
      const changes = this.#changesOf(keys, allocation);
      const errors = await this.#write(changes);
      // We have ceased to lead meanwhile; if we lead again, all is looked at anew.
      if (term !== this.#term || this.#stopped) return;
      this.#settleKeys(keys, changes, errors, startedMs);
      this.#again = true;
    }
    term.failure = undefined;
    this.#wakeForRetries();
  }

  /** Who does not lead decides nothing, and forgets what it decided: others decide now. */
  #mayDecide({ revision, remembered }: Snapshot): boolean {
    if (revision === 0 || remembered) return false;
    if (this.#deps.source.leadership.leads()) return true;
    this.#forget();
    return false;
  }

  #forget(): void {
    if (!this.#term.allocation) return;
    this.#term.departures.stop();
    this.#term = this.#newTerm();
    this.#cancelRetry();
  }

  #newTerm(): Term {
    const { observed, clock, log } = this.#deps;
    const work = createWork();
    const departures = createDepartures(observed, clock, log, (service) => {
      work.report([service]);
      this.settle();
    });
    return { allocation: undefined, work, departures, failure: undefined };
  }

  /** Resolves with those that could not be written. */
  async #write(
    changes: ReadonlyMap<ObjectKey, ServiceStatus | undefined>,
  ): Promise<ReadonlyMap<ObjectKey, Error>> {
    if (changes.size === 0) return new Map();
    try {
      const errors = await this.#deps.source.writeStatuses(changes);
      this.#updates += changes.size - errors.size;
      this.#updateErrors += errors.size;
      return errors;
    } catch (cause) {
      this.#updateErrors += 1;
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new Error(`Cannot write the status of ${changes.size} Services: ${why}`, { cause });
    }
  }

  #settleKeys(
    keys: readonly ObjectKey[],
    changes: ReadonlyMap<ObjectKey, ServiceStatus | undefined>,
    errors: ReadonlyMap<ObjectKey, Error>,
    startedMs: number,
  ): void {
    const { clock, log } = this.#deps;
    const { work, departures, allocation } = this.#term;
    for (const key of keys) {
      if (errors.has(key)) {
        work.failed(key, clock.monotonicMs());
        continue;
      }
      this.#logEvents(key, startedMs);
      const isLeaving = allocation?.basis.snapshot.services.get(key)?.deleting === true;
      if (!isLeaving || (changes.has(key) && !changes.get(key))) departures.forget(key);
      work.done(key);
    }
    const [first] = errors.values();
    if (first) {
      const message = 'Cannot write some statuses; addresses stay as decided';
      log.warn(message, { count: errors.size, error: first });
    }
  }

  #changesOf(keys: Iterable<ObjectKey>, allocation: Allocation) {
    const { statuses } = allocation.basis.snapshot;
    const { work } = this.#term;
    const changes = new Map<ObjectKey, ServiceStatus | undefined>();
    for (const key of keys) {
      const current = statuses.get(key);
      const wanted = this.#statusFor(key, current, allocation);
      // Whoever could not write it has to hear that it is right as it is.
      if (wanted !== current || work.hasFailed(key)) changes.set(key, wanted);
    }
    return changes;
  }

  #statusFor(
    key: ObjectKey,
    current: ServiceStatus | undefined,
    allocation: Allocation,
  ): ServiceStatus | undefined {
    const { work, departures } = this.#term;
    const service = allocation.basis.snapshot.services.get(key);
    const assignment = allocation.services.get(key);
    if (service && assignment) {
      if (!service.deleting) return this.#statusOf(service, current, allocation);
      return current && !departures.mayLeave(key) ? current : undefined;
    }
    if (!current || mayBeHidden(allocation, key)) return current;
    if (!service || work.isReleased(key)) return undefined;
    return service.type !== 'LoadBalancer' && isOurStatus(current) ? undefined : current;
  }

  #statusOf(
    service: Service,
    current: ServiceStatus | undefined,
    allocation: Allocation,
  ): ServiceStatus | undefined {
    const { observed, clock } = this.#deps;
    const assignment = allocation.services.get(service.key);
    if (!assignment) return current;
    const findings = findingsOf(assignment, service, current, observed);
    const events = this.#term.work.eventsOf(service.key);
    const errors = portErrorsOf(service);
    return nextStatus(current, assignment, errors, findings, events, clock.wallMs());
  }

  #reportConfiguration({ pools, problems, basis }: Allocation): void {
    this.#deps.source.reportConfiguration({
      pools: pools.values(),
      problems: [...problems, ...basis.snapshot.problems].filter(isOfConfiguration),
    });
  }

  #logEvents(key: ObjectKey, startedMs: number): void {
    const { log, clock } = this.#deps;
    const { work, allocation } = this.#term;
    const ms = clock.monotonicMs() - startedMs;
    for (const { type, reason, message } of work.eventsOf(key)) {
      const level = type === 'Warning' ? 'warn' : 'info';
      log[level](message, { object: `Service ${key}`, reason, revision: allocation?.revision, ms });
    }
  }

  #wakeForRetries(): void {
    const { clock } = this.#deps;
    this.#cancelRetry();
    const { count, dueMs } = this.#term.work.failures();
    if (count === 0 || this.#stopped) return;
    this.#cancelRetry = clock.after(Math.max(0, dueMs - clock.monotonicMs()), () => this.run());
  }

  #retryLater(error: unknown): void {
    if (this.#stopped) return;
    const { log, clock } = this.#deps;
    const attempts = (this.#term.failure?.attempts ?? 0) + 1;
    const retryInMs = backoffMs(attempts);
    const message = error instanceof Error ? error.message : String(error);
    this.#term.failure = { attempts, message, retryAtMs: clock.monotonicMs() + retryInMs };
    log.error('Cannot allocate; addresses stay as decided', { attempts, retryInMs, error });
    this.#cancelRetry();
    this.#cancelRetry = clock.after(retryInMs, () => this.run());
  }
}

/** Kinds that operators configure with; problems of Services are said on the Services. */
const CONFIGURATION: ReadonlySet<string> = new Set(['IPAddressPool', 'L2Advertisement']);

function isOfConfiguration({ object }: Problem): boolean {
  return object !== undefined && CONFIGURATION.has(object.kind);
}

function isReportNews(before: Allocation | undefined, now: Allocation): boolean {
  return (
    before?.pools !== now.pools ||
    before.problems !== now.problems ||
    before.basis.snapshot.problems !== now.basis.snapshot.problems
  );
}

function hasStalePool({ problems, basis }: Allocation): boolean {
  const isPoolError = ({ severity, object }: Problem) =>
    severity === 'error' && object?.kind === 'IPAddressPool';
  return problems.length > 0 || basis.snapshot.problems.some(isPoolError);
}
