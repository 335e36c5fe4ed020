import { type Address, compareAddresses } from '../../domain/address.ts';
import type { KeyedMap } from '../../domain/keyed-map.ts';
import type { L2Advertisement } from '../../domain/l2-advertisement.ts';
import type { Labels, ObjectKey } from '../../domain/object.ts';
import type { Pool } from '../../domain/pool.ts';
import { type AddressRange, rangeContains } from '../../domain/prefix.ts';
import { type LabelSelector, selectorMatches } from '../../domain/selector.ts';
import type { Box, Boxes } from './boxes.ts';

/** An advertisement with what it says of the boxes that there are. */
export interface Rule {
  /** Of the advertisement; empty for the rule that holds where there is none. */
  readonly key: ObjectKey;
  /** `undefined`: all. */
  readonly interfaces: readonly string[] | undefined;
  readonly serviceSelectors: readonly LabelSelector[];
  /** Names of boxes that may announce by it, with the sum of their preferences. */
  readonly weights: ReadonlyMap<string, number>;
}

export interface Rules {
  /** Those that are for an address; `pool` is its pool by the Service's status, for want of a better. */
  rulesFor(address: Address, pool: string): readonly Rule[];
}

/** A range of a pool. All its addresses have the same rules. */
interface Slot {
  readonly range: AddressRange;
  readonly rules: readonly Rule[];
}

/**
 * Arranges the advertisements. Where the cluster has none at all, every address is announced by
 * everybody and everywhere: somebody who only wants addresses to work need not write one.
 *
 * The pool of an address is the one whose ranges hold it. One that lies in no pool that can be read
 * goes by the name of the pool that it was given from, so that a broken pool takes nothing down.
 */
export function rulesOf(
  advertisements: KeyedMap<L2Advertisement>,
  pools: KeyedMap<Pool>,
  boxes: Boxes,
): Rules {
  if (advertisements.size === 0) {
    const everywhere = [everywhereFor(boxes)];
    return { rulesFor: () => everywhere };
  }
  const sorted = [...advertisements.values()].sort((a, b) => (a.key < b.key ? -1 : 1));
  const made = sorted.map((ad) => ({ ad, rule: ruleOf(ad, boxes) }));
  const rulesWhere = (holds: (ad: L2Advertisement) => boolean) =>
    made.filter(({ ad }) => holds(ad)).map(({ rule }) => rule);
  const slots = [...pools.values()].flatMap((pool): Slot[] => {
    const rules = rulesWhere((ad) => isForPool(ad, pool.name, pool.labels));
    return pool.ranges.map((range) => ({ range, rules }));
  });
  slots.sort((a, b) => compareAddresses(a.range.first, b.range.first));
  const byName = new Map<string, readonly Rule[]>();
  const ofUnknownPool = (name: string) => {
    const rules = byName.get(name) ?? rulesWhere((ad) => isForPool(ad, name, undefined));
    byName.set(name, rules);
    return rules;
  };
  return {
    rulesFor(address, pool) {
      return slotOf(slots, address)?.rules ?? ofUnknownPool(pool);
    },
  };
}

/** O(log slots). Of pools that overlap, which the allocator refuses, it may find neither. */
function slotOf(slots: readonly Slot[], address: Address): Slot | undefined {
  let low = 0;
  let high = slots.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((slots[middle] as Slot).range.first <= address) low = middle + 1;
    else high = middle;
  }
  const slot = slots[low - 1];
  return slot && rangeContains(slot.range, address) ? slot : undefined;
}

function everywhereFor({ self, all }: Boxes): Rule {
  const weights = new Map([self, ...all].map(({ name }) => [name, 0]));
  return { key: '', interfaces: undefined, serviceSelectors: [], weights };
}

function ruleOf(ad: L2Advertisement, { self, all }: Boxes): Rule {
  const { nodeSelectors, interfaces, serviceSelectors } = ad;
  const allowed = [self, ...all].filter(({ labels }) => matchesAny(nodeSelectors, labels));
  return {
    key: ad.key,
    interfaces: interfaces.length > 0 ? interfaces : undefined,
    serviceSelectors,
    weights: new Map(allowed.map((box) => [box.name, preferenceFor(ad, box)])),
  };
}

function preferenceFor({ preferredNodeSelectors }: L2Advertisement, { labels }: Box): number {
  return preferredNodeSelectors
    .filter(({ preference }) => selectorMatches(preference, labels))
    .reduce((sum, { weight }) => sum + weight, 0);
}

function isForPool(ad: L2Advertisement, name: string, labels: Labels | undefined): boolean {
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
