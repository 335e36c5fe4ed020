import type { Address } from '../../domain/address.ts';
import type { Clock } from '../../domain/clock.ts';
import type { Log } from '../../domain/log.ts';
import type { NatAddressEntry } from './abi.ts';
import { INDEX_GRACE_MS } from './index-pool.ts';
import type { SharedArray } from './shared-array.ts';

/** Consecutive entries of the table. */
export interface NatGroup {
  readonly first: number;
  readonly count: number;
}

export interface NatTableParts {
  readonly array: SharedArray<NatAddressEntry>;
  readonly clock: Clock;
  readonly log: Log;
  /**
   * Receives the filter of last bytes and where the used places end (`tg_config.nat_filter`,
   * `nat_limit`) before an address comes into use.
   */
  readonly setFilter: (filter: bigint, limit: number) => void;
}

interface Group extends NatGroup {
  /** Empty: what an earlier process left for its flows alone. */
  readonly key: string;
  users: number;
  retiredAtMs: number;
}

/** Most addresses of one group: a backend's record counts them in 8 bits. */
export const NAT_GROUP_MAX = 255;

const NONE = 0n as Address;

/**
 * The `nat_addresses` map: groups of addresses from which packets to backends come. Backends with
 * the same next hop share a group. A group that nobody uses any more stays until no flow holds one
 * of its addresses.
 */
export class NatTable {
  readonly #parts: NatTableParts;
  readonly #groups = new Map<string, Group>();
  /** The group at each place. */
  readonly #places: (Group | undefined)[];
  /** Next hops hand out the same list again and again. */
  readonly #keys = new WeakMap<readonly Address[], string>();
  #filter = 0n;
  #limit = 0;
  #full = false;

  constructor(parts: NatTableParts) {
    this.#parts = parts;
    this.#places = Array.from({ length: parts.array.length }, () => undefined);
  }

  addressOf(index: number): Address {
    return this.#parts.array.get(index).address;
  }

  /** How many places are taken. */
  usage(): { readonly used: number; readonly limit: number } {
    const used = this.#places.filter((group) => group !== undefined).length;
    return { used, limit: this.#places.length };
  }

  /**
   * The group of these addresses, made when there is none; `undefined` when there is no room, until
   * a sweep finds some.
   */
  take(addresses: readonly Address[]): NatGroup | undefined {
    const key = this.#keys.get(addresses) ?? addresses.join(' ');
    this.#keys.set(addresses, key);
    const group = this.#groups.get(key) ?? this.#make(key, addresses);
    if (group) group.users += 1;
    return group;
  }

  release({ first }: NatGroup): void {
    const group = this.#places[first];
    if (!group) return;
    group.users -= 1;
    group.retiredAtMs = this.#parts.clock.monotonicMs();
  }

  /**
   * What an earlier process left: these groups, one for each backend that has it, and whatever else
   * stands in the table, since flows may hold it.
   */
  adopt(groups: Iterable<NatGroup>): void {
    for (const { first, count } of groups) {
      const known = this.#places[first];
      const group = known ?? { ...this.#groupAt(first, count), users: 0, retiredAtMs: 0 };
      group.users += 1;
      if (!known) this.#occupy(group);
    }
    const retiredAtMs = this.#parts.clock.monotonicMs();
    for (const place of this.#places.keys()) {
      if (this.#places[place] || this.addressOf(place) === NONE) continue;
      this.#places[place] = { key: '', first: place, count: 1, users: 0, retiredAtMs };
    }
    this.#tellFilter();
  }

  /**
   * Frees groups that nobody uses, given what a sweep that began at `startedMs` found. True when
   * there is room again for what had none.
   */
  sweep(startedMs: number, flowsByAddress: Uint32Array): boolean {
    let freed = false;
    for (const group of new Set(this.#places)) {
      if (!group || group.users > 0 || group.retiredAtMs + INDEX_GRACE_MS > startedMs) continue;
      const places = placesOf(group);
      if (places.some((place) => flowsByAddress[place] !== 0)) continue;
      for (const place of places) {
        this.#places[place] = undefined;
        this.#parts.array.set(place, { address: NONE });
      }
      if (this.#groups.get(group.key) === group) this.#groups.delete(group.key);
      freed = true;
    }
    if (!freed) return false;
    this.#tellFilter();
    const wasFull = this.#full;
    this.#full = false;
    return wasFull;
  }

  #groupAt(first: number, count: number): NatGroup & { readonly key: string } {
    const key = placesOf({ first, count })
      .map((place) => this.addressOf(place))
      .join(' ');
    return { key, first, count };
  }

  #make(key: string, addresses: readonly Address[]): Group | undefined {
    const first = addresses.length <= NAT_GROUP_MAX ? this.#room(addresses.length) : undefined;
    if (first === undefined) {
      this.#sayFull(addresses.length);
      return undefined;
    }
    const group = { key, first, count: addresses.length, users: 0, retiredAtMs: 0 };
    for (const [i, address] of addresses.entries()) this.#parts.array.set(first + i, { address });
    this.#occupy(group);
    this.#tellFilter();
    return group;
  }

  #occupy(group: Group): void {
    this.#groups.set(group.key, group);
    this.#places.fill(group, group.first, group.first + group.count);
  }

  #tellFilter(): void {
    let filter = 0n;
    let limit = 0;
    for (const [place, group] of this.#places.entries()) {
      if (!group) continue;
      filter |= 1n << (this.addressOf(place) & 63n);
      limit = place + 1;
    }
    if (filter === this.#filter && limit === this.#limit) return;
    this.#filter = filter;
    this.#limit = limit;
    this.#parts.setFilter(filter, limit);
  }

  #room(count: number): number | undefined {
    let run = 0;
    for (const [place, group] of this.#places.entries()) {
      run = group ? 0 : run + 1;
      if (run === count) return place - count + 1;
    }
    return undefined;
  }

  /** Once, until there is room again. */
  #sayFull(wanted: number): void {
    if (this.#full) return;
    this.#full = true;
    this.#parts.log.error(
      'No room for more groups of NAT addresses: backends that need one get no packets until ' +
        'flows of former addresses have ended; list fewer in forwarder.natAddresses',
      { wanted, ...this.usage() },
    );
  }
}

function placesOf({ first, count }: NatGroup): number[] {
  return Array.from({ length: count }, (_, i) => first + i);
}
