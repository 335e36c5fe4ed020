import { type Address, type Family, familyOf } from '../../domain/address.ts';
import type { KeyedMap } from '../../domain/keyed-map.ts';
import type { Namespace } from '../../domain/namespace.ts';
import type { Pool } from '../../domain/pool.ts';
import { type AddressRange, rangeContains } from '../../domain/prefix.ts';
import { selectorMatches } from '../../domain/selector.ts';
import type { Service } from '../../domain/service.ts';
import { type Lane, laneOf } from './lane.ts';

/** A pool in force with its lanes, in the order its ranges are written. */
export interface TablePool {
  readonly pool: Pool;
  readonly lanes: readonly Lane[];
}

/** The pools in force, arranged for look-up. */
export interface PoolTable {
  readonly byName: ReadonlyMap<string, TablePool>;
  /** With `serviceAllocation` and `autoAssign`: lowest priority first, 0 last, then by name. */
  readonly dedicated: readonly TablePool[];
  /** Without `serviceAllocation`, with `autoAssign`: by name. */
  readonly general: readonly TablePool[];
  /** Every range, ascending; they do not overlap. */
  readonly slots: readonly Slot[];
  /** True when the labels of namespaces decide anything. */
  readonly readsNamespaces: boolean;
}

/** One range and whose it is. */
export interface Slot {
  readonly range: AddressRange;
  readonly lane: Lane;
  readonly owner: TablePool;
}

export function poolTable(pools: Iterable<Pool>): PoolTable {
  const sorted = [...pools].sort((a, b) => (a.name < b.name ? -1 : 1));
  const entries = sorted.map((pool, index): TablePool => {
    const lane = (range: AddressRange, at: number) =>
      laneOf(`${index}.${at}`, range, pool.avoidBuggyIPs);
    return { pool, lanes: pool.ranges.map(lane) };
  });
  const slots = entries.flatMap((owner) =>
    owner.lanes.map((lane, at) => ({ range: owner.pool.ranges[at] as AddressRange, lane, owner })),
  );
  const given = entries.filter(({ pool }) => pool.autoAssign);
  const dedicated = given.filter(({ pool }) => pool.serviceAllocation !== undefined);
  return {
    byName: new Map(entries.map((entry) => [entry.pool.name, entry])),
    dedicated: dedicated.sort((a, b) => priorityOf(a.pool) - priorityOf(b.pool)),
    general: given.filter(({ pool }) => pool.serviceAllocation === undefined),
    slots: slots.sort((a, b) => (a.range.first < b.range.first ? -1 : 1)),
    readsNamespaces: sorted.some(
      ({ serviceAllocation }) => (serviceAllocation?.namespaceSelectors.length ?? 0) > 0,
    ),
  };
}

/** The range an address lies in, whether or not it may be given. O(log ranges). */
export function slotOf({ slots }: PoolTable, address: Address): Slot | undefined {
  let low = 0;
  let high = slots.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((slots[middle] as Slot).range.last < address) low = middle + 1;
    else high = middle;
  }
  const slot = slots[low];
  return slot && rangeContains(slot.range, address) ? slot : undefined;
}

export function hasFamily({ pool }: TablePool, family: Family): boolean {
  return pool.ranges.some(({ first }) => familyOf(first) === family);
}

/**
 * Whether a pool's `serviceAllocation` lets this Service have its addresses: its namespace is named
 * or selected (when any is), and one of the Service selectors matches (when there are any).
 */
export function admits(pool: Pool, service: Service, namespaces: KeyedMap<Namespace>): boolean {
  const rules = pool.serviceAllocation;
  if (!rules) return true;
  const { namespaces: names, namespaceSelectors, serviceSelectors } = rules;
  const restricted = names.length > 0 || namespaceSelectors.length > 0;
  if (restricted && !names.includes(service.namespace)) {
    const labels = {
      'kubernetes.io/metadata.name': service.namespace,
      ...namespaces.get(service.namespace)?.labels,
    };
    if (!namespaceSelectors.some((selector) => selectorMatches(selector, labels))) return false;
  }
  return (
    serviceSelectors.length === 0 ||
    serviceSelectors.some((selector) => selectorMatches(selector, service.labels))
  );
}

function priorityOf({ serviceAllocation }: Pool): number {
  return serviceAllocation?.priority || Number.MAX_SAFE_INTEGER;
}
