import type { Address } from '../../domain/address.ts';
import type { Clock } from '../../domain/clock.ts';
import type { Backend, VirtualServer } from '../../domain/forwarding.ts';
import type { Target } from '../../reconcile/target.ts';
import type { BpfMap, BpfObject, SweepResult } from '../../system/bpf.ts';
import type { NextHops } from '../next-hop.ts';
import type { DataplaneLayout, TrafficStats, VipEntry, VipKey } from './abi.ts';
import { BackendTable } from './backend-table.ts';
import { type RingChunks, type RingRegion, RingSpace } from './ring-space.ts';
import { backendId, serverId, vipKeyOf } from './server-id.ts';
import { ServerTable } from './server-table.ts';
import { sharedArray } from './shared-array.ts';
import { createStatistics } from './statistics.ts';
import { VipTable } from './vip-table.ts';

export interface DataplaneParts {
  readonly object: BpfObject;
  readonly layout: DataplaneLayout;
  readonly nextHops: NextHops;
  readonly clock: Clock;
  readonly sweepFlows: (object: BpfObject) => Promise<SweepResult>;
  /** False when the maps are new, so that nothing needs to be looked for. */
  readonly adopt: boolean;
}

/** The two ends of a flow, for people. */
export interface FlowEnds {
  readonly vip: VipKey;
  readonly backend: { readonly address: Address; readonly port: number };
}

/** Sizes and limits, and how often each kind of thing was written since the start. */
export interface DataplaneUsage {
  readonly servers: { readonly used: number; readonly limit: number };
  readonly backends: { readonly used: number; readonly limit: number };
  readonly rings: { readonly chunks: number; readonly entries: number };
  readonly writes: {
    readonly vips: number;
    readonly servers: number;
    readonly backends: number;
    readonly rings: number;
  };
}

interface ServerState {
  readonly index: number;
  readonly key: VipKey;
  /** Index by backend id, in the plan's order. */
  backends: ReadonlyMap<string, number>;
  region: RingRegion | undefined;
  vip: VipEntry | undefined;
  /** What was applied last; `undefined` while it is only adopted. */
  value: VirtualServer | undefined;
}

/** The kernel keeps the values of an array map at multiples of 8 bytes; counted in 32-bit words. */
const RING_STRIDE = 2;
const NO_REGION: RingRegion = { chunk: 0, offset: 0, size: 0 };
const NO_BACKENDS: ReadonlyMap<string, number> = new Map();

/**
 * The BPF maps as a target of reconciliation: one virtual server after another.
 *
 * Order of writes, so that no packet meets a half state: server, backends, ring, then the VIP that
 * refers to them; what a change takes away goes after the VIP was switched. Only differences are
 * written. What an earlier process left is adopted: an equal server or backend keeps its index, and
 * so its flows.
 */
export class Dataplane implements Target<VirtualServer> {
  readonly #parts: DataplaneParts;
  readonly #servers: ServerTable;
  readonly #backends: BackendTable;
  readonly #vips: VipTable;
  readonly #rings: RingSpace;
  readonly #hashClientOnly: number;
  readonly #states = new Map<string, ServerState>();
  #ringWrites = 0;

  constructor(parts: DataplaneParts) {
    const { object, layout, clock, nextHops } = parts;
    this.#parts = parts;
    this.#servers = new ServerTable({
      array: sharedArray(bpfMap(object, 'servers'), layout.server),
      statistics: createStatistics(bpfMap(object, 'server_stats'), layout),
      layout,
      clock,
    });
    this.#backends = new BackendTable({
      array: sharedArray(bpfMap(object, 'backends'), layout.backend),
      statistics: createStatistics(bpfMap(object, 'backend_stats'), layout),
      nextHops,
      layout,
      clock,
      idOf: backendId,
    });
    this.#vips = new VipTable(bpfMap(object, 'vips'), layout);
    this.#rings = new RingSpace(ringChunks(object, layout), clock);
    this.#hashClientOnly = layout.constant('TG_VIP_HASH_CLIENT_ONLY');
    if (parts.adopt) this.#adopt();
  }

  list(): Iterable<string> {
    return this.#states.keys();
  }

  update(id: string, server: VirtualServer): void {
    const known = this.#states.get(id);
    const state = known ?? this.#newState(id, server);
    const { placed, taken, error } = this.#placeBackends(state, server.backends);
    let region: RingRegion | undefined;
    try {
      if (error) throw error;
      region = this.#placeRing(state, server.ring, [...placed.values()]);
      this.#switchVip(state, server, region);
    } catch (cause) {
      if (region && region !== state.region) this.#rings.free(region);
      for (const index of taken) this.#backends.retire(index);
      if (!known) this.#servers.retire(state.index);
      throw cause;
    }
    if (state.region && state.region !== region) this.#rings.free(state.region);
    for (const [backend, index] of state.backends) {
      if (placed.get(backend) !== index) this.#backends.retire(index);
    }
    for (const backend of server.backends) {
      this.#backends.store(placed.get(backend.id) as number, backend);
    }
    state.backends = placed;
    state.region = region;
    state.value = server;
    this.#states.set(id, state);
  }

  remove(id: string): void {
    const state = this.#states.get(id);
    if (!state) return;
    this.#vips.remove(state.key);
    this.#states.delete(id);
    if (state.region) this.#rings.free(state.region);
    for (const index of state.backends.values()) this.#backends.retire(index);
    this.#servers.retire(state.index);
  }

  /** Next hops changed: writes them. Returns the ids of the servers concerned. */
  refreshNextHops(addresses: Iterable<Address>): ReadonlySet<string> {
    const touched = new Set<string>();
    for (const address of addresses) {
      for (const index of this.#backends.refresh(address)) {
        const id = this.#servers.idOf(index);
        if (id !== undefined && this.#states.has(id)) touched.add(id);
      }
    }
    for (const id of touched) {
      const { backends, value } = this.#states.get(id) as ServerState;
      // A backend whose NAT address is gone needs another index, and so another ring.
      const stale = [...backends.values()].some((index) => !this.#backends.keepsSource(index));
      if (stale && value) this.update(id, value);
    }
    return touched;
  }

  /** Ages the flow table, and frees the indices that no flow holds any more. */
  async sweep(): Promise<SweepResult> {
    const startedMs = this.#parts.clock.monotonicMs();
    const result = await this.#parts.sweepFlows(this.#parts.object);
    this.#backends.sweep(startedMs, result.flowsByBackend);
    this.#servers.sweep(startedMs, result.flowsByServer);
    return result;
  }

  /** The server's backends that take new flows and can be reached, by what the maps hold. */
  usableBackends(id: string): readonly Address[] {
    const indices = [...(this.#states.get(id)?.backends.values() ?? [])];
    return indices
      .filter((index) => this.#backends.isUsable(index))
      .map((index) => this.#backends.entry(index).address);
  }

  serverIndex(id: string): number | undefined {
    return this.#states.get(id)?.index;
  }

  backendIndex(id: string, backend: string): number | undefined {
    return this.#states.get(id)?.backends.get(backend);
  }

  /** What a flow's indices mean; removed servers and backends too, while flows hold them. */
  endsOf(server: number, backend: number): FlowEnds | undefined {
    if (this.#servers.idOf(server) === undefined || backend > this.#backends.usage().limit) {
      return undefined;
    }
    const { address, port } = this.#backends.entry(backend);
    return { vip: this.#servers.entry(server), backend: { address, port } };
  }

  serverStats(id: string): TrafficStats | undefined {
    const index = this.serverIndex(id);
    return index === undefined ? undefined : this.#servers.stats(index);
  }

  backendStats(id: string, backend: string): TrafficStats | undefined {
    const index = this.backendIndex(id, backend);
    return index === undefined ? undefined : this.#backends.stats(index);
  }

  usage(): DataplaneUsage {
    return {
      servers: this.#servers.usage(),
      backends: this.#backends.usage(),
      rings: this.#rings.usage(),
      writes: {
        vips: this.#vips.writes,
        servers: this.#servers.writes,
        backends: this.#backends.writes,
        rings: this.#ringWrites,
      },
    };
  }

  #newState(id: string, server: VirtualServer): ServerState {
    const key = vipKeyOf(server);
    const index = this.#servers.take(id, key);
    return {
      index,
      key,
      backends: NO_BACKENDS,
      region: undefined,
      vip: undefined,
      value: undefined,
    };
  }

  /** Gives every backend an index, and opens those that take new flows. */
  #placeBackends(state: ServerState, wanted: readonly Backend[]) {
    const placed = new Map<string, number>();
    const taken: number[] = [];
    try {
      for (const backend of wanted) {
        const known = state.backends.get(backend.id);
        const keeps = known !== undefined && this.#backends.keepsSource(known);
        const index = keeps ? known : this.#backends.take(state.index, backend);
        if (!keeps) taken.push(index);
        placed.set(backend.id, index);
        if (backend.use === 'active') this.#backends.store(index, backend);
      }
    } catch (error) {
      return { placed, taken, error };
    }
    return { placed, taken, error: undefined };
  }

  #placeRing(state: ServerState, ring: Uint16Array, values: readonly number[]) {
    if (ring.length === 0) return undefined;
    if (state.region && this.#rings.holds(state.region, ring, values)) return state.region;
    const region = this.#rings.allocate(ring.length);
    this.#rings.write(region, ring, values);
    this.#ringWrites += 1;
    return region;
  }

  #switchVip(state: ServerState, server: VirtualServer, region: RingRegion | undefined): void {
    const { chunk, offset, size } = region ?? NO_REGION;
    const entry: VipEntry = {
      server: state.index,
      flags: server.affinityTimeoutSec > 0 ? this.#hashClientOnly : 0,
      ringChunk: chunk,
      ringOffset: offset,
      ringSize: size,
      affinitySec: server.affinityTimeoutSec,
    };
    if (state.vip && isSameVip(state.vip, entry)) return;
    this.#vips.set(state.key, entry);
    state.vip = entry;
  }

  #adopt(): void {
    const backends = this.#backends.adopt();
    const vips = new Map(this.#vips.adopt().map(({ key, entry }) => [serverId(key), entry]));
    for (const { index, id, key } of this.#servers.adopt()) {
      const vip = vips.get(id);
      const held = backends.get(index) ?? NO_BACKENDS;
      if (vip?.server !== index) {
        for (const backend of held.values()) this.#backends.retire(backend);
        this.#servers.retire(index);
        continue;
      }
      const region = regionOf(vip);
      const intact = region === undefined || this.#rings.adopt(region);
      this.#states.set(id, {
        index,
        key,
        backends: held,
        region: intact ? region : undefined,
        vip: intact ? vip : undefined,
        value: undefined,
      });
    }
  }
}

/** A map of the program. Throws when it has none of that name: object file and code differ. */
export function bpfMap(object: BpfObject, name: string): BpfMap {
  const map = object.maps[name];
  if (!map)
    throw new Error(`The XDP program has no map "${name}"; rebuild it with "npm run build"`);
  return map;
}

function ringChunks(object: BpfObject, layout: DataplaneLayout): RingChunks {
  const memoryOf = (map: BpfMap | undefined) => map && new Uint32Array(map.mapped());
  const entries = layout.constant('TG_RING_CHUNK_ENTRIES');
  return {
    entries,
    max: layout.constant('TG_RING_CHUNKS_MAX'),
    stride: RING_STRIDE,
    add: (index) => memoryOf(object.addRingChunk(index)) as Uint32Array,
    existing: (index) => memoryOf(object.ringChunk(index)),
  };
}

function regionOf({ ringChunk, ringOffset, ringSize }: VipEntry): RingRegion | undefined {
  return ringSize === 0 ? undefined : { chunk: ringChunk, offset: ringOffset, size: ringSize };
}

function isSameVip(a: VipEntry, b: VipEntry): boolean {
  return (Object.keys(a) as (keyof VipEntry)[]).every((field) => a[field] === b[field]);
}
