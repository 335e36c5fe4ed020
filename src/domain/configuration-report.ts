import type { Problem } from './problem.ts';

/** What the controller says of the configuration's objects. */
export interface ConfigurationReport {
  /** By name of the IPAddressPool. */
  readonly pools: Iterable<PoolCounts>;
  /** What is wrong with objects of the configuration now. */
  readonly problems: readonly Problem[];
}

/** `IPAddressPool.status` (metallb.io/v1beta1), and the pool's name. */
export interface PoolCounts {
  readonly name: string;
  readonly assignedIPv4: bigint;
  readonly assignedIPv6: bigint;
  readonly availableIPv4: bigint;
  readonly availableIPv6: bigint;
}
