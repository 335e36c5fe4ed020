import test from 'ava';
import { KeyedMap } from '../../../src/domain/keyed-map.ts';
import { EMPTY_SNAPSHOT } from '../../../src/domain/snapshot.ts';
import { advertisementProblems } from '../../../src/plan/announcing/advertisement-problems.ts';
import { l2Advertisement, pool } from '../../support/objects.ts';

function problems(...ads: readonly Parameters<typeof l2Advertisement>[1][]): string[] {
  const gold = pool('main', ['192.0.2.0/24'], { labels: { tier: 'gold' } });
  return advertisementProblems({
    ...EMPTY_SNAPSHOT,
    pools: KeyedMap.from([[gold.key, gold]]),
    l2Advertisements: KeyedMap.from(ads.map((fields, i) => [`${i}`, l2Advertisement('x', fields)])),
  }).map(({ severity, field, message }) => `${severity} ${field}: ${message}`);
}

const tier = (value: string) => [{ key: 'tier', operator: 'In', values: [value] }] as const;

test('advertisementProblems() tells of pools that are not there', (t) => {
  t.deepEqual(problems({ pools: ['main', 'mian'] }), [
    'warning spec.ipAddressPools[1]: There is no pool "mian"',
  ]);
  t.deepEqual(problems({ poolSelectors: [tier('gold'), tier('tin')] }), [
    'warning spec.ipAddressPoolSelectors[1]: It selects no pool',
  ]);
});

test('advertisementProblems() has nothing to say of those that find their pools', (t) => {
  t.deepEqual(problems({}, { pools: ['main'] }, { poolSelectors: [[]] }), []);
});
