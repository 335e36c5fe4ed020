import type { Address } from './address.ts';
import type { CheckId, HealthCheck } from './health.ts';
import type { KeyedMap } from './keyed-map.ts';
import type { ObjectKey } from './object.ts';
import type { Prefix } from './prefix.ts';
import type { Scheduler } from './scheduler.ts';

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
  /**
   * When to plan again although nothing changed, in the time planning was told; `undefined`: never.
   */
  readonly nextStepMs: number | undefined;
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
  readonly scheduler: Scheduler;
  /** Seconds; 0 means no ClientIP affinity. */
  readonly affinityTimeoutSec: number;
  /** Servers of one group share a client's hold: all ports of a Service (`sessionAffinity`). */
  readonly affinityGroup: string;
  /**
   * Clients that may come, of both families; empty: everybody. One object for all servers of a
   * Service, and the same one while it is equal.
   */
  readonly sourceRanges: readonly Prefix[];
  /** New flows a second that are taken; 0: no limit. */
  readonly newFlowsPerSec: number;
  /** The same from one client prefix. */
  readonly clientNewFlowsPerSec: number;
  /** Seconds over which a backend that became active comes up to its share; 0: at once. */
  readonly slowStartSec: number;
  /** TCP flows of a backend that is down are reset; otherwise left to end by themselves. */
  readonly resetDead: boolean;
  /** Sorted by id, so that equal input gives equal rings on every box. */
  readonly backends: readonly Backend[];
  /**
   * How `ring` is read for a new flow:
   * - `rendezvous`: it lists each backend that takes new flows once, at most
   *   `RENDEZVOUS_BACKENDS_MAX`; the highest hash of client and backend wins. A backend that goes or
   *   comes moves no flow of the others.
   * - `ring`: a place of it is taken: by hash (`maglev`, `source-hash`), by a cursor
   *   (`round-robin`), or the least loaded of some (`least-connections`).
   */
  readonly choice: 'rendezvous' | 'ring';
  /** Each entry an index into `backends`. Empty when no backend takes new flows. */
  readonly ring: Uint16Array;
}

/** Most backends (in use or not) that are chosen from without a table. */
export const RENDEZVOUS_BACKENDS_MAX = 16;

/** `Backend.admit` of a backend that takes every new flow it is offered. */
export const ADMIT_ALL = 256;

export interface Backend {
  /** `address port`, unique within its server. */
  readonly id: string;
  readonly address: Address;
  readonly port: number;
  /** 1 to 100, relative to the others'; 0: it takes no new flows (and is `draining`). */
  readonly weight: number;
  /** Of `ADMIT_ALL` new flows it is offered, how many it takes; fewer during slow start. */
  readonly admit: number;
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
