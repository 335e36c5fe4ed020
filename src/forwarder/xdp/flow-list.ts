import { setImmediate } from 'node:timers/promises';
import type { Address } from '../../domain/address.ts';
import type { BpfMap } from '../../system/bpf.ts';
import type { DataplaneLayout, FlowEntry } from './abi.ts';
import { IPPROTO } from './abi.ts';
import type { FlowEnds } from './dataplane.ts';

/** Which flows; what is not given does not restrict. */
export interface FlowFilter {
  readonly vip?: Address;
  readonly client?: Address;
  readonly backend?: Address;
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
  /** Seconds since its last packet. */
  readonly idleSec: number;
}

export type FlowState = 'half-open' | 'established' | 'closing' | 'udp' | 'udp-stream';

export interface FlowList {
  readonly flows: readonly Flow[];
  /** There are more than `limit`. */
  readonly truncated: boolean;
}

export interface FlowSource {
  readonly map: BpfMap;
  readonly layout: DataplaneLayout;
  readonly endsOf: (backend: number, nat: number) => FlowEnds | undefined;
  /** CLOCK_MONOTONIC in seconds, as the program counts. */
  readonly nowSec: number;
}

/** The event loop gets its turn after so many entries. */
const SLICE = 65_536;

/**
 * Reads the flow table as it is, without stopping it; a flow that comes or goes meanwhile may be
 * missed.
 */
export async function listFlows(
  source: FlowSource,
  filter: FlowFilter,
  limit: number,
): Promise<FlowList> {
  const { map, layout } = source;
  const view = new DataView(map.mapped());
  const states = stateNames(layout);
  const smallestTag = layout.constant('TG_FLOW_TAG_MIN');
  const flows: Flow[] = [];
  for (let index = 0; index < map.maxEntries; index++) {
    if (index % SLICE === SLICE - 1) await setImmediate();
    const at = index * layout.flow.size;
    if (layout.flowTag.read(view, at).tag < smallestTag) continue;
    const entry = layout.flow.read(view, at);
    const state = states.get(entry.state);
    const flow = state && describe(source, entry, state);
    // Somebody else's by now: what was read may be half of each.
    if (!flow || layout.flowTag.read(view, at).tag !== entry.tag) continue;
    if (!matches(flow, filter)) continue;
    if (flows.length === limit) return { flows, truncated: true };
    flows.push(flow);
  }
  return { flows, truncated: false };
}

function describe(source: FlowSource, entry: FlowEntry, state: FlowState): Flow | undefined {
  const ends = source.endsOf(entry.backend, entry.nat);
  return (
    ends && {
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
      idleSec: Math.max(0, source.nowSec - entry.lastSec),
    }
  );
}

function matches(flow: Flow, { vip, client, backend }: FlowFilter): boolean {
  return (
    (vip === undefined || flow.vip === vip) &&
    (client === undefined || flow.client === client) &&
    (backend === undefined || flow.backend === backend)
  );
}

function stateNames(layout: DataplaneLayout): ReadonlyMap<number, FlowState> {
  return new Map([
    [layout.constant('TG_FLOW_HALF_OPEN'), 'half-open'],
    [layout.constant('TG_FLOW_ESTABLISHED'), 'established'],
    [layout.constant('TG_FLOW_CLOSING'), 'closing'],
    [layout.constant('TG_FLOW_UDP'), 'udp'],
    [layout.constant('TG_FLOW_UDP_STREAM'), 'udp-stream'],
  ]);
}
