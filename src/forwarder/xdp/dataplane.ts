import { type Address, familyOf } from '../../domain/address.ts';
import type { Clock } from '../../domain/clock.ts';
import type { VirtualServer } from '../../domain/forwarding.ts';
import type { Log } from '../../domain/log.ts';
import type { Target } from '../../reconcile/target.ts';
import type { AllowedClients, BpfObject, SweepResult } from '../../system/bpf.ts';
import type { NextHops } from '../next-hop.ts';
import type { DataplaneLayout, TrafficStats, VipEntry, VipKey } from './abi.ts';
import { AclTable } from './acl-table.ts';
import { AffinityTable, affinityBackendsOf, NO_AFFINITY } from './affinity-table.ts';
import { BackendTable } from './backend-table.ts';
import { bpfMap } from './bpf-map.ts';
import type { DataplaneUsage } from './dataplane-usage.ts';
import { NatTable } from './nat-table.ts';
import { RefusedFlows } from './refused-flows.ts';
import type { RingRegion } from './ring-space.ts';
import { Rings } from './rings.ts';
import { createSchedulers, type Schedulers } from './schedulers.ts';
import { backendId, serverId, vipKeyOf } from './server-id.ts';
import { ServerTable } from './server-table.ts';
import { sharedArray } from './shared-array.ts';
import { createStatistics, type TrafficTotals } from './statistics.ts';
import { isSameVip, vipEntryOf } from './vip-entry.ts';
import { VipTable } from './vip-table.ts';

export interface DataplaneParts {
  readonly object: BpfObject;
  readonly layout: DataplaneLayout;
  readonly nextHops: NextHops;
  readonly clock: Clock;
  readonly log: Log;
  readonly sweepFlows: (object: BpfObject) => Promise<SweepResult>;
  readonly endFlows: (object: BpfObject, rules: readonly AllowedClients[]) => Promise<number>;
  /** Writes `tg_config.nat_filter` and `nat_limit`. */
  readonly setNatFilter: (filter: bigint, limit: number) => void;
  /** There was room for something, so these servers may have backends again that can be reached. */
  readonly onHealed: (servers: ReadonlySet<string>) => void;
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

export interface ServerTotals extends TrafficTotals {
  readonly flows: number;
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

const NO_BACKENDS: ReadonlyMap<string, number> = new Map();
const NOTHING_YET = {
  backends: NO_BACKENDS,
  region: undefined,
  acl: 0,
  vip: undefined,
  value: undefined,
};

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
  readonly #rings: Rings;
  readonly #natAddresses: NatTable;
  readonly #acls: AclTable;
  readonly #affinity: AffinityTable;
  readonly #refused: RefusedFlows;
  readonly #schedulers: Schedulers;
  readonly #states = new Map<string, ServerState>();

  constructor(parts: DataplaneParts) {
    const { object, layout, clock, nextHops, log } = parts;
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
      log,
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
    this.#schedulers = createSchedulers(layout);
    this.#rings = new Rings(object, layout, this.#schedulers, clock);
    this.#acls = new AclTable(bpfMap(object, 'acl'), layout, clock);
    this.#affinity = new AffinityTable(bpfMap(object, 'affinity_backends'), layout);
    this.#refused = new RefusedFlows((rules) => parts.endFlows(object, rules), log);
    if (parts.adopt) this.#adopt();
  }

  list(): Iterable<string> {
    return this.#states.keys();
  }

  update(id: string, server: VirtualServer): void {
    const known = this.#states.get(id);
    const state = known ?? this.#newState(id, server);
    const affinity = this.#affinity.of(state.index);
    const { placed, taken, error } = this.#placeBackends(state, server);
    let region: RingRegion | undefined;
    let acl = 0;
    try {
      if (error) throw error;
      region = this.#placeRing(state, server, placed);
      acl = this.#acls.take(server.sourceRanges, familyOf(server.address));
      this.#affinity.set(state.index, affinityBackendsOf(server, placed));
      this.#storeBackends(server, placed, true);
      this.#switchVip(state, server, region, acl);
    } catch (cause) {
      if (region && region !== state.region) this.#rings.free(region);
      if (acl !== 0) this.#acls.release(acl);
      for (const index of taken) this.#backends.retire(index);
      if (!known) this.#servers.retire(state.index);
      this.#affinity.set(state.index, affinity);
      throw cause;
    }
    this.#letGo(state, region, placed);
    this.#storeBackends(server, placed, false);
    this.#restrict(state, server, acl);
    this.#states.set(id, Object.assign(state, { acl, region, backends: placed, value: server }));
  }

  /** Ends a pass: flows that changed source ranges refuse begin to end. */
  commit(): void {
    this.#refused.begin();
  }

  remove(id: string): void {
    const state = this.#states.get(id);
    if (!state) return;
    this.#vips.remove(state.key);
    this.#states.delete(id);
    this.#letGo(state, undefined, NO_BACKENDS);
    this.#affinity.set(state.index, NO_AFFINITY);
    this.#refused.release(state.index);
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
    await this.#refused.settle(startedMs);
    const result = await this.#parts.sweepFlows(this.#parts.object);
    this.#backends.sweep(startedMs, result.flowsByBackend);
    this.#servers.sweep(startedMs, result.flowsByServer);
    this.#acls.sweep(startedMs);
    if (this.#natAddresses.sweep(startedMs, result.flowsByNatAddress)) {
      this.#parts.onHealed(this.refreshNextHops(this.#backends.withoutNat()));
    }
    return result;
  }

  /** Resolves when nothing works on the flow table any more, but for a `sweep`. */
  idle(): Promise<void> {
    return this.#refused.idle();
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

  /** What went through each server, and how many flows it had at the last sweep. */
  *serverTotals(flowsByServer: Uint32Array | undefined): Iterable<[string, ServerTotals]> {
    const totalsOf = this.#servers.allStats();
    for (const [id, { index }] of this.#states) {
      yield [id, { ...totalsOf(index), flows: flowsByServer?.[index] ?? 0 }];
    }
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
        rings: this.#rings.writes,
      },
    };
  }

  #newState(id: string, server: VirtualServer): ServerState {
    const key = vipKeyOf(server);
    return { ...NOTHING_YET, index: this.#servers.take(id, key), key };
  }

  /** Gives every backend an index. */
  #placeBackends(state: ServerState, server: VirtualServer) {
    const policy = this.#schedulers.policyOf(server);
    const placed = new Map<string, number>();
    const taken: number[] = [];
    try {
      for (const backend of server.backends) {
        const known = state.backends.get(backend.id);
        const index = known ?? this.#backends.take(state.index, backend, policy);
        if (known === undefined) taken.push(index);
        placed.set(backend.id, index);
      }
    } catch (error) {
      return { placed, taken, error };
    }
    return { placed, taken, error: undefined };
  }

  /** Writes the backends that take new flows, or all the others. */
  #storeBackends(
    server: VirtualServer,
    placed: ReadonlyMap<string, number>,
    active: boolean,
  ): void {
    const policy = this.#schedulers.policyOf(server);
    for (const backend of server.backends) {
      if ((backend.use === 'active') !== active) continue;
      this.#backends.store(placed.get(backend.id) as number, backend, policy);
    }
  }

  #placeRing(
    { region, value, backends }: ServerState,
    server: VirtualServer,
    placed: ReadonlyMap<string, number>,
  ): RingRegion | undefined {
    const [before, indices] = [[...backends.values()], [...placed.values()]];
    const isSame = server.ring === value?.ring && server.choice === value.choice;
    if (isSame && indices.every((index, i) => index === before[i])) return region;
    return this.#rings.place(region, server, indices);
  }

  /** What the server has no more, now that its VIP does not refer to it. */
  #letGo(
    state: ServerState,
    region: RingRegion | undefined,
    placed: ReadonlyMap<string, number>,
  ): void {
    if (state.region && state.region !== region) this.#rings.free(state.region);
    // The new list was taken anew, also when it is the old one.
    if (state.acl !== 0) this.#acls.release(state.acl);
    for (const [backend, index] of state.backends) {
      if (placed.get(backend) !== index) this.#backends.retire(index);
    }
  }

  /**
   * Flows of clients that may not come are to end where there can be any: at each new list, of a
   * server that was there before by this name, and when an earlier process may not have come to it.
   */
  #restrict(state: ServerState, { sourceRanges, address }: VirtualServer, acl: number): void {
    if (acl === 0) this.#refused.release(state.index);
    else if (acl !== state.acl || !state.value) {
      const nowMs = this.#parts.clock.monotonicMs();
      this.#refused.restrict(state.index, sourceRanges, familyOf(address), nowMs);
    }
  }

  #switchVip(
    state: ServerState,
    server: VirtualServer,
    region: RingRegion | undefined,
    acl: number,
  ): void {
    const entry = vipEntryOf(server, { index: state.index, region, acl }, this.#schedulers);
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
      const region = this.#rings.adopt(vip);
      this.#states.set(id, {
        index,
        key,
        backends: held,
        region: typeof region === 'object' ? region : undefined,
        acl: vip.acl,
        vip: region === 'broken' ? undefined : vip,
        value: undefined,
      });
    }
    const states = [...this.#states.values()];
    this.#affinity.adopt(new Set(states.map(({ index }) => index)));
    this.#acls.adopt(states.map(({ acl, key }) => ({ id: acl, family: familyOf(key.address) })));
  }
}
