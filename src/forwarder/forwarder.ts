import type { Address } from '../domain/address.ts';
import type { Clock } from '../domain/clock.ts';
import type { ClusterSource } from '../domain/cluster-source.ts';
import type { ForwardPlan } from '../domain/forwarding.ts';
import type { CheckId } from '../domain/health.ts';
import type { Log } from '../domain/log.ts';
import type { ObjectKey } from '../domain/object.ts';
import type { Role } from '../domain/role.ts';
import type { ObjectState } from '../reconcile/target.ts';
import type { HealthChecker } from './health-checker.ts';
import type { Inspection } from './inspect.ts';
import type { Port } from './interfaces.ts';
import type { NextHop } from './next-hop.ts';
import type { ForwarderSettings } from './settings.ts';
import type { TrafficStats } from './xdp/abi.ts';
import type { DataplaneUsage } from './xdp/dataplane-usage.ts';
import type { FlowFilter, FlowList } from './xdp/flow-list.ts';

export interface ForwarderDeps {
  readonly source: ClusterSource;
  readonly settings: ForwarderSettings;
  readonly clock: Clock;
  readonly log: Log;
  /** Called once the box is known to be ours alone. */
  readonly startHealth: () => Promise<HealthChecker>;
}

/** The forwarding role, with what the admin API asks it. */
export interface Forwarder extends Role {
  /** `undefined` before the first snapshot. */
  plan(): ForwardPlan | undefined;
  /** Services that the check speaks for. */
  usersOf(check: CheckId): Iterable<ObjectKey>;
  /** How a virtual server of the plan stands in the maps. */
  stateOf(serverId: string): ObjectState | undefined;
  /** How packets get to a backend's address, or why they cannot. */
  reachability(address: Address): NextHop;
  /** By way of whom, when no route but the default one leads there. */
  defaultRouteTo(address: Address): Promise<Address | undefined>;
  interfaces(): Iterable<Port>;
  /** What is wrong with the box, in sentences with a remedy. */
  problems(): readonly string[];
  /** What became of packets, by counter name. */
  counters(): ReadonlyMap<string, bigint>;
  serverStats(serverId: string): TrafficStats | undefined;
  backendStats(serverId: string, backendId: string): TrafficStats | undefined;
  usage(): ForwarderUsage;
  readonly inspect: Inspection;
  flows(filter: FlowFilter, limit: number): Promise<FlowList>;
}

export interface ForwarderUsage extends DataplaneUsage {
  /** At the last sweep. */
  readonly flows: { readonly used: number; readonly limit: number };
  readonly nextHops: { readonly addresses: number; readonly reachable: number };
}
