import test from 'ava';
import fc from 'fast-check';
import { addressFromBigInt, compareAddresses, formatAddress } from '../../../src/domain/address.ts';
import type { Node } from '../../../src/domain/node.ts';
import { parsePrefix, rangeContains } from '../../../src/domain/prefix.ts';
import { firstWithin, wantedRoutes } from '../../../src/forwarder/pod-routes/wanted-routes.ts';
import { address, node } from '../../support/objects.ts';

const BOX = ['10.0.0.254', 'fd00::fe', '192.0.2.2'];

function worker(name: string, addresses: readonly string[], ...networks: readonly string[]): Node {
  return node(name, addresses, { podCIDRs: networks.flatMap((text) => parsePrefix(text) ?? []) });
}

function wanted(...nodes: readonly Node[]) {
  const { routes, problems } = wantedRoutes(nodes, BOX.map(address));
  const found = [...routes].map(([key, { gateway }]) => `${key} via ${formatAddress(gateway)}`);
  return { routes: found, problems };
}

test('wantedRoutes() routes each Pod network by the address of its family', (t) => {
  t.deepEqual(
    wanted(
      worker('n2', ['10.0.0.2'], '10.244.2.0/24'),
      worker('n1', ['10.0.0.1', 'fd00::1', '10.0.0.9'], '10.244.1.0/24', 'fd00:244:1::/64'),
      worker('n3', ['10.0.0.3']),
    ),
    {
      routes: [
        '10.244.1.0/24 via 10.0.0.1',
        'fd00:244:1::/64 via fd00::1',
        '10.244.2.0/24 via 10.0.0.2',
      ],
      problems: [],
    },
  );
});

test('wantedRoutes() routes nothing to the Node that this box is', (t) => {
  const self = worker('edge', ['10.0.0.254'], '10.244.9.0/24');
  t.deepEqual(wanted(self), { routes: [], problems: [] });
});

for (const [what, nodes, problem] of [
  [
    'has an address of this box in it',
    [worker('n1', ['10.0.0.1'], '192.0.2.0/24')],
    /192\.0\.2\.0\/24 of Node n1 is not routed: the address 192\.0\.2\.2 of this box is in it; give/,
  ],
  [
    'has the address of another Node in it',
    [worker('n1', ['10.0.0.1'], '10.9.0.0/16'), worker('n2', ['10.9.0.2'])],
    /the address 10\.9\.0\.2 of a Node is in it/,
  ],
  [
    'has no Node address of its family',
    [worker('n1', ['10.0.0.1'], 'fd00:244:1::/64')],
    /fd00:244:1::\/64 of Node n1 is not routed: the Node has no IPv6 InternalIP/,
  ],
] as const) {
  test(`wantedRoutes() leaves out a network that ${what}, and says so`, (t) => {
    const { routes, problems } = wanted(...nodes);
    t.deepEqual(routes, []);
    t.is(problems.length, 1);
    t.regex(problems[0] ?? '', problem);
  });
}

test('wantedRoutes() gives a network that two Nodes have to the first by name', (t) => {
  const { routes, problems } = wanted(
    worker('n2', ['10.0.0.2'], '10.244.1.0/24'),
    worker('n1', ['10.0.0.1'], '10.244.1.0/24'),
  );
  t.deepEqual(routes, ['10.244.1.0/24 via 10.0.0.1']);
  t.regex(problems.join(), /of Node n2 is not routed: Node n1 has the same one/);
});

test('firstWithin() finds what a search through all finds', (t) => {
  const small = fc.bigInt({ min: 0n, max: 40n }).map(addressFromBigInt);
  fc.assert(
    fc.property(fc.array(small), small, small, (addresses, a, b) => {
      const sorted = addresses.toSorted(compareAddresses);
      const [first = a, last = b] = [a, b].sort(compareAddresses);
      const found = sorted.find((each) => rangeContains({ first, last }, each));
      t.is(firstWithin(sorted, { first, last }), found);
    }),
  );
});
