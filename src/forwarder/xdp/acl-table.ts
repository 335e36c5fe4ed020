import { createHash } from 'node:crypto';
import { type Address, compareAddresses, type Family, familyOf } from '../../domain/address.ts';
import type { Clock } from '../../domain/clock.ts';
import type { Prefix } from '../../domain/prefix.ts';
import type { BpfMap } from '../../system/bpf.ts';
import { type AclKey, type DataplaneLayout, decode, viewOf } from './abi.ts';
import { INDEX_GRACE_MS } from './index-pool.ts';

/** A list as the map holds it, apart from its id. */
interface Packed {
  /** Equal for equal lists. */
  readonly digest: string;
  /** The map's keys one after another, without an id. */
  readonly keys: Uint8Array;
}

interface List extends Packed {
  readonly id: number;
  users: number;
  unusedSinceMs: number;
}

type Entry = Omit<AclKey, 'acl'>;

/** An address's bits as the map counts them: IPv4 stands behind 96 others. */
const MAPPED_BITS = 96;
const ALLOWED = 1;

/**
 * The `acl` map: lists of client prefixes, by id. A list never changes: another one gets another id,
 * and the VIP is switched to it in one step. Equal lists share an id. What nobody uses goes with a
 * later sweep, when no packet can be reading it any more.
 */
export class AclTable {
  readonly #map: BpfMap;
  readonly #layout: DataplaneLayout;
  readonly #clock: Clock;
  readonly #byDigest = new Map<string, List>();
  readonly #byId = new Map<number, List>();
  /** A plan holds the same list for as long as it is equal; one of thousands is packed once. */
  readonly #packed: Readonly<Record<Family, WeakMap<readonly Prefix[], Packed>>>;
  #last = 0;

  constructor(map: BpfMap, layout: DataplaneLayout, clock: Clock) {
    this.#map = map;
    this.#layout = layout;
    this.#clock = clock;
    this.#packed = { 4: new WeakMap(), 6: new WeakMap() };
  }

  usage(): { readonly lists: number; readonly entries: number; readonly limit: number } {
    let entries = 0;
    for (const list of this.#byId.values()) entries += this.#countOf(list);
    return { lists: this.#byId.size, entries, limit: this.#map.maxEntries };
  }

  /**
   * The id for these clients of a VIP of this family; 0 when everybody may come. A list without a
   * prefix of that family admits nobody. Throws `ENOSPC` when the map is full, and leaves nothing.
   */
  take(ranges: readonly Prefix[], family: Family): number {
    if (ranges.length === 0) return 0;
    const packed =
      this.#packed[family].get(ranges) ?? this.#pack(entriesOf(ranges, family), family);
    this.#packed[family].set(ranges, packed);
    const list = this.#byDigest.get(packed.digest) ?? this.#make(packed);
    list.users += 1;
    return list.id;
  }

  release(id: number): void {
    const list = this.#byId.get(id);
    if (!list) return;
    list.users -= 1;
    list.unusedSinceMs = this.#clock.monotonicMs();
  }

  /** Lists that an earlier process left, each with as many users as VIPs have its id. */
  adopt(users: Iterable<{ readonly id: number; readonly family: Family }>): void {
    const found = new Map<number, Entry[]>();
    for (const { key } of this.#map.entries()) {
      const { acl, ...entry } = decode(this.#layout.aclKey, key);
      const entries = found.get(acl) ?? [];
      found.set(acl, entries);
      entries.push(entry);
    }
    for (const { id, family } of users) {
      if (id === 0) continue;
      const list = this.#byId.get(id) ?? this.#add(id, this.#pack(found.get(id) ?? [], family));
      list.users += 1;
    }
    for (const [id, entries] of found) {
      if (this.#byId.has(id)) continue;
      // Cut short by the process's death, a list nobody uses may equal another's beginning.
      this.#add(id, { ...this.#pack(entries, 4), digest: `left over ${id}` });
    }
  }

  /** Removes lists that were unused before `startedMs`. */
  sweep(startedMs: number): void {
    for (const list of [...this.#byId.values()]) {
      if (list.users > 0 || list.unusedSinceMs + INDEX_GRACE_MS > startedMs) continue;
      this.#byId.delete(list.id);
      if (this.#byDigest.get(list.digest) === list) this.#byDigest.delete(list.digest);
      this.#erase(this.#keysIn(list.id, list));
    }
  }

  #make(packed: Packed): List {
    const id = this.#freeId();
    const keys = this.#keysIn(id, packed);
    const count = this.#countOf(packed);
    try {
      this.#map.updateBatch(keys, new Uint8Array(count).fill(ALLOWED), count);
    } catch (cause) {
      this.#erase(keys);
      const { code } = cause as NodeJS.ErrnoException;
      throw code === 'ENOSPC' ? full(this.#map.maxEntries, cause) : cause;
    }
    return this.#add(id, packed);
  }

  #erase(keys: Uint8Array): void {
    const { size } = this.#layout.aclKey;
    for (let at = 0; at < keys.length; at += size) this.#map.delete(keys.subarray(at, at + size));
  }

  #add(id: number, packed: Packed): List {
    const list = { ...packed, id, users: 0, unusedSinceMs: this.#clock.monotonicMs() };
    this.#byDigest.set(list.digest, list);
    this.#byId.set(id, list);
    this.#last = Math.max(this.#last, id);
    return list;
  }

  #freeId(): number {
    let id = this.#last;
    do id = id === 0xffff_ffff ? 1 : id + 1;
    while (this.#byId.has(id));
    return id;
  }

  /** `entries` of this family, in any order. */
  #pack(entries: readonly Entry[], family: Family): Packed {
    const { aclKey } = this.#layout;
    const sorted = [...entries].sort(compareEntries);
    const distinct = sorted.filter((entry, i) => i === 0 || !isSame(entry, sorted[i - 1] as Entry));
    const keys = new Uint8Array(distinct.length * aclKey.size);
    const view = viewOf(keys);
    for (const [i, entry] of distinct.entries()) {
      aclKey.write(view, i * aclKey.size, { acl: 0, ...entry });
    }
    return { keys, digest: `${family} ${createHash('sha256').update(keys).digest('base64')}` };
  }

  #keysIn(id: number, { keys }: Packed): Uint8Array {
    const { aclKey } = this.#layout;
    const result = keys.slice();
    const view = viewOf(result);
    for (let at = 0; at < keys.length; at += aclKey.size) {
      aclKey.write(view, at, { ...aclKey.read(view, at), acl: id });
    }
    return result;
  }

  #countOf({ keys }: Packed): number {
    return keys.length / this.#layout.aclKey.size;
  }
}

function entriesOf(ranges: readonly Prefix[], family: Family): Entry[] {
  return ranges
    .filter(({ base }) => familyOf(base) === family)
    .map(({ base, length }) => entryOf(base, family === 4 ? length + MAPPED_BITS : length));
}

function entryOf(address: Address, bits: number): Entry {
  return { prefixLength: 32 + bits, address };
}

function compareEntries(a: Entry, b: Entry): number {
  return compareAddresses(a.address, b.address) || a.prefixLength - b.prefixLength;
}

function isSame(a: Entry, b: Entry): boolean {
  return a.address === b.address && a.prefixLength === b.prefixLength;
}

function full(limit: number, cause: unknown): Error {
  const message =
    `No room for more loadBalancerSourceRanges: the limit of ${limit} entries over all Services ` +
    'is reached; raise forwarder.limits.sourceRanges and start anew after "tidegate detach"';
  return Object.assign(new Error(message, { cause }), { code: 'ENOSPC' });
}
