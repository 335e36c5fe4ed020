import type { HealthCheckSettings } from '../../domain/health.ts';
import type { Scheduler } from '../../domain/scheduler.ts';
import type { DeadBackend, Service, TargetKind } from '../../domain/service.ts';
import type { LoadBalancerClass } from '../../domain/service-class.ts';
import type { HealthFallback } from './usable.ts';

/** What planning takes from the settings. */
export interface ForwardSettings {
  readonly loadBalancer: LoadBalancerClass;
  /** Where packets go when the Service has no `tidegate.io/target`. */
  readonly target: TargetKind;
  /** Defaults of every health check. */
  readonly health: HealthCheckSettings;
  readonly healthFallback: HealthFallback;
  readonly scheduler: Scheduler;
  readonly deadBackends: DeadBackend;
  /** 0: no limit. */
  readonly clientNewFlowsPerSec: number;
}

/** Where this Service's packets go. */
export function targetOf(service: Service, settings: ForwardSettings): TargetKind {
  return service.target ?? settings.target;
}
