import type { Clock } from '../../domain/clock.ts';

/** Where a ring stands. */
export interface RingRegion {
  readonly chunk: number;
  /** First word within the chunk; even. */
  readonly offset: number;
  /** Words; even. */
  readonly size: number;
}

/** Where chunks come from: the kernel, or a test's memory. */
export interface RingChunks {
  /** Words of one chunk. */
  readonly words: number;
  /** How many chunks there may be. */
  readonly max: number;
  /** Makes chunk `index`. */
  add(index: number): Uint32Array;
  /** The chunk that an earlier process made, if any. */
  existing(index: number): Uint32Array | undefined;
}

/** Longer than any packet is worked on, with a wide margin. */
export const RING_GRACE_MS = 200;

interface Run {
  offset: number;
  size: number;
}

interface Chunk {
  readonly memory: Uint32Array;
  /** Free runs by offset, no two adjacent. */
  readonly free: Run[];
  /** No free run is larger; may be too high, and is corrected by the next search. */
  largest: number;
}

/** A ring of so many words takes a region of so many: pairs of words do not begin at odd places. */
export function ringRoom(words: number): number {
  return words + (words & 1);
}

/**
 * The memory of rings: chunks shared with the kernel, handed out in exact runs.
 *
 * A ring is never changed in place: a new region is filled, the VIP is switched to it, and the old
 * one rests for `RING_GRACE_MS` before it is given out again, so that no packet that still reads it
 * meets another ring.
 */
export class RingSpace {
  readonly #source: RingChunks;
  readonly #clock: Clock;
  readonly #chunks: Chunk[] = [];
  readonly #resting: { readonly region: RingRegion; readonly freeAtMs: number }[] = [];
  #words = 0;

  constructor(source: RingChunks, clock: Clock) {
    this.#source = source;
    this.#clock = clock;
    for (let index = 0; index < source.max; index++) {
      const memory = source.existing(index);
      if (memory === undefined) break;
      this.#addChunk(memory);
    }
  }

  /** Chunks in use and words given out, for metrics. */
  usage(): { readonly chunks: number; readonly words: number } {
    return { chunks: this.#chunks.length, words: this.#words };
  }

  /** Marks a region as in use, as an earlier process left it; false when that cannot be so. */
  adopt(region: RingRegion): boolean {
    const chunk = this.#chunks[region.chunk];
    const isEven = ringRoom(region.offset) === region.offset;
    if (!chunk || !isEven || !carveRun(chunk, region.offset, region.size)) return false;
    this.#words += region.size;
    return true;
  }

  /** Throws with code `ENOSPC` when all chunks are full. */
  allocate(words: number): RingRegion {
    this.#wakeRested();
    const region = this.#find(ringRoom(words));
    this.#words += region.size;
    return region;
  }

  free(region: RingRegion): void {
    this.#words -= region.size;
    this.#resting.push({ region, freeAtMs: this.#clock.monotonicMs() + RING_GRACE_MS });
  }

  write(region: RingRegion, ring: Uint32Array): void {
    const { memory } = this.#chunks[region.chunk] as Chunk;
    memory.set(ring, region.offset);
  }

  /** True when the region already holds that. */
  holds(region: RingRegion, ring: Uint32Array): boolean {
    if (ringRoom(ring.length) !== region.size) return false;
    const { memory } = this.#chunks[region.chunk] as Chunk;
    return ring.every((word, index) => memory[region.offset + index] === word);
  }

  #addChunk(memory: Uint32Array): void {
    const { words } = this.#source;
    this.#chunks.push({ memory, free: [{ offset: 0, size: words }], largest: words });
  }

  #wakeRested(): void {
    const now = this.#clock.monotonicMs();
    const rested = this.#resting.findIndex(({ freeAtMs }) => freeAtMs > now);
    const count = rested < 0 ? this.#resting.length : rested;
    for (const { region } of this.#resting.splice(0, count)) {
      giveRun(this.#chunks[region.chunk] as Chunk, region.offset, region.size);
    }
  }

  #find(size: number): RingRegion {
    for (let index = 0; index < this.#chunks.length; index++) {
      const region = this.#takeFrom(index, size);
      if (region) return region;
    }
    const source = this.#source;
    if (size > source.words || this.#chunks.length >= source.max) throw exhausted(source, size);
    this.#addChunk(source.add(this.#chunks.length));
    return this.#takeFrom(this.#chunks.length - 1, size) as RingRegion;
  }

  #takeFrom(index: number, size: number): RingRegion | undefined {
    const chunk = this.#chunks[index] as Chunk;
    if (chunk.largest < size) return undefined;
    const offset = takeRun(chunk, size);
    return offset === undefined ? undefined : { chunk: index, offset, size };
  }
}

function exhausted(source: RingChunks, size: number): Error {
  const message =
    `No room for a ring of ${size} words: all ${source.max} ring chunks (TG_RING_CHUNKS_MAX) ` +
    'are in use; use fewer Services or fewer backends on this box';
  return Object.assign(new Error(message), { code: 'ENOSPC' });
}

/** Best fit: the smallest free run that is large enough, the first of those. */
function takeRun(chunk: Chunk, size: number): number | undefined {
  let best = -1;
  let largest = 0;
  for (const [index, run] of chunk.free.entries()) {
    largest = Math.max(largest, run.size);
    if (run.size >= size && (best < 0 || run.size < (chunk.free[best] as Run).size)) best = index;
  }
  chunk.largest = largest;
  if (best < 0) return undefined;
  const run = chunk.free[best] as Run;
  const { offset } = run;
  run.offset += size;
  run.size -= size;
  if (run.size === 0) chunk.free.splice(best, 1);
  return offset;
}

/** Takes exactly this run out of the free ones; false when part of it is not free. */
function carveRun(chunk: Chunk, offset: number, size: number): boolean {
  const index = chunk.free.findIndex(
    (run) => run.offset <= offset && offset + size <= run.offset + run.size,
  );
  const run = chunk.free[index];
  if (size === 0 || run === undefined) return false;
  const before = { offset: run.offset, size: offset - run.offset };
  const after = { offset: offset + size, size: run.offset + run.size - offset - size };
  chunk.free.splice(index, 1, ...[before, after].filter((part) => part.size > 0));
  return true;
}

/** Puts a run back and joins it with its neighbours. */
function giveRun(chunk: Chunk, offset: number, size: number): void {
  const next = lowerBound(chunk.free, offset);
  const before = chunk.free[next - 1];
  const after = chunk.free[next];
  const joined = { offset, size };
  let from = next;
  let replaced = 0;
  if (before && before.offset + before.size === offset) {
    joined.offset = before.offset;
    joined.size += before.size;
    from -= 1;
    replaced += 1;
  }
  if (after && offset + size === after.offset) {
    joined.size += after.size;
    replaced += 1;
  }
  chunk.free.splice(from, replaced, joined);
  chunk.largest = Math.max(chunk.largest, joined.size);
}

function lowerBound(runs: readonly Run[], offset: number): number {
  let low = 0;
  let high = runs.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((runs[middle] as Run).offset < offset) low = middle + 1;
    else high = middle;
  }
  return low;
}
