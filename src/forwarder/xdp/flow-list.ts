import { type Address, addressToBytes } from '../../domain/address.ts';
import type { Prefix } from '../../domain/prefix.ts';
import type { FlowSearch, FlowsFound } from '../../system/bpf.ts';
import { type DataplaneLayout, type FlowEntry, IPPROTO, viewOf } from './abi.ts';
import type { FlowEnds } from './dataplane.ts';
import { type FlowState, flowStates } from './flow-state.ts';
import { prefixMask } from './prefix-mask.ts';

/** Which flows; what is not given does not restrict. */
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

export interface Flow {
  readonly protocol: 'TCP' | 'UDP';
  readonly client: Address;
  readonly clientPort: number;
  readonly vip: Address;
  readonly vipPort: number;
  readonly backend: Address;
  readonly backendPort: number;
  /** Where the backend sees it come from. */
  readonly natAddress: Address;
  readonly natPort: number;
  readonly state: FlowState;
  /** The client acknowledged what it was sent: it is where it says it is. */
  readonly confirmed: boolean;
  /** Opened by a SYN cookie, before there was a backend. */
  readonly proxied: boolean;
  /** Seconds since its last packet. */
  readonly idleSec: number;
}

export interface FlowList {
  readonly flows: readonly Flow[];
  /** There are more than `limit`. */
  readonly truncated: boolean;
  /** All that match, by state. */
  readonly counts: Readonly<Record<FlowState, number>>;
}

export interface FlowSource {
  readonly search: (search: FlowSearch) => Promise<FlowsFound>;
  readonly layout: DataplaneLayout;
  readonly endsOf: (backend: number, nat: number) => FlowEnds | undefined;
  /** CLOCK_MONOTONIC in seconds, as the program counts. */
  readonly nowSec: () => number;
}

/**
 * Reads the flow table as it is, without stopping it; a flow that comes or goes meanwhile may be
 * missed.
 */
export async function listFlows(
  source: FlowSource,
  filter: FlowFilter,
  limit: number,
): Promise<FlowList> {
  const { layout } = source;
  const states = flowStates(layout);
  const { counts, entries } = await source.search(searchOf(filter, states, limit));
  const nowSec = source.nowSec();
  const view = viewOf(entries);
  const flows: Flow[] = [];
  for (let at = 0; at < entries.length; at += layout.flow.size) {
    const flow = describe(source, states, layout.flow.read(view, at), nowSec);
    if (flow) flows.push(flow);
  }
  const byState = Object.fromEntries(
    [...states].map(([number, name]) => [name, counts[number] ?? 0]),
  ) as Record<FlowState, number>;
  const all = Object.values(byState).reduce((sum, count) => sum + count, 0);
  return { flows, truncated: all > entries.length / layout.flow.size, counts: byState };
}

function searchOf(
  filter: FlowFilter,
  states: ReadonlyMap<number, FlowState>,
  limit: number,
): FlowSearch {
  const { vip, vipPort, client, backend, backendPort, protocol, state, idleMoreThanSec } = filter;
  const [number] = [...states].find(([, name]) => name === state) ?? [];
  return {
    limit,
    ...(vip !== undefined && { vip: addressToBytes(vip) }),
    ...(vipPort !== undefined && { vipPort }),
    ...(backend !== undefined && { backend: addressToBytes(backend) }),
    ...(backendPort !== undefined && { backendPort }),
    ...(client && { client: addressToBytes(client.base), clientMask: prefixMask(client) }),
    ...(protocol && { protocol: IPPROTO[protocol] }),
    ...(number !== undefined && { state: number }),
    ...(idleMoreThanSec !== undefined && { idleMoreThan: idleMoreThanSec }),
  };
}

function describe(
  { layout, endsOf }: FlowSource,
  states: ReadonlyMap<number, FlowState>,
  entry: FlowEntry,
  nowSec: number,
): Flow | undefined {
  const ends = endsOf(entry.backend, entry.nat);
  const state = states.get(entry.state);
  const has = (name: string) => (entry.flags & layout.constant(`TG_FLOW_${name}`)) !== 0;
  return (
    ends &&
    state && {
      protocol: entry.protocol === IPPROTO.TCP ? 'TCP' : 'UDP',
      client: entry.client,
      clientPort: entry.clientPort,
      vip: ends.vip.address,
      vipPort: ends.vip.port,
      backend: ends.backend.address,
      backendPort: ends.backend.port,
      natAddress: ends.natAddress,
      natPort: entry.natPort,
      state,
      confirmed: has('CONFIRMED') || state === 'udp-stream',
      proxied: has('PROXIED'),
      idleSec: Math.max(0, nowSec - entry.lastSec),
    }
  );
}
