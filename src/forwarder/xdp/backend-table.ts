import type { Address } from '../../domain/address.ts';
import type { Clock } from '../../domain/clock.ts';
import type { Backend } from '../../domain/forwarding.ts';
import type { Mac } from '../../domain/mac.ts';
import type { VlanTag } from '../../protocol/rtnetlink/link.ts';
import type { NextHops } from '../next-hop.ts';
import type { BackendEntry, DataplaneLayout, TrafficStats } from './abi.ts';
import { endpointOf } from './identity.ts';
import { createIndexPool, type IndexPool } from './index-pool.ts';
import type { NatGroup, NatTable } from './nat-table.ts';
import type { SharedArray } from './shared-array.ts';
import type { Statistics } from './statistics.ts';

export interface BackendTableParts {
  readonly array: SharedArray<BackendEntry>;
  readonly statistics: Statistics;
  readonly nextHops: NextHops;
  readonly natAddresses: NatTable;
  readonly layout: DataplaneLayout;
  readonly clock: Clock;
  /** `Backend.id` of an address and port. */
  readonly idOf: (address: Address, port: number) => string;
}

const NO_ADDRESS = 0n as Address;
const NO_MAC = 0 as Mac;
const NO_HOP = {
  ifindex: 0,
  dstMac: NO_MAC,
  srcMac: NO_MAC,
  mtu: 0,
  vlan: 0,
  innerVlan: 0,
  natFirst: 0,
  natCount: 0,
};
const FREE: BackendEntry = {
  ...NO_HOP,
  address: NO_ADDRESS,
  port: 0,
  server: 0,
  flags: 0,
  endpoint: 0,
  admit: 0,
};
/** The entry's field is 16 bits wide; no packet is longer either. */
const MTU_MAX = 0xffff;
const ETH_P_8021AD = 0x88a8;

/** What the server says about all of its backends. */
export interface ServerPolicy {
  /** Their flows are counted, for the scheduler that goes by it. */
  readonly counted: boolean;
  /** TCP flows of one that is down are reset. */
  readonly resetDead: boolean;
}

/**
 * The `backends` map: which index stands for which backend of which server, with its next hop.
 *
 * Address, port and server of an index stay as they are while flows may hold it, since they are
 * part of those flows' identity.
 */
export class BackendTable {
  readonly #parts: BackendTableParts;
  readonly #pool: IndexPool;
  readonly #reachable: number;
  readonly #active: number;
  readonly #keepsUdp: number;
  readonly #dead: number;
  readonly #counted: number;
  readonly #serviceTag: number;
  /** Indices by address; small arrays, since an address has few. */
  readonly #users = new Map<Address, number[]>();
  /** Retired indices by server and backend id, to be taken again by the same. */
  readonly #retired = new Map<string, number>();
  /** Addresses to which there is a way, but no room for the NAT addresses of it. */
  readonly #withoutNat = new Set<Address>();
  #writes = 0;

  constructor(parts: BackendTableParts) {
    this.#parts = parts;
    this.#pool = createIndexPool(parts.array.length - 1);
    this.#reachable = parts.layout.constant('TG_BACKEND_REACHABLE');
    this.#active = parts.layout.constant('TG_BACKEND_ACTIVE');
    this.#keepsUdp = parts.layout.constant('TG_BACKEND_KEEPS_UDP');
    this.#dead = parts.layout.constant('TG_BACKEND_DEAD');
    this.#counted = parts.layout.constant('TG_BACKEND_COUNTED');
    this.#serviceTag = parts.layout.constant('TG_VLAN_8021AD');
  }

  usage(): { readonly used: number; readonly limit: number } {
    return { used: this.#pool.used, limit: this.#pool.limit };
  }

  /** How many entries were written since the start. */
  get writes(): number {
    return this.#writes;
  }

  entry(index: number): BackendEntry {
    return this.#parts.array.get(index);
  }

  stats(index: number): TrafficStats {
    return this.#parts.statistics.read(index);
  }

  /**
   * The index of a backend that has none: its own former one (closed until `store`), else a new one.
   * Throws when full.
   */
  take(server: number, backend: Backend, policy: ServerPolicy): number {
    const key = retiredKey(server, backend.id);
    const former = this.#retired.get(key);
    if (former !== undefined) {
      this.#retired.delete(key);
      this.#pool.revive(former);
      return former;
    }
    const index = this.#pool.take();
    if (index === undefined) throw full(this.#pool.limit, backend.id);
    const { address, port, admit } = backend;
    this.#addUser(address, index);
    const endpoint = endpointOf(address);
    const fresh = { ...NO_HOP, address, port, server, endpoint, admit, flags: 0 };
    this.#write(index, this.#withHop(fresh, this.#flagsOf(backend, policy)));
    return index;
  }

  /** Makes the entry say what the plan and the next hop say. */
  store(index: number, backend: Backend, policy: ServerPolicy): void {
    const entry = { ...this.entry(index), admit: backend.admit };
    this.#write(index, this.#withHop(entry, this.#flagsOf(backend, policy)));
  }

  /** No new flows from here on; those it has go on. The index is kept until they are gone. */
  retire(index: number): void {
    const entry = this.entry(index);
    this.#write(index, this.#withHop(entry, 0));
    this.#pool.retire(index, this.#parts.clock.monotonicMs());
    this.#retired.set(this.#retiredKeyOf(entry), index);
  }

  /** True when it takes new flows and packets can go to it. */
  isUsable(index: number): boolean {
    const both = this.#active | this.#reachable;
    return (this.entry(index).flags & both) === both;
  }

  /** Addresses that wait for room among the NAT addresses: `refresh` tries again. */
  withoutNat(): readonly Address[] {
    return [...this.#withoutNat];
  }

  /** The next hop of the address changed: writes it into all its entries. Returns their servers. */
  refresh(address: Address): ReadonlySet<number> {
    const servers = new Set<number>();
    for (const index of this.#users.get(address) ?? []) {
      const entry = this.entry(index);
      this.#write(index, this.#withHop(entry, entry.flags & ~this.#reachable));
      servers.add(entry.server);
    }
    return servers;
  }

  /** Backends that an earlier process left: index by backend id, by server index. */
  adopt(): ReadonlyMap<number, ReadonlyMap<string, number>> {
    const found = new Map<number, Map<string, number>>();
    const groups: NatGroup[] = [];
    for (const index of this.#parts.array.occupied()) {
      const { server, address, port, natFirst, natCount } = this.entry(index);
      if (server === 0) continue;
      this.#pool.adopt(index);
      this.#addUser(address, index);
      if (natCount > 0) groups.push({ first: natFirst, count: natCount });
      const ofServer = found.get(server) ?? new Map<string, number>();
      found.set(server, ofServer);
      ofServer.set(this.#parts.idOf(address, port), index);
    }
    this.#parts.natAddresses.adopt(groups);
    return found;
  }

  /** Frees what a sweep of the flow table, begun at `startedMs`, found unused. */
  sweep(startedMs: number, flowsByBackend: Uint32Array): void {
    for (const index of this.#pool.sweep(startedMs, flowsByBackend)) {
      const entry = this.entry(index);
      const key = this.#retiredKeyOf(entry);
      if (this.#retired.get(key) === index) this.#retired.delete(key);
      this.#removeUser(entry.address, index);
      this.#releaseGroup(entry);
      this.#parts.array.set(index, FREE);
      this.#parts.statistics.reset(index);
    }
  }

  #flagsOf({ use }: Backend, { counted, resetDead }: ServerPolicy): number {
    const base = counted ? this.#counted : 0;
    if (use === 'active') return base | this.#active | this.#keepsUdp;
    if (use === 'draining') return base | this.#keepsUdp;
    return resetDead ? base | this.#dead : base;
  }

  #write(index: number, entry: BackendEntry): void {
    if (this.#parts.array.set(index, entry)) this.#writes += 1;
  }

  /** The entry with what is known now of its next hop, and these flags beside. */
  #withHop(entry: BackendEntry, flags: number): BackendEntry {
    const hop = this.#parts.nextHops.get(entry.address);
    this.#withoutNat.delete(entry.address);
    if (hop.state === 'pending') {
      return { ...entry, flags: flags | (entry.flags & this.#reachable) };
    }
    if (hop.state === 'unreachable') return { ...entry, flags };
    const group = this.#parts.natAddresses.take(hop.sources);
    this.#releaseGroup(entry);
    if (!group) {
      this.#withoutNat.add(entry.address);
      return { ...entry, natFirst: 0, natCount: 0, flags };
    }
    const [outer, inner] = hop.vlans;
    return {
      ...entry,
      flags: flags | this.#reachable,
      natFirst: group.first,
      natCount: group.count,
      ifindex: hop.ifindex,
      dstMac: hop.destinationMac,
      srcMac: hop.sourceMac,
      mtu: Math.min(hop.mtu, MTU_MAX),
      vlan: this.#vlanOf(outer),
      innerVlan: this.#vlanOf(inner),
    };
  }

  /** As the program writes it: `TG_VLAN_…`. */
  #vlanOf(tag: VlanTag | undefined): number {
    if (!tag) return 0;
    return tag.tpid === ETH_P_8021AD ? tag.vid | this.#serviceTag : tag.vid;
  }

  #releaseGroup({ natFirst, natCount }: BackendEntry): void {
    if (natCount > 0) this.#parts.natAddresses.release({ first: natFirst, count: natCount });
  }

  #addUser(address: Address, index: number): void {
    const known = this.#users.get(address);
    if (known) {
      known.push(index);
      return;
    }
    this.#users.set(address, [index]);
    this.#parts.nextHops.follow(address);
  }

  #removeUser(address: Address, index: number): void {
    const known = this.#users.get(address) ?? [];
    const at = known.indexOf(index);
    if (at < 0) return;
    known[at] = known[known.length - 1] as number;
    known.pop();
    if (known.length > 0) return;
    this.#users.delete(address);
    this.#withoutNat.delete(address);
    this.#parts.nextHops.unfollow(address);
  }

  #retiredKeyOf({ server, address, port }: BackendEntry): string {
    return retiredKey(server, this.#parts.idOf(address, port));
  }
}

function retiredKey(server: number, backendId: string): string {
  return `${server} ${backendId}`;
}

function full(limit: number, backendId: string): Error {
  const message =
    `No room for backend "${backendId}": the limit of ${limit} backends is reached; raise ` +
    'forwarder.limits.backends and start anew after "tidegate detach"';
  return Object.assign(new Error(message), { code: 'ENOSPC' });
}
