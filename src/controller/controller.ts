import type { Role } from '../domain/role.ts';
import type { Allocation } from '../plan/allocation/allocation.ts';
import type { ControllerCounters, ControllerDeps } from './controller-deps.ts';
import { createLoop } from './loop.ts';

/** The running role, and what the admin API and metrics show of it. */
export interface Controller extends Role {
  readonly name: 'controller';
  /** Who has what and why others have nothing, with the counters of pools. */
  allocation(): Allocation | undefined;
  counters(): ControllerCounters;
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
