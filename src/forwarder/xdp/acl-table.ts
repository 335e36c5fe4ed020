import { type Address, type Family, familyOf } from '../../domain/address.ts';
import type { Clock } from '../../domain/clock.ts';
import type { Prefix } from '../../domain/prefix.ts';
import type { BpfMap } from '../../system/bpf.ts';
import { type DataplaneLayout, decode, encode } from './abi.ts';
import { INDEX_GRACE_MS } from './index-pool.ts';

interface List {
  readonly id: number;
  readonly key: string;
  /** The map's keys, packed. */
  readonly entries: readonly Uint8Array[];
  users: number;
  unusedSinceMs: number;
}

/** An address's bits as the map counts them: IPv4 stands behind 96 others. */
const MAPPED_BITS = 96;
const ALLOWED = new Uint8Array([1]);

/**
 * The `acl` map: lists of client prefixes, by id. A list never changes: another one gets another id,
 * and the VIP is switched to it in one step. Equal lists share an id. What nobody uses goes with a
 * later sweep, when no packet can be reading it any more.
 */
export class AclTable {
  readonly #map: BpfMap;
  readonly #layout: DataplaneLayout;
  readonly #clock: Clock;
  readonly #byKey = new Map<string, List>();
  readonly #byId = new Map<number, List>();
  #last = 0;

  constructor(map: BpfMap, layout: DataplaneLayout, clock: Clock) {
    this.#map = map;
    this.#layout = layout;
    this.#clock = clock;
  }

  usage(): { readonly lists: number; readonly entries: number; readonly limit: number } {
    let entries = 0;
    for (const list of this.#byId.values()) entries += list.entries.length;
    return { lists: this.#byId.size, entries, limit: this.#map.maxEntries };
  }

  /**
   * The id for these clients of a VIP of this family; 0 when everybody may come. A list without a
   * prefix of that family admits nobody. Throws `ENOSPC` when the map is full, and leaves nothing.
   */
  take(ranges: readonly Prefix[], family: Family): number {
    if (ranges.length === 0) return 0;
    const entries = this.#entriesOf(ranges, family);
    const key = keyOf(family, entries);
    const list = this.#byKey.get(key) ?? this.#make(key, entries);
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
    const families = new Map<number, { family: Family; users: number }>();
    for (const { id, family } of users) {
      if (id !== 0) families.set(id, { family, users: (families.get(id)?.users ?? 0) + 1 });
    }
    const found = new Map<number, Uint8Array[]>();
    for (const { key } of this.#map.entries()) {
      const { acl, prefixLength, address } = decode(this.#layout.aclKey, key);
      const entries = found.get(acl) ?? [];
      found.set(acl, entries);
      entries.push(encode(this.#layout.aclKey, { acl: 0, prefixLength, address }));
    }
    for (const id of new Set([...families.keys(), ...found.keys()])) {
      const { family, users } = families.get(id) ?? { family: 4 as Family, users: 0 };
      const entries = found.get(id) ?? [];
      // Cut short by the process's death, a list nobody uses may equal the beginning of another.
      const key = users > 0 ? keyOf(family, entries) : `left over ${id}`;
      this.#add({ id, key, entries, users, unusedSinceMs: 0 });
      this.#last = Math.max(this.#last, id);
    }
  }

  /** Removes lists that were unused before `startedMs`. */
  sweep(startedMs: number): void {
    for (const list of [...this.#byId.values()]) {
      if (list.users > 0 || list.unusedSinceMs + INDEX_GRACE_MS > startedMs) continue;
      this.#byId.delete(list.id);
      if (this.#byKey.get(list.key) === list) this.#byKey.delete(list.key);
      for (const entry of list.entries) this.#map.delete(this.#keyIn(list.id, entry));
    }
  }

  #make(key: string, entries: readonly Uint8Array[]): List {
    const id = this.#freeId();
    const written: Uint8Array[] = [];
    try {
      for (const entry of entries) {
        this.#map.update(this.#keyIn(id, entry), ALLOWED);
        written.push(entry);
      }
    } catch (cause) {
      for (const entry of written) this.#map.delete(this.#keyIn(id, entry));
      const { code } = cause as NodeJS.ErrnoException;
      throw code === 'ENOSPC' ? full(this.#map.maxEntries, cause) : cause;
    }
    return this.#add({ id, key, entries, users: 0, unusedSinceMs: this.#clock.monotonicMs() });
  }

  #add(list: List): List {
    this.#byKey.set(list.key, list);
    this.#byId.set(list.id, list);
    return list;
  }

  #freeId(): number {
    do this.#last = this.#last === 0xffff_ffff ? 1 : this.#last + 1;
    while (this.#byId.has(this.#last));
    return this.#last;
  }

  #entriesOf(ranges: readonly Prefix[], family: Family): Uint8Array[] {
    return ranges
      .filter(({ base }) => familyOf(base) === family)
      .map(({ base, length }) => this.#entryOf(base, length, family));
  }

  #entryOf(address: Address, length: number, family: Family): Uint8Array {
    const bits = family === 4 ? length + MAPPED_BITS : length;
    return encode(this.#layout.aclKey, { acl: 0, prefixLength: 32 + bits, address });
  }

  #keyIn(id: number, entry: Uint8Array): Uint8Array {
    const { prefixLength, address } = decode(this.#layout.aclKey, entry);
    return encode(this.#layout.aclKey, { acl: id, prefixLength, address });
  }
}

function keyOf(family: Family, entries: readonly Uint8Array[]): string {
  const texts = entries.map((entry) => Buffer.from(entry).toString('base64')).sort();
  return `${family} ${[...new Set(texts)].join(' ')}`;
}

function full(limit: number, cause: unknown): Error {
  const message =
    `No room for more loadBalancerSourceRanges: the limit of ${limit} entries over all Services ` +
    'is reached; raise forwarder.limits.sourceRanges and start anew after "tidegate detach"';
  return Object.assign(new Error(message, { cause }), { code: 'ENOSPC' });
}
