import type { KeyedMap } from '../../domain/keyed-map.ts';
import type { ObjectKey } from '../../domain/object.ts';
import type { Problem } from '../../domain/problem.ts';
import type { LoadBalancerClass } from '../../domain/service-class.ts';
import type { Snapshot } from '../../domain/snapshot.ts';
import type { Assignment, PlannedEvent, PoolUsage } from './assignment.ts';
import type { Occupancy } from './occupancy.ts';
import type { WaitingList } from './waiting.ts';
import type { World } from './world.ts';

/** What allocation takes from the settings. */
export interface AllocationSettings extends LoadBalancerClass {
  /** True: a sharing key counts within its namespace. False, as with MetalLB: in the cluster. */
  readonly scopeSharingKeys: boolean;
}

/** Who has which addresses, and why others have none. */
export interface Allocation {
  readonly revision: number;
  /** By key: every Service of ours. What did not change is the same object as before. */
  readonly services: KeyedMap<Assignment>;
  /** By name: the pools in force. */
  readonly pools: KeyedMap<PoolUsage>;
  /** Pools that are refused, or kept in an earlier version, because of other pools. */
  readonly problems: readonly Problem[];
  /** To raise in this step, by Service key, in order. */
  readonly events: ReadonlyMap<ObjectKey, readonly PlannedEvent[]>;
  /** How many Services this step looked at. */
  readonly planned: number;
  /** What the next step starts from; nobody else's business. */
  readonly basis: AllocationBasis;
}

export interface AllocationBasis {
  readonly snapshot: Snapshot;
  readonly settings: AllocationSettings;
  readonly world: World;
  readonly occupancy: Occupancy;
  readonly waiting: WaitingList;
}
