import type { Address } from '../../domain/address.ts';
import type { Clock } from '../../domain/clock.ts';
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
  /** Receives the filter of last bytes (`tg_config.nat_filter`) before an address comes into use. */
  readonly setFilter: (filter: bigint) => void;
}

interface Group extends NatGroup {
  readonly key: string;
  users: number;
  retiredAtMs: number;
}

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
  #filter = 0n;

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

  /** The group of these addresses, made when there is none; `undefined` when the table is full. */
  take(addresses: readonly Address[]): NatGroup | undefined {
    const key = addresses.join(' ');
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

  /** A group that an earlier process left, in use by one backend more. */
  adopt({ first, count }: NatGroup): void {
    const addresses = Array.from({ length: count }, (_, i) => this.addressOf(first + i));
    const key = addresses.join(' ');
    const known = this.#places[first];
    const group = known ?? { key, first, count, users: 0, retiredAtMs: 0 };
    group.users += 1;
    if (known) return;
    this.#occupy(group, addresses);
  }

  /** Frees groups that nobody uses, given what a sweep that began at `startedMs` found. */
  sweep(startedMs: number, flowsByAddress: Uint32Array): void {
    for (const group of new Set(this.#places)) {
      if (!group || group.users > 0 || group.retiredAtMs + INDEX_GRACE_MS > startedMs) continue;
      const places = Array.from({ length: group.count }, (_, i) => group.first + i);
      if (places.some((place) => flowsByAddress[place] !== 0)) continue;
      for (const place of places) this.#places[place] = undefined;
      if (this.#groups.get(group.key) === group) this.#groups.delete(group.key);
    }
  }

  #make(key: string, addresses: readonly Address[]): Group | undefined {
    const first = this.#room(addresses.length);
    if (first === undefined) return undefined;
    const group = { key, first, count: addresses.length, users: 0, retiredAtMs: 0 };
    for (const [i, address] of addresses.entries()) this.#parts.array.set(first + i, { address });
    this.#occupy(group, addresses);
    return group;
  }

  #occupy(group: Group, addresses: readonly Address[]): void {
    this.#groups.set(group.key, group);
    this.#places.fill(group, group.first, group.first + group.count);
    for (const address of addresses) {
      if (address !== NONE) this.#filter |= 1n << (address & 63n);
    }
    this.#parts.setFilter(this.#filter);
  }

  #room(count: number): number | undefined {
    let run = 0;
    for (const [place, group] of this.#places.entries()) {
      run = group ? 0 : run + 1;
      if (run === count) return place - count + 1;
    }
    return undefined;
  }
}
