import type { KeyedMap } from '../../domain/keyed-map.ts';
import type { ObjectKey } from '../../domain/object.ts';
import type { Pool } from '../../domain/pool.ts';
import type { Problem } from '../../domain/problem.ts';
import { type LabelSelector, selectorMatches } from '../../domain/selector.ts';
import type { Snapshot } from '../../domain/snapshot.ts';

/**
 * What is wrong with L2Advertisements that one alone does not show. As in MetalLB they are in force all the
 * same: a pool may be about to come.
 */
export function advertisementProblems({ l2Advertisements, pools }: Snapshot): Problem[] {
  return [...l2Advertisements.values()]
    .sort((a, b) => (a.key < b.key ? -1 : 1))
    .flatMap((ad) => poolProblems('L2Advertisement', ad, pools));
}

interface Advertisement {
  readonly key: ObjectKey;
  readonly pools: readonly string[];
  readonly poolSelectors: readonly LabelSelector[];
}

/** Pools that an advertisement names or selects, and that are not there. */
export function poolProblems(kind: string, ad: Advertisement, pools: KeyedMap<Pool>): Problem[] {
  const names = new Set([...pools.values()].map(({ name }) => name));
  const problem = (field: string, message: string): Problem => ({
    severity: 'warning',
    object: { kind, key: ad.key },
    field,
    message,
    remedy: 'Create the pool, or name one that exists',
  });
  return [
    ...ad.pools.flatMap((name, index) =>
      names.has(name)
        ? []
        : [problem(`spec.ipAddressPools[${index}]`, `There is no pool "${name}"`)],
    ),
    ...ad.poolSelectors.flatMap((selector, index) =>
      [...pools.values()].some(({ labels }) => selectorMatches(selector, labels))
        ? []
        : [problem(`spec.ipAddressPoolSelectors[${index}]`, 'It selects no pool')],
    ),
  ];
}
