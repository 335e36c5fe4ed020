/**
 * Gives out the indices by which flows, rings and statistics name servers and backends.
 *
 * An index that nobody wants any more is `retired`: flows may still hold it, so it is given out
 * again only after a sweep of the flow table that began at least `INDEX_GRACE_MS` later (no packet
 * that saw the old state is still being worked on) and found no flow with it. Index 0 is never
 * given out.
 */
export interface IndexPool {
  /** How many may be in use at once, retired ones included. */
  readonly limit: number;
  /** In use, retired ones included. */
  readonly used: number;
  /** No index from here on was ever in use. */
  readonly end: number;
  /** Marks an index as in use, as an earlier process left it. */
  adopt(index: number): void;
  /** `undefined` when the limit is reached. */
  take(): number | undefined;
  retire(index: number, nowMs: number): void;
  /** A retired index is wanted again, for the same thing. */
  revive(index: number): void;
  /** The indices that are free from now on, given what a sweep that began at `startedMs` found. */
  sweep(startedMs: number, flowsByIndex: Uint32Array): readonly number[];
}

/** Longer than any packet is worked on, with a wide margin. */
export const INDEX_GRACE_MS = 1000;

export function createIndexPool(limit: number): IndexPool {
  const inUse = new Uint8Array(limit + 1);
  const retiredAtMs = new Map<number, number>();
  const free: number[] = [];
  let used = 0;
  /** Indices from here on were never in use. */
  let fresh = 1;

  function mark(index: number) {
    inUse[index] = 1;
    used += 1;
  }

  function release(index: number) {
    inUse[index] = 0;
    used -= 1;
    free.push(index);
  }

  return {
    limit,
    get used() {
      return used;
    },
    get end() {
      return fresh;
    },
    adopt(index) {
      if (index < 1 || index > limit) {
        throw new RangeError(`Index ${index} is outside 1..${limit}`);
      }
      if (inUse[index] === 1) return;
      for (; fresh < index; fresh++) free.push(fresh);
      if (index === fresh) fresh += 1;
      else free.splice(free.indexOf(index), 1);
      mark(index);
    },
    take() {
      const index = free.pop() ?? (fresh <= limit ? fresh++ : undefined);
      if (index !== undefined) mark(index);
      return index;
    },
    retire(index, nowMs) {
      retiredAtMs.set(index, nowMs);
    },
    revive(index) {
      retiredAtMs.delete(index);
    },
    sweep(startedMs, flowsByIndex) {
      const freed: number[] = [];
      for (const [index, retiredMs] of retiredAtMs) {
        if (retiredMs + INDEX_GRACE_MS > startedMs || flowsByIndex[index] !== 0) continue;
        retiredAtMs.delete(index);
        release(index);
        freed.push(index);
      }
      return freed;
    },
  };
}
