import type { Clock } from '../domain/clock.ts';
import type { ClusterSource } from '../domain/cluster-source.ts';
import type { Log } from '../domain/log.ts';
import type { Role } from '../domain/role.ts';
import type { Allocation } from '../plan/allocation/allocation.ts';
import { createLoop } from './loop.ts';
import type { Observed } from './observed.ts';
import type { ControllerSettings } from './settings.ts';

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

/**
 * Starts to allocate addresses: for each new snapshot plans, writes the statuses that differ, and
 * awaits that before it plans again, so that it always plans on its own decisions. What could not
 * be written stays decided (nobody else gets the address) and is tried again with backoff. While
 * another process leads it stands by, and remembers nothing.
 */
export function startController(deps: ControllerDeps): Controller {
  const { source, clock, observed } = deps;
  const loop = createLoop(deps);
  const unsubscribe = source.subscribe(() => loop.run());
  let cancelSettle: (() => void) | undefined;
  const followLeader = source.leadership.subscribe(() => loop.follow());
  const unobserve = observed.subscribe((concerned) => {
    loop.report(concerned);
    cancelSettle ??= clock.after(observed.settleMs, () => {
      cancelSettle = undefined;
      loop.settle();
    });
  });
  loop.run();
  return {
    name: 'controller',
    readiness: () => loop.readiness(),
    allocation: () => loop.allocation(),
    counters: () => loop.counters(),
    async stop() {
      unsubscribe();
      followLeader();
      unobserve();
      cancelSettle?.();
      await loop.stop();
      observed.close();
    },
  };
}
