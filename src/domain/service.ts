import type { Address, Family } from './address.ts';
import type { HealthCheckSettings } from './health.ts';
import type { ObjectMeta } from './object.ts';
import type { Prefix } from './prefix.ts';
import type { Scheduler } from './scheduler.ts';

export type Protocol = 'TCP' | 'UDP' | 'SCTP';

/** `Service.spec.ports[]`. */
export interface ServicePort {
  /** Empty when the only port has no name. */
  readonly name: string;
  readonly protocol: Protocol;
  readonly port: number;
  /** A number, or the name of a container port (resolved by EndpointSlices). */
  readonly targetPort: number | string;
  /** 0 when none is allocated. */
  readonly nodePort: number;
}

/** Where the packets of a Service go: its Pods' own addresses, or the NodePorts of eligible nodes. */
export type TargetKind = 'pod' | 'node';

/** What becomes of TCP flows whose backend fails its health check. */
export type DeadBackend = 'leave' | 'reset';

/** What the user asks the allocator for, by annotation or `spec.loadBalancerIP`. */
export type AddressRequest =
  | { readonly kind: 'none' }
  | { readonly kind: 'addresses'; readonly addresses: readonly Address[]; readonly field: string }
  /** Unreadable or contradictory; an address already held stays (MetalLB's rule). */
  | {
      readonly kind: 'invalid';
      readonly field: string;
      readonly message: string;
      readonly remedy: string;
    };

/** A Kubernetes Service, decoded. Fields that have no meaning at the edge are not kept. */
export interface Service extends ObjectMeta {
  readonly type: 'LoadBalancer' | 'NodePort' | 'ClusterIP' | 'ExternalName';
  readonly loadBalancerClass: string | undefined;
  /** `clusterIP: None`; such a Service gets no address. */
  readonly headless: boolean;
  /**
   * Families wanted, primary first. Taken from `clusterIPs`, else `ipFamilies`, else the policy
   * (in a folder of manifests nobody fills these in).
   */
  readonly families: readonly Family[];
  readonly ipFamilyPolicy: 'SingleStack' | 'PreferDualStack' | 'RequireDualStack';
  readonly ports: readonly ServicePort[];
  /** Canonical text `a=b,c=d` of `spec.selector`, sorted; empty when selectorless. */
  readonly selector: string;
  readonly externalTrafficPolicy: 'Cluster' | 'Local';
  /** 0 when none. */
  readonly healthCheckNodePort: number;
  /** Seconds of ClientIP affinity; 0 means `sessionAffinity: None`. */
  readonly affinityTimeoutSec: number;
  readonly publishNotReadyAddresses: boolean;
  readonly sourceRanges: readonly Prefix[];
  readonly request: AddressRequest;
  /** Pool asked for by annotation; `undefined` when none is. */
  readonly poolRequest: string | undefined;
  /** Sharing key; empty means not shared. */
  readonly sharingKey: string;
  /** Annotations under `metallb.universe.tf/` that were used; each is worth a `deprecatedAnnotation` event. */
  readonly deprecatedAnnotations: readonly string[];
  /** `tidegate.io/target`, else `undefined` (the setting decides). */
  readonly target: TargetKind | undefined;
  /** `tidegate.io/health-check…`: only what the annotations say, over the settings' defaults. */
  readonly healthCheck: Partial<HealthCheckSettings>;
  /** `tidegate.io/scheduler`, else `undefined` (the setting decides). */
  readonly scheduler: Scheduler | undefined;
  /** `tidegate.io/slow-start` in seconds; 0: none. */
  readonly slowStartSec: number;
  /** `tidegate.io/weights`: by the name of a Pod or Node, or the canonical text of an address. */
  readonly weights: ReadonlyMap<string, number>;
  /** `tidegate.io/new-flows-per-second`, of each VIP port; 0: no limit. */
  readonly newFlowsPerSec: number;
  /** `tidegate.io/client-new-flows-per-second`, else `undefined` (the setting decides). */
  readonly clientNewFlowsPerSec: number | undefined;
  /** `tidegate.io/dead-backend`, else `undefined` (the setting decides). */
  readonly deadBackend: DeadBackend | undefined;
}

/** `status` of a Service as the cluster (or the state directory) holds it. */
export interface ServiceStatus {
  readonly addresses: readonly Address[];
  /** Host names in `ingress[]`: another controller's work, replaced when the Service is ours. */
  readonly hostnames: readonly string[];
  /** `metallb.io/ip-allocated-from-pool`; empty when unknown. */
  readonly pool: string;
  /** `ingress[].ports` (KEP-1435): ports that are not served; empty when all are. */
  readonly ports: readonly PortError[];
  /**
   * The cluster keeps a deleted Service until its address is given back (finalizer
   * `service.kubernetes.io/load-balancer-cleanup`). Always true where nothing is deleted in two steps.
   */
  readonly guarded: boolean;
  readonly conditions: readonly Condition[];
  /** Newest last, bounded by `EVENTS_PER_SERVICE`. */
  readonly events: readonly ServiceEvent[];
}

/** A port that is not served. */
export interface PortError {
  readonly port: number;
  readonly protocol: Protocol;
  /** CamelCase, or a qualified name such as `tidegate.io/ProtocolNotSupported`. */
  readonly error: string;
}

export const EVENTS_PER_SERVICE = 10;

/** meta/v1 Condition without the generation. */
export interface Condition {
  readonly type: string;
  readonly status: 'True' | 'False' | 'Unknown';
  readonly reason: string;
  readonly message: string;
  /** ms since 1970. */
  readonly sinceMs: number;
}

/** A Kubernetes Event about a Service, aggregated by (type, reason, message). */
export interface ServiceEvent {
  readonly type: 'Normal' | 'Warning';
  readonly reason: string;
  readonly message: string;
  readonly firstMs: number;
  readonly lastMs: number;
  readonly count: number;
}
