import type { Address } from '../../domain/address.ts';
import type { KeyedMap } from '../../domain/keyed-map.ts';
import type { ObjectKey } from '../../domain/object.ts';
import type { Pool } from '../../domain/pool.ts';
import { type AddressRange, rangeContains, rangesOverlap } from '../../domain/prefix.ts';
import type { Problem } from '../../domain/problem.ts';

/** The versions of the pools that count now, and what is wrong with those that do not. */
export interface PoolsInForce {
  /** By object key. Their ranges do not overlap and their names are unique. */
  readonly pools: ReadonlyMap<ObjectKey, Pool>;
  /** Names of pools that exist and have no version in force. */
  readonly refused: ReadonlySet<string>;
  readonly problems: readonly Problem[];
}

/** Addresses that statuses record with each pool's name. */
export type RecordedPools = ReadonlyMap<string, readonly Address[]>;

interface Conflict {
  readonly loser: Pool;
  readonly winner: Pool;
}

/**
 * Chooses the versions in force. All are taken as written when they agree. Of two that overlap (or
 * have one name) the one whose addresses were in force, then the older, holds; the other keeps the
 * version it had in force, or is refused when it had none. When a process begins, `holders` (the
 * addresses recorded with each pool's name) tell which was in force: the one that contains its own.
 */
export function poolsInForce(
  before: PoolsInForce | undefined,
  wanted: KeyedMap<Pool>,
  holders: RecordedPools,
): PoolsInForce {
  const isKnown = (pool: Pool) => Number(before?.pools.has(pool.key) ?? false);
  const compare = (a: Pool, b: Pool) =>
    a.createdMs - b.createdMs || isKnown(b) - isKnown(a) || (a.key < b.key ? -1 : 1);
  const chosen = new Map([...wanted].sort(([, a], [, b]) => compare(a, b)));
  const standing = (pool: Pool) =>
    before
      ? Number(isWithin(pool, before.pools.get(pool.key)))
      : standingByHolders(pool, holders.get(pool.name) ?? []);
  const problems = new Map<ObjectKey, Problem>();
  for (;;) {
    const conflict = firstConflict([...chosen.values()], standing);
    if (!conflict) break;
    const { loser } = conflict;
    const lastGood = before?.pools.get(loser.key);
    if (lastGood) chosen.set(loser.key, lastGood);
    else chosen.delete(loser.key);
    problems.set(loser.key, problemOf(conflict, lastGood !== undefined));
  }
  const names = new Set([...chosen.values()].map(({ name }) => name));
  const refused = [...wanted.values()].filter(({ key }) => !chosen.has(key));
  return {
    pools: chosen,
    refused: new Set(refused.map(({ name }) => name).filter((name) => !names.has(name))),
    problems: [...problems.values()],
  };
}

/** The pair whose winner stands first: by standing, then by age, by which `pools` are sorted. */
function firstConflict(
  pools: readonly Pool[],
  standing: (pool: Pool) => number,
): Conflict | undefined {
  const suspects = suspectsOf(pools);
  const ordered = pools.filter((pool) => suspects.has(pool));
  ordered.sort((a, b) => standing(b) - standing(a));
  for (const [index, winner] of ordered.entries()) {
    const loser = ordered.slice(index + 1).find((pool) => exclude(winner, pool));
    if (loser) return { winner, loser };
  }
  return undefined;
}

/** Pools that conflict with some other; found by one sweep: many sound pools cost little. */
function suspectsOf(pools: readonly Pool[]): Set<Pool> {
  const suspects = new Set<Pool>();
  const byName = new Map<string, Pool>();
  for (const pool of pools) {
    const other = byName.get(pool.name);
    if (other) suspects.add(other).add(pool);
    else byName.set(pool.name, pool);
  }
  const ranges = pools.flatMap((pool) => pool.ranges.map((range) => ({ pool, range })));
  ranges.sort((a, b) => (a.range.first < b.range.first ? -1 : 1));
  let open = ranges[0];
  for (const next of ranges.slice(1)) {
    if (open && rangesOverlap(open.range, next.range)) suspects.add(open.pool).add(next.pool);
    if (!open || next.range.last > open.range.last) open = next;
  }
  return suspects;
}

/** True for a version that contains nothing new, such as one whose other fields were edited. */
function isWithin({ ranges }: Pool, inForce: Pool | undefined): boolean {
  const had = (range: AddressRange) =>
    inForce?.ranges.some((at) => at.first <= range.first && range.last <= at.last);
  return inForce !== undefined && ranges.every(had);
}

/** A pool with holders outside its ranges was edited, and this edit has not been in force. */
function standingByHolders({ ranges }: Pool, holders: readonly Address[]): number {
  if (holders.length === 0) return 0;
  const contained = (address: Address) => ranges.some((range) => rangeContains(range, address));
  return holders.every(contained) ? 1 : -1;
}

function exclude(a: Pool, b: Pool): boolean {
  return a.name === b.name || overlapOf(a, b) !== undefined;
}

/** Index of the range of `pool` that overlaps `other`. */
function overlapOf(pool: Pool, other: Pool): number | undefined {
  const overlaps = (range: AddressRange) => other.ranges.some((at) => rangesOverlap(range, at));
  const index = pool.ranges.findIndex(overlaps);
  return index < 0 ? undefined : index;
}

function problemOf({ loser, winner }: Conflict, keepsLastGood: boolean): Problem {
  const until = keepsLastGood
    ? 'until then the version before this edit stays in force'
    : 'until then no address is given from this pool';
  const object = { kind: 'IPAddressPool', key: loser.key };
  const index = overlapOf(loser, winner);
  const theirs = winner.addressTexts.map((text) => `"${text}"`).join(', ');
  if (index === undefined) {
    return {
      severity: 'error',
      object,
      field: 'metadata.name',
      message: `The name "${loser.name}" is also that of IPAddressPool "${winner.key}"`,
      remedy: `Rename or remove one of the two; ${until}`,
    };
  }
  return {
    severity: 'error',
    object,
    field: `spec.addresses[${index}]`,
    message: `"${loser.addressTexts[index]}" overlaps IPAddressPool "${winner.name}" (${theirs})`,
    remedy: `Take the common addresses out of one of the two pools; ${until}`,
  };
}
