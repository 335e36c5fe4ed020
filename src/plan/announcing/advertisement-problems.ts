import type { L2Advertisement } from '../../domain/l2-advertisement.ts';
import type { Problem } from '../../domain/problem.ts';
import { selectorMatches } from '../../domain/selector.ts';
import type { Snapshot } from '../../domain/snapshot.ts';

/**
 * What is wrong with advertisements that one alone does not show. As in MetalLB they are in force all the
 * same: a pool may be about to come.
 */
export function advertisementProblems({ l2Advertisements, pools }: Snapshot): Problem[] {
  const names = new Set([...pools.values()].map(({ name }) => name));
  return [...l2Advertisements.values()]
    .sort((a, b) => (a.key < b.key ? -1 : 1))
    .flatMap((ad) => [
      ...ad.pools.flatMap((name, index) =>
        names.has(name) ? [] : [problem(ad, `spec.ipAddressPools[${index}]`, missing(name))],
      ),
      ...ad.poolSelectors.flatMap((selector, index) =>
        [...pools.values()].some(({ labels }) => selectorMatches(selector, labels))
          ? []
          : [problem(ad, `spec.ipAddressPoolSelectors[${index}]`, 'It selects no pool')],
      ),
    ]);
}

function missing(name: string): string {
  return `There is no pool "${name}"`;
}

function problem({ key }: L2Advertisement, field: string, message: string): Problem {
  return {
    severity: 'warning',
    object: { kind: 'L2Advertisement', key },
    field,
    message,
    remedy: 'Create the pool, or name one that exists',
  };
}
