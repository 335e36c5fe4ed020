/**
 * An immutable map with string keys, cheap to change and cheap to compare.
 *
 * A change copies one path of a fixed two-level tree (`FAN_OUT` × `FAN_OUT` buckets), not the whole
 * map, and `changedKeys` visits only what two versions do not share. This is what makes planning
 * incremental "by identity": 10,000 Services, one edited, one key reported, some dozens of slots read.
 *
 * Iteration has no defined order (it depends on hashes and history): sort where order matters.
 *
 * Cost: `get` O(1); `with`/`without` copy 2 × FAN_OUT pointers and one bucket; `changedKeys` grows
 * with FAN_OUT plus what differs.
 */
const FAN_OUT = 64;

type Bucket<V> = ReadonlyMap<string, V>;
type Branch<V> = ReadonlyArray<Bucket<V> | undefined>;

export class KeyedMap<V> implements Iterable<[string, V]> {
  /** How many keys. */
  readonly size: number;
  readonly #root: ReadonlyArray<Branch<V> | undefined>;

  private constructor(root: ReadonlyArray<Branch<V> | undefined>, size: number) {
    this.#root = root;
    this.size = size;
  }

  static readonly #empty: KeyedMap<unknown> = new KeyedMap<unknown>([], 0);

  /** The one empty map, so that two empty maps are identical. */
  static empty<V>(): KeyedMap<V> {
    return KeyedMap.#empty as KeyedMap<V>;
  }

  static from<V>(entries: Iterable<readonly [string, V]>): KeyedMap<V> {
    return KeyedMap.empty<V>().withAll(entries);
  }

  get(key: string): V | undefined {
    const hash = hashKey(key);
    return this.#root[hash >>> 26]?.[(hash >>> 20) & (FAN_OUT - 1)]?.get(key);
  }

  has(key: string): boolean {
    const hash = hashKey(key);
    return this.#root[hash >>> 26]?.[(hash >>> 20) & (FAN_OUT - 1)]?.has(key) ?? false;
  }

  /** This map with `key` set. Returns itself when the very same value is already there. */
  with(key: string, value: V): KeyedMap<V> {
    return this.withAll([[key, value]]);
  }

  /** This map without `key`; itself when it had none. */
  without(key: string): KeyedMap<V> {
    return this.withAll([[key, undefined]]);
  }

  /** Sets many; `undefined` as value removes. Copies each touched branch once. */
  withAll(changes: Iterable<readonly [string, V | undefined]>): KeyedMap<V> {
    const root = [...this.#root];
    const freshBranches = new Set<number>();
    const freshBuckets = new Set<number>();
    let size = this.size;
    for (const [key, value] of changes) {
      const hash = hashKey(key);
      const high = hash >>> 26;
      const low = (hash >>> 20) & (FAN_OUT - 1);
      const current = root[high]?.[low];
      if (value === undefined ? !current?.has(key) : current?.get(key) === value) continue;
      const branch = freshBranches.has(high) ? root[high] : [...(root[high] ?? [])];
      const slot = high * FAN_OUT + low;
      const bucket = freshBuckets.has(slot) ? (current as Map<string, V>) : new Map(current);
      const before = bucket.size;
      if (value === undefined) bucket.delete(key);
      else bucket.set(key, value);
      size += bucket.size - before;
      (branch as Array<Bucket<V> | undefined>)[low] = bucket;
      root[high] = branch;
      freshBranches.add(high);
      freshBuckets.add(slot);
    }
    return freshBuckets.size === 0 ? this : new KeyedMap(root, size);
  }

  *[Symbol.iterator](): Iterator<[string, V]> {
    for (const branch of this.#root) {
      if (!branch) continue;
      for (const bucket of branch) if (bucket) yield* bucket;
    }
  }

  *keys(): Iterable<string> {
    for (const [key] of this) yield key;
  }

  *values(): Iterable<V> {
    for (const [, value] of this) yield value;
  }

  /** Keys whose values differ between `before` and this, by identity; added and removed ones too. */
  changedKeys(before: KeyedMap<V>): string[] {
    const changed: string[] = [];
    if (before === this) return changed;
    for (let high = 0; high < FAN_OUT; high++) {
      const now = this.#root[high];
      const then = before.#root[high];
      if (now === then) continue;
      for (let low = 0; low < FAN_OUT; low++) collectChanged(then?.[low], now?.[low], changed);
    }
    return changed;
  }
}

function collectChanged<V>(
  then: Bucket<V> | undefined,
  now: Bucket<V> | undefined,
  changed: string[],
) {
  if (then === now) return;
  if (now)
    for (const [key, value] of now)
      if (then?.get(key) !== value || !then?.has(key)) changed.push(key);
  if (then) for (const key of then.keys()) if (!now?.has(key)) changed.push(key);
}

/** FNV-1a with a final mix, 32 bits; the top 12 bits choose the slot. */
function hashKey(key: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193);
  hash ^= hash >>> 15;
  hash = Math.imul(hash, 0x2c1b3c6d);
  return (hash ^ (hash >>> 13)) >>> 0;
}
