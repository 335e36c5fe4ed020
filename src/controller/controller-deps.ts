import type { Clock } from '../domain/clock.ts';
import type { ClusterSource } from '../domain/cluster-source.ts';
import type { Log } from '../domain/log.ts';
import type { Observed } from './observed.ts';
import type { ControllerSettings } from './settings.ts';

/** What a controller works with. */
export interface ControllerDeps {
  /** Opened for writing. */
  readonly source: ClusterSource;
  readonly settings: ControllerSettings;
  readonly clock: Clock;
  readonly log: Log;
  /** Closed by `stop`. */
  readonly observed: Observed;
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
