import type { Address } from '../../domain/address.ts';
import type { KeyedMap } from '../../domain/keyed-map.ts';
import type { ObjectKey } from '../../domain/object.ts';
import type { Problem } from '../../domain/problem.ts';
import type { ServiceStatus } from '../../domain/service.ts';
import type { Snapshot } from '../../domain/snapshot.ts';
import { type PoolTable, poolTable } from './pool-table.ts';
import { type PoolsInForce, poolsInForce, type RecordedPools } from './pools-in-force.ts';

/** What a step allocates from, and for whose sake something is kept although it cannot be read. */
export interface World {
  readonly inForce: PoolsInForce;
  readonly table: PoolTable;
  /** Names of pools that are in the input and have no version that could be read. */
  readonly unreadable: ReadonlySet<string>;
  /** Those of them that could not be read when this process began. */
  readonly missing: ReadonlySet<string>;
  /**
   * Services with a status that are absent from the first snapshot, while something in the input
   * could not be read: they may be in there, so nobody else gets their addresses.
   */
  readonly hidden: ReadonlySet<ObjectKey>;
}

/** The world of a snapshot; the very same parts as before where nothing about them changed. */
export function worldOf(
  before: { readonly world: World; readonly snapshot: Snapshot } | undefined,
  snapshot: Snapshot,
): World {
  if (
    before?.snapshot.pools === snapshot.pools &&
    before.snapshot.problems === snapshot.problems &&
    before.world.hidden.size === 0
  ) {
    return before.world;
  }
  const recorded: RecordedPools = before ? new Map() : recordedPools(snapshot.statuses);
  const inForce =
    before?.snapshot.pools === snapshot.pools
      ? before.world.inForce
      : poolsInForce(before?.world.inForce, snapshot.pools, recorded);
  const old = before?.world;
  const table =
    old && sameValues(old.inForce.pools, inForce.pools)
      ? old.table
      : poolTable(inForce.pools.values());
  const missing = missingPools(old?.missing ?? recorded.keys(), snapshot, table);
  const unreadable = new Set([...inForce.refused, ...missing]);
  return {
    inForce,
    table,
    missing,
    unreadable: old && sameSet(old.unreadable, unreadable) ? old.unreadable : unreadable,
    hidden: hiddenServices(old?.hidden ?? snapshot.statuses.keys(), snapshot),
  };
}

/** Read once, when a process begins: in what follows it knows what was in force. */
function recordedPools(statuses: KeyedMap<ServiceStatus>): RecordedPools {
  const recorded = new Map<string, Address[]>();
  for (const { pool, addresses } of statuses.values()) {
    if (pool === '') continue;
    const list = recorded.get(pool);
    if (list) list.push(...addresses);
    else recorded.set(pool, [...addresses]);
  }
  return recorded;
}

function missingPools(
  names: Iterable<string>,
  { problems }: Snapshot,
  table: PoolTable,
): ReadonlySet<string> {
  const mayHide = hider(problems, 'IPAddressPool', (key) => key.slice(key.lastIndexOf('/') + 1));
  return new Set([...names].filter((name) => !table.byName.has(name) && mayHide(name)));
}

function hiddenServices(keys: Iterable<ObjectKey>, snapshot: Snapshot): ReadonlySet<ObjectKey> {
  const mayHide = hider(snapshot.problems, 'Service', (key) => key);
  const hidden = new Set<ObjectKey>();
  for (const key of keys) {
    if (snapshot.services.has(key) || !mayHide(key)) continue;
    if ((snapshot.statuses.get(key)?.addresses.length ?? 0) > 0) hidden.add(key);
  }
  return hidden;
}

/** Tells whether an error in the input is, or (naming no object) may be, about an object. */
function hider(
  problems: readonly Problem[],
  kind: string,
  nameOf: (key: ObjectKey) => string,
): (name: string) => boolean {
  const errors = problems.filter(({ severity }) => severity === 'error');
  if (errors.some(({ object }) => object === undefined)) return () => true;
  const names = new Set<string>();
  for (const { object } of errors) if (object?.kind === kind) names.add(nameOf(object.key));
  return (name) => names.has(name);
}

function sameSet(a: ReadonlySet<string>, b: ReadonlySet<string>): boolean {
  return a.size === b.size && a.isSubsetOf(b);
}

function sameValues<V>(a: ReadonlyMap<string, V>, b: ReadonlyMap<string, V>): boolean {
  return a.size === b.size && [...a].every(([key, value]) => b.get(key) === value);
}
