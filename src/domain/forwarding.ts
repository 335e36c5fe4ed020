import type { Address } from './address.ts';
import type { CheckId, HealthCheck } from './health.ts';
import type { KeyedMap } from './keyed-map.ts';
import type { ObjectKey } from './object.ts';

/**
 * What the forwarding core should do, planned from a snapshot and the health of backends.
 * Nothing in here knows of maps, ids or next hops; the forwarder adds those.
 */
export interface ForwardPlan {
  readonly revision: number;
  /** By Service key: LoadBalancer Services of ours that hold an address. */
  readonly services: KeyedMap<ServiceForwarding>;
  /** By virtual server id. */
  readonly servers: KeyedMap<VirtualServer>;
  /** By check id: everything to be probed. */
  readonly checks: KeyedMap<HealthCheck>;
  /** How many Services this step planned anew; what did not change is not planned again. */
  readonly planned: number;
}

/** One Service's part, with the reasons an operator asks for. */
export interface ServiceForwarding {
  readonly service: ObjectKey;
  readonly addresses: readonly Address[];
  readonly servers: readonly VirtualServer[];
  /** Distinct checks of its backends. */
  readonly checks: readonly HealthCheck[];
  /** True when at least one server has a backend in use. */
  readonly servable: boolean;
  /** `noEndpoints` (MetalLB's word) or `backendsFailing` when not servable, else empty. */
  readonly reason: string;
  /** Said loudly: what makes the Service fail, or would if it were not for the fallback. */
  readonly alarms: readonly string[];
  /** Sentences about what is missing or unusual: a port without endpoints, … */
  readonly notes: readonly string[];
}

/** One (VIP, protocol, port). */
export interface VirtualServer {
  /** `address protocol port`, unique over the plan. */
  readonly id: string;
  readonly service: ObjectKey;
  readonly address: Address;
  readonly protocol: 'TCP' | 'UDP';
  readonly port: number;
  /** Seconds; 0 means no ClientIP affinity. */
  readonly affinityTimeoutSec: number;
  /** Sorted by id, so that equal input gives equal rings on every box. */
  readonly backends: readonly Backend[];
  /** Maglev table: each entry an index into `backends`. Empty when no backend takes new flows. */
  readonly ring: Uint16Array;
}

export interface Backend {
  /** `address port`, unique within its server. */
  readonly id: string;
  readonly address: Address;
  readonly port: number;
  readonly weight: number;
  /**
   * `active` takes new flows; `draining` keeps its flows and takes no new ones;
   * `down` takes no new ones and its UDP flows move at once.
   */
  readonly use: 'active' | 'draining' | 'down';
  /** Why it is not active, or why it is although something speaks against it (fail-open). */
  readonly reason: string;
  readonly node: string | undefined;
  readonly pod: ObjectKey | undefined;
  readonly check: CheckId | undefined;
}
