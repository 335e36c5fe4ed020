import type { Address } from '../domain/address.ts';
import type { Clock } from '../domain/clock.ts';
import type { ClusterSource } from '../domain/cluster-source.ts';
import type { Log } from '../domain/log.ts';
import type { ObjectKey } from '../domain/object.ts';
import type { Problem } from '../domain/problem.ts';
import type { Role } from '../domain/role.ts';
import type { ServiceStatus } from '../domain/service.ts';
import { allocate, mayBeHidden, usersOf } from '../plan/allocate.ts';
import type { Allocation } from '../plan/allocation/allocation.ts';
import { backoffMs } from '../reconcile/backoff.ts';
import { findingsOf } from './conditions.ts';
import { isOurStatus, nextStatus } from './next-status.ts';
import type { Observed } from './observed.ts';
import type { ControllerSettings } from './settings.ts';
import { createWork } from './work.ts';

export interface ControllerDeps {
  /** Opened for writing. */
  readonly source: ClusterSource;
  readonly settings: ControllerSettings;
  readonly clock: Clock;
  readonly log: Log;
  /** Closed by `stop`. */
  readonly observed: Observed;
}

/** The running role, and what the admin API and metrics show of it. */
export interface Controller extends Role {
  readonly name: 'controller';
  /** Who has what and why others have nothing, with the counters of pools. */
  allocation(): Allocation | undefined;
  counters(): ControllerCounters;
}

/** As MetalLB counts them (`metallb_k8s_client_*`). */
export interface ControllerCounters {
  /** Statuses written. */
  readonly updates: number;
  /** Writes that failed; each is tried again. */
  readonly updateErrors: number;
  /** There is an allocation by some configuration. */
  readonly configLoaded: boolean;
  /** Some pool is not in force as it is written. */
  readonly configStale: boolean;
}

/** Changed reports are collected for so long before they are written as conditions. */
export const REPORTS_SETTLE_MS = 200;

/**
 * Starts to allocate addresses: for each new snapshot plans, writes the statuses that differ, and
 * awaits that before it plans again, so that it always plans on its own decisions. What could not
 * be written stays decided (nobody else gets the address) and is tried again with backoff.
 */
export function startController(deps: ControllerDeps): Controller {
  const { source, clock, observed } = deps;
  const loop = new Loop(deps);
  const unsubscribe = source.subscribe(() => loop.run());
  let cancelSettle: (() => void) | undefined;
  const unobserve = observed.subscribe((addresses) => {
    loop.report(addresses);
    cancelSettle ??= clock.after(REPORTS_SETTLE_MS, () => {
      cancelSettle = undefined;
      loop.settle();
    });
  });
  loop.run();
  return {
    name: 'controller',
    readiness: () => loop.readiness(),
    allocation: () => loop.allocation,
    counters: () => loop.counters(),
    async stop() {
      unsubscribe();
      unobserve();
      cancelSettle?.();
      await loop.stop();
      observed.close();
    },
  };
}

/** Until `retryAtMs` is planned only. */
interface Failure {
  readonly attempts: number;
  readonly message: string;
  readonly retryAtMs: number;
}

/** One pass at a time: plan, write, await. A class, since it is all state. */
class Loop {
  allocation: Allocation | undefined;
  readonly #deps: ControllerDeps;
  readonly #work = createWork();
  #updates = 0;
  #updateErrors = 0;
  #running: Promise<void> | undefined;
  #again = false;
  #stopped = false;
  #failure: Failure | undefined;
  #cancelRetry = () => {};

  constructor(deps: ControllerDeps) {
    this.#deps = deps;
  }

  /** Sees to it that a pass begins after this call. */
  run(): void {
    this.#again = true;
    this.#running ??= this.#passes();
  }

  /** Notes that reports about some addresses (or all) changed; `settle` looks at them. */
  report(addresses: readonly Address[] | undefined): void {
    if (!this.allocation) return;
    if (!addresses) this.#work.report(this.allocation.services.keys());
    for (const address of addresses ?? []) this.#work.report(usersOf(this.allocation, address));
  }

  settle(): void {
    this.#work.settle();
    this.run();
  }

  readiness() {
    if (!this.allocation) {
      return { ready: false, reason: 'Waiting for the first complete read of the cluster' };
    }
    return this.#failure
      ? { ready: false, reason: this.#failure.message }
      : { ready: true, reason: '' };
  }

  counters(): ControllerCounters {
    return {
      updates: this.#updates,
      updateErrors: this.#updateErrors,
      configLoaded: this.allocation !== undefined,
      configStale: this.allocation !== undefined && hasStalePool(this.allocation),
    };
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancelRetry();
    await this.#running;
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
    if (snapshot.revision === 0) return;
    const before = this.allocation;
    const allocation = allocate(before, snapshot, settings.allocation);
    this.allocation = allocation;
    this.#work.addDecisions(before, allocation);
    if (this.#failure && startedMs < this.#failure.retryAtMs) return;
    const keys = this.#work.next();
    if (keys.length > 0) {
      await this.#write(this.#changesOf(keys, allocation));
      for (const key of keys) this.#logEvents(key, snapshot.revision, startedMs);
      this.#work.done(keys);
      this.#again = true;
    }
    this.#failure = undefined;
    this.#cancelRetry();
  }

  async #write(changes: ReadonlyMap<ObjectKey, ServiceStatus | undefined>): Promise<void> {
    if (changes.size === 0) return;
    try {
      await this.#deps.source.writeStatuses(changes);
    } catch (cause) {
      this.#updateErrors += 1;
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new Error(`Cannot write the status of ${changes.size} Services: ${why}`, { cause });
    }
    this.#updates += changes.size;
  }

  #changesOf(keys: Iterable<ObjectKey>, allocation: Allocation) {
    const { statuses } = allocation.basis.snapshot;
    const changes = new Map<ObjectKey, ServiceStatus | undefined>();
    for (const key of keys) {
      const current = statuses.get(key);
      const wanted = this.#statusFor(key, current, allocation);
      if (wanted !== current) changes.set(key, wanted);
    }
    return changes;
  }

  #statusFor(
    key: ObjectKey,
    current: ServiceStatus | undefined,
    allocation: Allocation,
  ): ServiceStatus | undefined {
    const assignment = allocation.services.get(key);
    if (assignment) {
      const findings = findingsOf(assignment, this.#deps.observed);
      const events = this.#work.eventsOf(key);
      return nextStatus(current, assignment, findings, events, this.#deps.clock.wallMs());
    }
    if (!current || mayBeHidden(allocation, key)) return current;
    const service = allocation.basis.snapshot.services.get(key);
    if (!service || this.#work.isReleased(key)) return undefined;
    return service.type !== 'LoadBalancer' && isOurStatus(current) ? undefined : current;
  }

  #logEvents(key: ObjectKey, revision: number, startedMs: number): void {
    const { log, clock } = this.#deps;
    const ms = clock.monotonicMs() - startedMs;
    for (const { type, reason, message } of this.#work.eventsOf(key)) {
      const level = type === 'Warning' ? 'warn' : 'info';
      log[level](message, { object: `Service ${key}`, reason, revision, ms });
    }
  }

  #retryLater(error: unknown): void {
    const { log, clock } = this.#deps;
    const attempts = (this.#failure?.attempts ?? 0) + 1;
    const retryInMs = backoffMs(attempts);
    const message = error instanceof Error ? error.message : String(error);
    this.#failure = { attempts, message, retryAtMs: clock.monotonicMs() + retryInMs };
    log.error('Cannot allocate; addresses stay as decided', { attempts, retryInMs, error });
    this.#cancelRetry();
    if (!this.#stopped) this.#cancelRetry = clock.after(retryInMs, () => this.run());
  }
}

function hasStalePool({ problems, basis }: Allocation): boolean {
  const isPoolError = ({ severity, object }: Problem) =>
    severity === 'error' && object?.kind === 'IPAddressPool';
  return problems.length > 0 || basis.snapshot.problems.some(isPoolError);
}
