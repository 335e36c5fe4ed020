import { type Address, compareAddresses } from '../../domain/address.ts';
import type { KeyedMap } from '../../domain/keyed-map.ts';
import type { Labels } from '../../domain/object.ts';
import type { Pool } from '../../domain/pool.ts';
import { type AddressRange, rangeContains } from '../../domain/prefix.ts';
import { type LabelSelector, selectorMatches } from '../../domain/selector.ts';

/** What holds for addresses by the pool that they lie in. */
export interface ByPool<T> {
  /** `pool` is the pool by the Service's status, for want of a better. */
  for(address: Address, pool: string): T;
}

/** A range of a pool. The same holds for all its addresses. */
interface Slot<T> {
  readonly range: AddressRange;
  readonly value: T;
}

/**
 * The pool of an address is the one whose ranges hold it. One that lies in no pool that can be read goes
 * by the name of the pool that it was given from (`ofName`), so that a broken pool takes nothing down.
 */
export function byPool<T>(
  pools: KeyedMap<Pool>,
  ofPool: (pool: Pool) => (range: AddressRange) => T,
  ofName: (name: string) => T,
): ByPool<T> {
  const slots = [...pools.values()].flatMap((pool): Slot<T>[] => {
    const ofRange = ofPool(pool);
    return pool.ranges.map((range) => ({ range, value: ofRange(range) }));
  });
  slots.sort((a, b) => compareAddresses(a.range.first, b.range.first));
  const named = new Map<string, T>();
  return {
    for(address, pool) {
      const slot = slotOf(slots, address);
      if (slot) return slot.value;
      const value = named.get(pool) ?? ofName(pool);
      named.set(pool, value);
      return value;
    },
  };
}

/** O(log slots). Of pools that overlap, which the allocator refuses, it may find neither. */
function slotOf<T>(slots: readonly Slot<T>[], address: Address): Slot<T> | undefined {
  let low = 0;
  let high = slots.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((slots[middle] as Slot<T>).range.first <= address) low = middle + 1;
    else high = middle;
  }
  const slot = slots[low - 1];
  return slot && rangeContains(slot.range, address) ? slot : undefined;
}

/** Whether an advertisement is for a pool; `labels` are unknown of one that cannot be read. */
export function isForPool(
  ad: { readonly pools: readonly string[]; readonly poolSelectors: readonly LabelSelector[] },
  name: string,
  labels: Labels | undefined,
): boolean {
  const { pools, poolSelectors } = ad;
  if (pools.length === 0 && poolSelectors.length === 0) return true;
  if (pools.includes(name)) return true;
  return (
    labels !== undefined && poolSelectors.some((selector) => selectorMatches(selector, labels))
  );
}

/** True when one of them matches, and when there are none: nothing is restricted then. */
export function matchesAny(selectors: readonly LabelSelector[], labels: Labels): boolean {
  return selectors.length === 0 || selectors.some((selector) => selectorMatches(selector, labels));
}

/** Without `labels` for a box that everything chooses. */
export function choosesBox(
  nodeSelectors: readonly LabelSelector[],
  labels: Labels | undefined,
): boolean {
  return labels === undefined || matchesAny(nodeSelectors, labels);
}
