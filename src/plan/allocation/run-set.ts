/**
 * An immutable set of numbers held as sorted runs: ten thousand addresses given lowest first are
 * one entry, and the next gap in a /8 or a v6 /64 is one binary search.
 */
export interface RunSet {
  /** First and last of each run, ascending: `[1n, 3n, 7n, 7n]` holds 1, 2, 3 and 7. */
  readonly runs: readonly bigint[];
  /** How many members. */
  readonly size: bigint;
}

export const EMPTY_RUNS: RunSet = { runs: [], size: 0n };

export function hasMember(set: RunSet, value: bigint): boolean {
  const first = set.runs[runAt(set, value)];
  return first !== undefined && first <= value;
}

/** The smallest member ≥ `from`. O(log runs). */
export function nextMember(set: RunSet, from: bigint): bigint | undefined {
  const first = set.runs[runAt(set, from)];
  return first === undefined || first > from ? first : from;
}

/** The smallest number ≥ `from` that is no member. O(log runs). */
export function nextGap(set: RunSet, from: bigint): bigint {
  const at = runAt(set, from);
  const first = set.runs[at];
  return first === undefined || first > from ? from : (set.runs[at + 1] as bigint) + 1n;
}

/** The set with `value`; itself when it is a member. */
export function withMember(set: RunSet, value: bigint): RunSet {
  const { runs, size } = set;
  const at = runAt(set, value);
  const first = runs[at];
  if (first !== undefined && first <= value) return set;
  const touchesLeft = at > 0 && runs[at - 1] === value - 1n;
  const touchesRight = first === value + 1n;
  const kept = touchesLeft ? at - 1 : at;
  const removed = Number(touchesLeft) + Number(touchesRight);
  const inserted = removed === 2 ? [] : removed === 0 ? [value, value] : [value];
  return { runs: runs.toSpliced(kept, removed, ...inserted), size: size + 1n };
}

/** The set without `value`; itself when it is no member. */
export function withoutMember(set: RunSet, value: bigint): RunSet {
  const { runs, size } = set;
  const at = runAt(set, value);
  const first = runs[at];
  if (first === undefined || first > value) return set;
  const last = runs[at + 1] as bigint;
  const left = first < value ? [first, value - 1n] : [];
  const right = value < last ? [value + 1n, last] : [];
  return { runs: runs.toSpliced(at, 2, ...left, ...right), size: size - 1n };
}

/** Index of the first bound of the first run that ends at or after `value`. */
function runAt({ runs }: RunSet, value: bigint): number {
  let low = 0;
  let high = runs.length / 2;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((runs[middle * 2 + 1] as bigint) < value) low = middle + 1;
    else high = middle;
  }
  return low * 2;
}
