import test from 'ava';
import { decodeEndpoints } from '../../../src/cluster/decode/endpoints.ts';
import { formatAddress } from '../../../src/domain/address.ts';

test('decodeEndpoints() makes a slice of each family of each subset', (t) => {
  const { value, problems } = decodeEndpoints({
    metadata: { name: 'web' },
    subsets: [
      {
        addresses: [{ ip: '10.0.0.1', nodeName: 'n' }, { ip: 'fd00::1' }],
        notReadyAddresses: [{ ip: '10.0.0.2', targetRef: { kind: 'Pod', name: 'p' } }],
        ports: [{ port: 80 }],
      },
      { addresses: [{ ip: '10.0.0.3' }], ports: [{ port: 81 }] },
    ],
  });
  t.deepEqual(problems, []);
  t.is(value?.service, 'default/web');
  t.deepEqual(
    value?.slices.map(({ key, family, ports, endpoints }) => [
      key,
      family,
      ports[0]?.port,
      endpoints.map(({ address, ready, serving }) => [formatAddress(address), ready, serving]),
    ]),
    [
      [
        'default/web#0-ipv4',
        4,
        80,
        [
          ['10.0.0.1', true, true],
          ['10.0.0.2', false, false],
        ],
      ],
      ['default/web#0-ipv6', 6, 80, [['fd00::1', true, true]]],
      ['default/web#1-ipv4', 4, 81, [['10.0.0.3', true, true]]],
    ],
  );
  t.is(value?.slices[0]?.endpoints[1]?.pod, 'default/p');
});

for (const [what, subsets, field] of [
  ['a bad address', [{ addresses: [{ ip: 'x' }] }], 'subsets[0].addresses[0].ip'],
  ['no address', [{ notReadyAddresses: [{}] }], 'subsets[0].notReadyAddresses[0].ip'],
  ['a bad port', [{ ports: [{ port: 'x' }] }], 'subsets[0].ports[0].port'],
  ['subsets that are no list', {}, 'subsets'],
] as const) {
  test(`decodeEndpoints() refuses ${what}`, (t) => {
    const { value, problems } = decodeEndpoints({ metadata: { name: 'web' }, subsets });
    t.is(value, undefined);
    t.is(problems[0]?.field, field);
  });
}
