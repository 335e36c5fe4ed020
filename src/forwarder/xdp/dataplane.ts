import { type Address, familyOf } from '../../domain/address.ts';
import type { Clock } from '../../domain/clock.ts';
import type { Backend, VirtualServer } from '../../domain/forwarding.ts';
import type { Log } from '../../domain/log.ts';
import { type AddressRange, type Prefix, rangeOfPrefix } from '../../domain/prefix.ts';
import type { Target } from '../../reconcile/target.ts';
import type { BpfMap, BpfObject, SweepResult } from '../../system/bpf.ts';
import type { NextHops } from '../next-hop.ts';
import type { DataplaneLayout, TrafficStats, VipEntry, VipKey } from './abi.ts';
import { AclTable } from './acl-table.ts';
import { AffinityTable } from './affinity-table.ts';
import { BackendTable, type ServerPolicy } from './backend-table.ts';
import { affinityGroupOf, endpointOf } from './identity.ts';
import { NatTable } from './nat-table.ts';
import { type RingChunks, type RingRegion, RingSpace, ringRoom } from './ring-space.ts';
import { createSchedulers, type Schedulers } from './schedulers.ts';
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
  readonly log: Log;
  readonly sweepFlows: (object: BpfObject) => Promise<SweepResult>;
  /** Ends the flows of these servers whose client is in none of the ranges. */
  readonly endFlows: (
    object: BpfObject,
    servers: readonly number[],
    allowed: readonly AddressRange[],
  ) => Promise<number>;
  /** Writes `tg_config.nat_filter`. */
  readonly setNatFilter: (filter: bigint) => void;
  /** False when the maps are new, so that nothing needs to be looked for. */
  readonly adopt: boolean;
}

/** The two ends of a flow, for people. */
export interface FlowEnds {
  readonly vip: VipKey;
  readonly backend: { readonly address: Address; readonly port: number };
  /** From which the backend sees it come. */
  readonly natAddress: Address;
}

/** Sizes and limits, and how often each kind of thing was written since the start. */
export interface DataplaneUsage {
  readonly servers: { readonly used: number; readonly limit: number };
  readonly backends: { readonly used: number; readonly limit: number };
  readonly rings: { readonly chunks: number; readonly words: number };
  readonly natAddresses: { readonly used: number; readonly limit: number };
  readonly sourceRanges: {
    readonly lists: number;
    readonly entries: number;
    readonly limit: number;
  };
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
  acl: number;
  vip: VipEntry | undefined;
  /** What was applied last; `undefined` while it is only adopted. */
  value: VirtualServer | undefined;
}

const NO_REGION: RingRegion = { chunk: 0, offset: 0, size: 0 };
const NO_BACKENDS: ReadonlyMap<string, number> = new Map();
const NO_ENDPOINTS: ReadonlyMap<number, number> = new Map();

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
  readonly #natAddresses: NatTable;
  readonly #acls: AclTable;
  readonly #affinity: AffinityTable;
  readonly #schedulers: Schedulers;
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
    this.#natAddresses = new NatTable({
      array: sharedArray(bpfMap(object, 'nat_addresses'), layout.natAddress),
      clock,
      setFilter: parts.setNatFilter,
    });
    this.#backends = new BackendTable({
      array: sharedArray(bpfMap(object, 'backends'), layout.backend),
      statistics: createStatistics(bpfMap(object, 'backend_stats'), layout),
      nextHops,
      natAddresses: this.#natAddresses,
      layout,
      clock,
      idOf: backendId,
    });
    this.#vips = new VipTable(bpfMap(object, 'vips'), layout);
    this.#rings = new RingSpace(ringChunks(object, layout), clock);
    this.#acls = new AclTable(bpfMap(object, 'acl'), layout, clock);
    this.#affinity = new AffinityTable(bpfMap(object, 'affinity_backends'), layout);
    this.#schedulers = createSchedulers(layout);
    if (parts.adopt) this.#adopt();
  }

  list(): Iterable<string> {
    return this.#states.keys();
  }

  update(id: string, server: VirtualServer): void {
    const known = this.#states.get(id);
    const state = known ?? this.#newState(id, server);
    const policy = this.#schedulers.policyOf(server);
    const { placed, taken, error } = this.#placeBackends(state, server.backends, policy);
    let region: RingRegion | undefined;
    let acl: number | undefined;
    try {
      if (error) throw error;
      region = this.#placeRing(state, server, [...placed.values()]);
      acl = this.#acls.take(server.sourceRanges, familyOf(server.address));
      this.#affinity.set(state.index, affinityBackends(server, placed));
      this.#switchVip(state, server, region, acl);
    } catch (cause) {
      if (region && region !== state.region) this.#rings.free(region);
      if (acl) this.#acls.release(acl);
      for (const index of taken) this.#backends.retire(index);
      if (!known) this.#servers.retire(state.index);
      throw cause;
    }
    if (state.region && state.region !== region) this.#rings.free(state.region);
    for (const [backend, index] of state.backends) {
      if (placed.get(backend) !== index) this.#backends.retire(index);
    }
    for (const backend of server.backends) {
      this.#backends.store(placed.get(backend.id) as number, backend, policy);
    }
    if (state.acl !== 0) this.#acls.release(state.acl);
    if (known && acl !== 0 && acl !== state.acl) this.#endRefused(state.index, server.sourceRanges);
    state.acl = acl;
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
    if (state.acl !== 0) this.#acls.release(state.acl);
    this.#affinity.set(state.index, NO_ENDPOINTS);
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
    return touched;
  }

  /** Ages the flow table, and frees the indices that no flow holds any more. */
  async sweep(): Promise<SweepResult> {
    const startedMs = this.#parts.clock.monotonicMs();
    const result = await this.#parts.sweepFlows(this.#parts.object);
    this.#backends.sweep(startedMs, result.flowsByBackend);
    this.#servers.sweep(startedMs, result.flowsByServer);
    this.#natAddresses.sweep(startedMs, result.flowsByNatAddress);
    this.#acls.sweep(startedMs);
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
  endsOf(backend: number, nat: number): FlowEnds | undefined {
    if (backend > this.#backends.usage().limit) return undefined;
    const { server, address, port } = this.#backends.entry(backend);
    if (this.#servers.idOf(server) === undefined) return undefined;
    return {
      vip: this.#servers.entry(server),
      backend: { address, port },
      natAddress: this.#natAddresses.addressOf(nat),
    };
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
      natAddresses: this.#natAddresses.usage(),
      sourceRanges: this.#acls.usage(),
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
      acl: 0,
      vip: undefined,
      value: undefined,
    };
  }

  /** Gives every backend an index, and opens those that take new flows. */
  #placeBackends(state: ServerState, wanted: readonly Backend[], policy: ServerPolicy) {
    const placed = new Map<string, number>();
    const taken: number[] = [];
    try {
      for (const backend of wanted) {
        const known = state.backends.get(backend.id);
        const index = known ?? this.#backends.take(state.index, backend, policy);
        if (known === undefined) taken.push(index);
        placed.set(backend.id, index);
        if (backend.use === 'active') this.#backends.store(index, backend, policy);
      }
    } catch (error) {
      return { placed, taken, error };
    }
    return { placed, taken, error: undefined };
  }

  #placeRing(state: ServerState, server: VirtualServer, indices: readonly number[]) {
    if (server.ring.length === 0) return undefined;
    const words = ringWords(server, indices);
    if (state.region && this.#rings.holds(state.region, words)) return state.region;
    const region = this.#rings.allocate(words.length);
    this.#rings.write(region, words);
    this.#ringWrites += 1;
    return region;
  }

  #switchVip(
    state: ServerState,
    server: VirtualServer,
    region: RingRegion | undefined,
    acl: number,
  ): void {
    const { chunk, offset } = region ?? NO_REGION;
    const entry: VipEntry = {
      server: state.index,
      flags: this.#schedulers.vipFlagsOf(server),
      scheduler: this.#schedulers.numberOf(server),
      ringChunk: chunk,
      ringOffset: offset,
      ringSize: server.ring.length,
      affinitySec: server.affinityTimeoutSec,
      affinityGroup: server.affinityTimeoutSec > 0 ? affinityGroupOf(server.affinityGroup) : 0n,
      acl,
      newFlowsPerSec: server.newFlowsPerSec,
      clientNewFlowsPerSec: server.clientNewFlowsPerSec,
    };
    if (state.vip && isSameVip(state.vip, entry)) return;
    this.#vips.set(state.key, entry);
    state.vip = entry;
  }

  /** A list changed: who is not on the new one loses his flows too. Off the event loop. */
  #endRefused(server: number, allowed: readonly Prefix[]): void {
    const { object, endFlows, log } = this.#parts;
    endFlows(object, [server], allowed.map(rangeOfPrefix)).catch((error) =>
      log.error('Cannot end the flows that loadBalancerSourceRanges no longer admits', { error }),
    );
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
      const region = this.#regionOf(vip);
      const intact = region === undefined || this.#rings.adopt(region);
      this.#states.set(id, {
        index,
        key,
        backends: held,
        region: intact ? region : undefined,
        acl: vip.acl,
        vip: intact ? vip : undefined,
        value: undefined,
      });
    }
    const states = [...this.#states.values()];
    this.#affinity.adopt(new Set(states.map(({ index }) => index)));
    this.#acls.adopt(states.map(({ acl, key }) => ({ id: acl, family: familyOf(key.address) })));
  }

  #regionOf({ scheduler, ringChunk, ringOffset, ringSize }: VipEntry): RingRegion | undefined {
    if (ringSize === 0) return undefined;
    const words = ringSize * this.#schedulers.wordsAPlace(scheduler);
    return { chunk: ringChunk, offset: ringOffset, size: ringRoom(words) };
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
  const words = layout.constant('TG_RING_CHUNK_ENTRIES');
  return {
    words,
    max: layout.constant('TG_RING_CHUNKS_MAX'),
    add: (index) => memoryOf(object.addRingChunk(index)) as Uint32Array,
    existing: (index) => memoryOf(object.ringChunk(index)),
  };
}

/** What a ring holds: backend indices, each followed by its endpoint where that is the salt. */
function ringWords({ choice, ring, backends }: VirtualServer, indices: readonly number[]) {
  if (choice === 'ring') return Uint32Array.from(ring, (entry) => indices[entry] as number);
  const words = new Uint32Array(ring.length * 2);
  for (const [place, entry] of ring.entries()) {
    words[2 * place] = indices[entry] as number;
    words[2 * place + 1] = endpointOf((backends[entry] as Backend).address);
  }
  return words;
}

/** Index by endpoint, of those that take new flows; nothing without affinity. */
function affinityBackends(
  server: VirtualServer,
  placed: ReadonlyMap<string, number>,
): ReadonlyMap<number, number> {
  if (server.affinityTimeoutSec === 0) return NO_ENDPOINTS;
  const active = server.backends.filter(({ use }) => use === 'active');
  return new Map(active.map(({ id, address }) => [endpointOf(address), placed.get(id) as number]));
}

function isSameVip(a: VipEntry, b: VipEntry): boolean {
  return (Object.keys(a) as (keyof VipEntry)[]).every((field) => a[field] === b[field]);
}
