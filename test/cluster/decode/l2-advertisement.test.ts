import test from 'ava';
import { decodeL2Advertisement } from '../../../src/cluster/decode/l2-advertisement.ts';

function advertisement(spec: unknown) {
  return { metadata: { name: 'lan', namespace: 'metallb-system' }, spec };
}

function complaints(spec: unknown): string[] {
  const { value, problems } = decodeL2Advertisement(advertisement(spec));
  return value ? [] : problems.map(({ field, message }) => `${field}: ${message}`);
}

test('decodeL2Advertisement() reads an advertisement', (t) => {
  const { value, problems } = decodeL2Advertisement(
    advertisement({
      ipAddressPools: ['first', 'second'],
      ipAddressPoolSelectors: [{ matchLabels: { tier: 'gold' } }],
      nodeSelectors: [{ matchExpressions: [{ key: 'rack', operator: 'Exists' }] }],
      interfaces: ['eth0', 'eth1'],
      serviceSelectors: [{ matchLabels: { app: 'web' } }],
      preferredNodeSelectors: [{ weight: 100, preference: { matchLabels: { rack: 'a' } } }],
    }),
  );
  t.deepEqual(problems, []);
  t.is(value?.key, 'metallb-system/lan');
  t.deepEqual(value?.pools, ['first', 'second']);
  t.deepEqual(value?.poolSelectors, [[{ key: 'tier', operator: 'In', values: ['gold'] }]]);
  t.deepEqual(value?.nodeSelectors, [[{ key: 'rack', operator: 'Exists', values: [] }]]);
  t.deepEqual(value?.interfaces, ['eth0', 'eth1']);
  t.deepEqual(value?.serviceSelectors, [[{ key: 'app', operator: 'In', values: ['web'] }]]);
  t.deepEqual(value?.preferredNodeSelectors, [
    { weight: 100, preference: [{ key: 'rack', operator: 'In', values: ['a'] }] },
  ]);
});

test('decodeL2Advertisement() takes one that restricts nothing', (t) => {
  for (const value of [advertisement({}), { metadata: { name: 'all' } }]) {
    const decoded = decodeL2Advertisement(value).value;
    t.like(decoded, { pools: [], poolSelectors: [], nodeSelectors: [], interfaces: [] });
    t.like(decoded, { serviceSelectors: [], preferredNodeSelectors: [] });
  }
});

test('decodeL2Advertisement() refuses what MetalLB refuses', (t) => {
  const selector = { matchLabels: { a: 'b' } };
  t.deepEqual(complaints({ ipAddressPools: ['a', 'b', 'a'] }), [
    'spec.ipAddressPools[2]: Pool "a" stands here twice',
  ]);
  for (const field of ['ipAddressPoolSelectors', 'nodeSelectors', 'serviceSelectors']) {
    t.deepEqual(complaints({ [field]: [selector, selector] }), [
      `spec.${field}[1]: The selector stands here twice`,
    ]);
    t.is(complaints({ [field]: [{ matchExpressions: [{ key: 'a', operator: 'Is' }] }] }).length, 1);
  }
});

test('decodeL2Advertisement() refuses a weight outside 1 to 100, and a preference without parts', (t) => {
  const preferred = (entry: unknown) => complaints({ preferredNodeSelectors: [entry] });
  for (const weight of [0, 101, 1.5, '10'])
    t.regex(preferred({ weight, preference: {} }).join(), /weight: .* is not an integer/);
  t.regex(preferred({ preference: {} }).join(), /weight: The preference has no weight/);
  t.regex(preferred({ weight: 1 }).join(), /preference: Nothing is not a label selector/);
  t.deepEqual(preferred({ weight: 1, preference: {} }), []);
});
