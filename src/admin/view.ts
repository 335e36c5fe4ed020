import type { Address } from '../domain/address.ts';
import type { ClusterState } from '../domain/cluster-state.ts';
import type { ForwardPlan } from '../domain/forwarding.ts';
import type { CheckHealth, CheckId } from '../domain/health.ts';
import type { KeyedMap } from '../domain/keyed-map.ts';
import type { VipAnnouncement } from '../domain/observed.ts';
import type { Prefix } from '../domain/prefix.ts';
import type { Problem } from '../domain/problem.ts';
import type { RoleName } from '../domain/role.ts';
import type { LoadBalancerClass } from '../domain/service-class.ts';
import type { Snapshot } from '../domain/snapshot.ts';
import type { Assignment, PoolUsage } from '../plan/allocation/assignment.ts';
import type { PlannedAnnouncement } from '../plan/announcing/plan-address.ts';
import type { ObjectState } from '../reconcile/target.ts';
import type { RecordedEvent } from '../telemetry/event-history.ts';
import type { BgpView } from './bgp-view.ts';
import type { InspectView } from './inspect-view.ts';

/**
 * What the admin API reads of a process, assembled by the composition root. Everything is read when
 * a request asks, so that nobody pays for what nobody looks at. A role that does not run here is
 * absent.
 */
export interface AdminView {
  readonly identity: Identity;
  readonly loadBalancer: LoadBalancerClass;
  roles(): readonly RoleState[];
  snapshot(): Snapshot;
  /** Of the input and of every role here, worst first. */
  problems(): readonly Problem[];
  /** The newest `limit` events, newest last; only about `object` (a key) when it is given. */
  events(limit: number, object?: string): readonly RecordedEvent[];
  /** Where the cluster is read from an API server. */
  readonly cluster?: ClusterView;
  readonly allocation?: AllocationView;
  readonly announcing?: AnnouncingView;
  readonly forwarding?: ForwardingView;
}

export interface Identity {
  /** Roles of this process, joined by `+`: the name of its socket. */
  readonly instance: string;
  readonly node: string;
  readonly version: string;
  /** ms since 1970. */
  readonly startedMs: number;
}

export interface RoleState {
  readonly role: RoleName;
  readonly ready: boolean;
  /** What is missing; empty when ready. */
  readonly reason: string;
}

/** How the cluster is read. */
export interface ClusterView {
  state(): ClusterState;
  /** What is in force is what an earlier process saw. */
  isRemembered(): boolean;
  /** This process may write. */
  leads(): boolean;
  /** Who may; empty when not known here. */
  leader(): string;
}

/** The controller's part. */
export interface AllocationView {
  counters(): WriteCounters;
  /** By Service key. */
  assignments(): KeyedMap<Assignment>;
  /** By pool name. */
  pools(): KeyedMap<PoolUsage>;
}

/** What the controller wrote, and by which configuration. */
export interface WriteCounters {
  readonly updates: number;
  readonly updateErrors: number;
  readonly configLoaded: boolean;
  readonly configStale: boolean;
}

/** The speaker's part; by address text. */
export interface AnnouncingView {
  announcements(): ReadonlyMap<string, VipAnnouncement>;
  /** By which advertisements, and which box was chosen. */
  planned(): KeyedMap<PlannedAnnouncement>;
  counters(): ReadonlyMap<string, AnswerCounters>;
  interfaces(): readonly AnnouncingPort[];
  readonly bgp: BgpView;
}

export interface AnswerCounters {
  readonly requestsReceived: number;
  readonly responsesSent: number;
  readonly gratuitousSent: number;
  readonly conflicts: number;
}

export interface AnnouncingPort {
  readonly name: string;
  readonly mac: string;
  readonly sendErrors: number;
}

/** The forwarder's part. */
export interface ForwardingView {
  /** `undefined` before the first snapshot. */
  plan(): ForwardPlan | undefined;
  health(check: CheckId): CheckHealth | undefined;
  /** How a virtual server stands in the maps. */
  stateOf(serverId: string): ObjectState | undefined;
  reachability(address: Address): Reachability;
  /** By way of whom, when no route but the default one leads there. */
  defaultRouteTo(address: Address): Promise<Address | undefined>;
  /** Interfaces that carry the program. */
  interfaces(): Iterable<{ readonly name: string; readonly mode: string }>;
  /** What became of packets, by counter name. */
  counters(): ReadonlyMap<string, bigint>;
  serverStats(serverId: string): TrafficCounts | undefined;
  backendStats(serverId: string, backendId: string): TrafficCounts | undefined;
  usage(): { readonly flows: { readonly used: number; readonly limit: number } };
  flows(filter: FlowFilter, limit: number): Promise<FlowPage>;
  readonly inspect: InspectView;
}

export interface Reachability {
  readonly state: 'resolved' | 'pending' | 'unreachable';
  readonly reason?: string;
}

export interface TrafficCounts {
  readonly newFlows: bigint;
  readonly inPackets: bigint;
  readonly inBytes: bigint;
  readonly outPackets: bigint;
  readonly outBytes: bigint;
}

/** What is not given does not restrict. */
export interface FlowFilter {
  readonly vip?: Address;
  readonly vipPort?: number;
  readonly client?: Prefix;
  readonly backend?: Address;
  readonly backendPort?: number;
  readonly protocol?: 'TCP' | 'UDP';
  readonly state?: FlowState;
  readonly idleMoreThanSec?: number;
}

export const FLOW_STATES = [
  'half-open',
  'established',
  'closing',
  'time-wait',
  'udp',
  'udp-stream',
] as const;
export type FlowState = (typeof FLOW_STATES)[number];

export interface FlowPage {
  readonly flows: readonly FlowRow[];
  /** There are more than the limit. */
  readonly truncated: boolean;
  /** All that match, by state. */
  readonly counts: Readonly<Record<FlowState, number>>;
}

export interface FlowRow {
  readonly protocol: 'TCP' | 'UDP';
  readonly client: Address;
  readonly clientPort: number;
  readonly vip: Address;
  readonly vipPort: number;
  readonly backend: Address;
  readonly backendPort: number;
  readonly natAddress: Address;
  readonly natPort: number;
  readonly state: string;
  readonly confirmed: boolean;
  readonly proxied: boolean;
  /** Seconds since its last packet. */
  readonly idleSec: number;
}
