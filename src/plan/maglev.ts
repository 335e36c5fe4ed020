/**
 * Maglev consistent hashing (Eisenbud et al., NSDI 2016, §3.4), weighted.
 *
 * Every backend walks its own permutation of the table and takes free places in turn, so that places
 * are shared out evenly and the loss of one backend moves few places of the others. The result
 * depends only on the backends' keys and weights: every box computes the same table.
 */
export interface MaglevBackend {
  /** Identity; the table does not depend on the order of backends. */
  readonly key: string;
  /** Relative, positive. */
  readonly weight: number;
}

/** Primes near powers of two; each fits a ring chunk. */
const SIZES = [251, 509, 1021, 2039, 4093, 8191, 16381, 32749, 65521, 131071] as const;
const LARGEST = 131071;

/**
 * Table size for this many backends: the paper's "more than 100 places a backend" keeps imbalance
 * within 1 %, up to the largest size. One backend needs one place.
 */
export function maglevSize(backends: number): number {
  if (backends <= 1) return 1;
  return SIZES.find((size) => size >= 100 * backends) ?? LARGEST;
}

/**
 * The table: each entry an index into `backends`. Empty when there is no backend.
 * Cost grows with `size` × ln(`size`), a little more with uneven weights.
 */
export function maglevTable(backends: readonly MaglevBackend[], size: number): Uint16Array {
  const table = new Uint16Array(backends.length === 0 ? 0 : size);
  if (backends.length < 2 || size === 1) return table;
  const order = [...backends.keys()].sort((a, b) => compareKeys(backends[a], backends[b]));
  const walks = order.map((index) => walkOf(backends[index]?.key ?? '', size));
  const heaviest = Math.max(...backends.map((backend) => backend.weight));
  const credit = new Float64Array(order.length);
  const taken = new Uint8Array(size);
  let free = size;
  while (free > 0) {
    for (let turn = 0; turn < order.length && free > 0; turn++) {
      const index = order[turn] as number;
      // A backend of half the weight takes a place every second round.
      credit[turn] = (credit[turn] as number) + (backends[index]?.weight ?? 0) / heaviest;
      if ((credit[turn] as number) < 1) continue;
      credit[turn] = (credit[turn] as number) - 1;
      const walk = walks[turn] as Walk;
      while (taken[walk.place] === 1) advance(walk, size);
      taken[walk.place] = 1;
      table[walk.place] = index;
      free--;
    }
  }
  return table;
}

interface Walk {
  place: number;
  readonly skip: number;
}

function walkOf(key: string, size: number): Walk {
  return { place: hash(key, 0x9747b28c) % size, skip: (hash(key, 0x5bd1e995) % (size - 1)) + 1 };
}

function advance(walk: Walk, size: number): void {
  walk.place += walk.skip;
  if (walk.place >= size) walk.place -= size;
}

function compareKeys(a: MaglevBackend | undefined, b: MaglevBackend | undefined): number {
  return (a?.key ?? '') < (b?.key ?? '') ? -1 : 1;
}

/** MurmurHash3's mixing over UTF-16 units, 32 bits; good enough spread, and stable for ever. */
function hash(text: string, seed: number): number {
  let h = seed;
  for (let i = 0; i < text.length; i++) {
    let k = Math.imul(text.charCodeAt(i), 0xcc9e2d51);
    k = (k << 15) | (k >>> 17);
    h ^= Math.imul(k, 0x1b873593);
    h = (h << 13) | (h >>> 19);
    h = (Math.imul(h, 5) + 0xe6546b64) | 0;
  }
  h ^= text.length;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
