import type { Address } from '../../domain/address.ts';
import type { L2Advertisement } from '../../domain/l2-advertisement.ts';
import type { ObjectKey } from '../../domain/object.ts';
import { type LabelSelector, selectorMatches } from '../../domain/selector.ts';
import type { Snapshot } from '../../domain/snapshot.ts';
import type { Box, Boxes } from './boxes.ts';
import { byPool, isForPool, matchesAny } from './by-pool.ts';

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

/**
 * Arranges the advertisements. Where the cluster has none at all, neither for this way nor for BGP, every
 * address is announced by everybody and everywhere: somebody who only wants addresses to work need not
 * write one.
 */
export function rulesOf(snapshot: Snapshot, boxes: Boxes): Rules {
  if (announcesEverything(snapshot)) {
    const everywhere = [everywhereFor(boxes)];
    return { rulesFor: () => everywhere };
  }
  const sorted = [...snapshot.l2Advertisements.values()].sort((a, b) => (a.key < b.key ? -1 : 1));
  const made = sorted.map((ad) => ({ ad, rule: ruleOf(ad, boxes) }));
  const rulesWhere = (holds: (ad: L2Advertisement) => boolean) =>
    made.filter(({ ad }) => holds(ad)).map(({ rule }) => rule);
  const rules = byPool<readonly Rule[]>(
    snapshot.pools,
    ({ name, labels }) => {
      const ofPool = rulesWhere((ad) => isForPool(ad, name, labels));
      return () => ofPool;
    },
    (name) => rulesWhere((ad) => isForPool(ad, name, undefined)),
  );
  return { rulesFor: (address, pool) => rules.for(address, pool) };
}

export function announcesEverything({ l2Advertisements, bgpAdvertisements }: Snapshot): boolean {
  return l2Advertisements.size === 0 && bgpAdvertisements.size === 0;
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
