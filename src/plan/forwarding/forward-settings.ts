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
  /** Whether a node takes NodePort traffic only while its kube-proxy says so (KEP-3836). */
  readonly nodeHealth: 'kube-proxy' | 'off';
  /** Where this box is, when hints of EndpointSlices are honoured. */
  readonly place: Place | undefined;
  readonly scheduler: Scheduler;
  readonly deadBackends: DeadBackend;
  /** 0: no limit. */
  readonly clientNewFlowsPerSec: number;
}

/** Whose hints this box follows. */
export interface Place {
  /** `undefined` when the box has no label that says it. */
  readonly zone: string | undefined;
  /** Its Node's name, should it be a Node. */
  readonly node: string;
}

/** Where this Service's packets go. */
export function targetOf(service: Service, settings: ForwardSettings): TargetKind {
  return service.target ?? settings.target;
}
