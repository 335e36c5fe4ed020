import test from 'ava';
import { decodePool } from '../../../src/cluster/decode/pool.ts';
import { formatRange } from '../../../src/domain/prefix.ts';

function pool(spec: unknown) {
  return { metadata: { name: 'main', namespace: 'metallb-system' }, spec };
}

test('decodePool() reads a pool', (t) => {
  const { value, problems } = decodePool(
    pool({
      addresses: ['192.0.2.7/28', ' 198.51.100.1 - 198.51.100.9 ', '2001:db8::/64'],
      autoAssign: false,
      avoidBuggyIPs: true,
      serviceAllocation: {
        priority: 10,
        namespaces: ['shop'],
        namespaceSelectors: [{ matchLabels: { team: 'a' } }],
        serviceSelectors: [
          { matchExpressions: [{ key: 'app', operator: 'In', values: ['b', 'a'] }] },
        ],
      },
    }),
  );
  t.deepEqual(problems, []);
  t.is(value?.key, 'metallb-system/main');
  t.deepEqual(value?.ranges.map(formatRange), [
    '192.0.2.0-192.0.2.15',
    '198.51.100.1-198.51.100.9',
    '2001:db8::-2001:db8::ffff:ffff:ffff:ffff',
  ]);
  t.deepEqual(value?.addressTexts, [
    '192.0.2.7/28',
    ' 198.51.100.1 - 198.51.100.9 ',
    '2001:db8::/64',
  ]);
  t.like(value, { autoAssign: false, avoidBuggyIPs: true });
  t.deepEqual(value?.serviceAllocation, {
    priority: 10,
    namespaces: ['shop'],
    namespaceSelectors: [[{ key: 'team', operator: 'In', values: ['a'] }]],
    serviceSelectors: [[{ key: 'app', operator: 'In', values: ['a', 'b'] }]],
  });
});

test('decodePool() tells an empty serviceAllocation from none', (t) => {
  const addresses = ['192.0.2.0/24'];
  t.is(decodePool(pool({ addresses })).value?.serviceAllocation, undefined);
  t.deepEqual(decodePool(pool({ addresses, serviceAllocation: {} })).value?.serviceAllocation, {
    priority: 0,
    namespaces: [],
    namespaceSelectors: [],
    serviceSelectors: [],
  });
  t.like(decodePool(pool({ addresses })).value, { autoAssign: true, avoidBuggyIPs: false });
});

test('decodePool() takes a /8 and a /64 at no cost', (t) => {
  t.truthy(decodePool(pool({ addresses: ['10.0.0.0/8', '2001:db8::/64'] })).value);
});

for (const [what, addresses, field, message] of [
  ['no addresses', undefined, 'spec.addresses', /no addresses/],
  ['an empty list', [], 'spec.addresses', /no addresses/],
  ['a bare address', ['192.0.2.1'], 'spec.addresses[0]', /bare address/],
  ['a bad prefix length', ['192.0.2.0/33'], 'spec.addresses[0]', /neither/],
  ['a range upside down', ['192.0.2.9-192.0.2.1'], 'spec.addresses[0]', /starts after its end/],
  ['a range of two families', ['192.0.2.9-2001:db8::'], 'spec.addresses[0]', /mixes/],
  ['leading zeros', ['192.0.2.01/32'], 'spec.addresses[0]', /neither/],
  ['no text', [7], 'spec.addresses[0]', /^7 is neither/],
  [
    'an overlap',
    ['192.0.2.0/24', '192.0.2.9-192.0.3.1'],
    'spec.addresses[1]',
    /overlaps "192.0.2.0\/24"/,
  ],
  [
    'an overlap with a later one',
    ['192.0.2.9/32', '10.0.0.0/8', '192.0.2.0/24'],
    'spec.addresses[2]',
    /overlaps "192.0.2.9\/32"/,
  ],
  [
    'an overlap across one between',
    ['192.0.2.0/24', '192.0.2.1/32', '192.0.2.9/32'],
    'spec.addresses[1]',
    /overlaps/,
  ],
] as const) {
  test(`decodePool() refuses ${what}`, (t) => {
    const { value, problems } = decodePool(pool({ addresses }));
    t.is(value, undefined);
    t.is(problems[0]?.field, field);
    t.regex(problems[0]?.message ?? '', message);
  });
}

test('decodePool() says how to write a bare address', (t) => {
  const { problems } = decodePool(pool({ addresses: ['192.0.2.1', '2001:db8::1'] }));
  t.deepEqual(
    problems.map(({ remedy }) => remedy),
    ['Write 192.0.2.1/32', 'Write 2001:db8::1/128'],
  );
});

for (const [what, serviceAllocation, field] of [
  ['a negative priority', { priority: -1 }, 'priority'],
  ['a namespace twice', { namespaces: ['a', 'b', 'a'] }, 'namespaces[2]'],
  [
    'a selector twice',
    { serviceSelectors: [{ matchLabels: { a: 'b' } }, { matchLabels: { a: 'b' } }] },
    'serviceSelectors[1]',
  ],
  ['a selector that is text', { namespaceSelectors: ['a'] }, 'namespaceSelectors[0]'],
] as const) {
  test(`decodePool() refuses ${what}`, (t) => {
    const { value, problems } = decodePool(
      pool({ addresses: ['192.0.2.0/24'], serviceAllocation }),
    );
    t.is(value, undefined);
    t.is(problems[0]?.field, `spec.serviceAllocation.${field}`);
  });
}
