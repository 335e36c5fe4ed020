import type { Address } from '../../domain/address.ts';
import type { ObjectKey } from '../../domain/object.ts';

/** What the allocator decided for one Service of ours. */
export interface Assignment {
  readonly service: ObjectKey;
  /** At most one a family; empty when it has none. */
  readonly addresses: readonly Address[];
  /** Name of the pool they are from; empty without an address. */
  readonly pool: string;
  /** Why it has no address, or not all that it asks for. */
  readonly refusal: Refusal | undefined;
}

/** An expected refusal. It names the object in `message`, the `field` to look at and a `remedy`. */
export interface Refusal {
  /** MetalLB's event reason. */
  readonly reason: EventReason;
  /** MetalLB's event text. */
  readonly message: string;
  /** Path of the field that asks for what cannot be had, for example `spec.loadBalancerIP`. */
  readonly field: string;
  readonly remedy: string;
}

/** MetalLB's reasons, as written there. */
export type EventReason =
  | 'IPAllocated'
  | 'ClearAssignment'
  | 'AdditionalAssignFailed'
  | 'AllocationFailed'
  | 'LoadBalancerFailed'
  | 'deprecatedAnnotation'
  | 'nolbIPsIPFamily'
  | 'not enough clusterips';

/** An event to raise in this step. Time and count are the writer's. */
export interface PlannedEvent {
  readonly type: 'Normal' | 'Warning';
  readonly reason: EventReason;
  readonly message: string;
}

/** One pool's counters; MetalLB's `metallb_allocator_*` and `IPAddressPool.status`. */
export interface PoolUsage {
  readonly name: string;
  readonly assignedIPv4: bigint;
  readonly assignedIPv6: bigint;
  readonly availableIPv4: bigint;
  readonly availableIPv6: bigint;
  /** Services that hold an address of it. */
  readonly services: number;
}

export function sameAssignment(a: Assignment | undefined, b: Assignment): boolean {
  return (
    a !== undefined &&
    a.pool === b.pool &&
    sameAddresses(a.addresses, b.addresses) &&
    sameRefusal(a.refusal, b.refusal)
  );
}

/** Equal addresses in equal order. */
export function sameAddresses(a: readonly Address[], b: readonly Address[]): boolean {
  return a.length === b.length && a.every((address, index) => address === b[index]);
}

function sameRefusal(a: Refusal | undefined, b: Refusal | undefined): boolean {
  return (
    a?.reason === b?.reason &&
    a?.message === b?.message &&
    a?.field === b?.field &&
    a?.remedy === b?.remedy
  );
}
