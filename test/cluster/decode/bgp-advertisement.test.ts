import test from 'ava';
import { decodeBgpAdvertisement } from '../../../src/cluster/decode/bgp-advertisement.ts';
import { parseAddress } from '../../../src/domain/address.ts';

function read(spec: object, annotations: object = {}) {
  const metadata = { name: 'all', namespace: 'metallb-system', annotations };
  return decodeBgpAdvertisement({ metadata, spec });
}

function complaints(spec: object, annotations: object = {}): string[] {
  const { value, problems } = read(spec, annotations);
  return value ? [] : problems.map(({ field, message }) => `${field}: ${message}`);
}

test('decodeBgpAdvertisement() takes one that restricts nothing', (t) => {
  const { value, problems } = read({});
  t.deepEqual(problems, []);
  t.like(value, {
    pools: [],
    poolSelectors: [],
    nodeSelectors: [],
    serviceSelectors: [],
    peers: [],
    aggregationLength: 32,
    aggregationLengthV6: 128,
    localPref: undefined,
    communities: [],
    extendedCommunities: [],
    med: undefined,
    prepend: 0,
    nextHops: [],
  });
});

test('decodeBgpAdvertisement() reads all that can be said', (t) => {
  const { value, problems } = read(
    {
      ipAddressPools: ['first'],
      ipAddressPoolSelectors: [{ matchLabels: { tier: 'gold' } }],
      nodeSelectors: [{ matchLabels: { rack: 'a' } }],
      peers: ['tor-1', 'tor-2'],
      aggregationLength: 24,
      aggregationLengthV6: 64,
      localPref: 4_294_967_295,
      communities: ['64500:1', 'large:64500:1:2', 'no-export', 'mine', 'a:b'],
    },
    {
      'tidegate.io/med': '0',
      'tidegate.io/as-path-prepend': '3',
      'tidegate.io/next-hop': '192.0.2.9, 2001:db8::9',
      'tidegate.io/extended-communities': 'rt:64500:1, soo:192.0.2.1:7,rt:64500:1',
    },
  );
  t.deepEqual(problems, []);
  t.like(value, {
    pools: ['first'],
    peers: ['tor-1', 'tor-2'],
    aggregationLength: 24,
    aggregationLengthV6: 64,
    localPref: 4_294_967_295,
    communities: ['64500:1', 'large:64500:1:2', 'no-export', 'mine', 'a:b'],
    extendedCommunities: [0x0002_fbf4_0000_0001n, 0x0103_c000_0201_0007n],
    med: 0,
    prepend: 3,
  });
  t.deepEqual(value?.nextHops, [parseAddress('192.0.2.9'), parseAddress('2001:db8::9')] as never);
});

test('decodeBgpAdvertisement() takes a LOCAL_PREF of 0 for none, as MetalLB does', (t) => {
  t.is(read({ localPref: 0 }).value?.localPref, undefined);
});

test('decodeBgpAdvertisement() refuses what MetalLB refuses', (t) => {
  const selector = { matchLabels: { a: 'b' } };
  for (const field of ['ipAddressPools', 'communities', 'peers'])
    t.regex(complaints({ [field]: ['a', 'a'] }).join(), /"a" stands here twice/, field);
  for (const field of ['ipAddressPoolSelectors', 'nodeSelectors', 'serviceSelectors'])
    t.regex(complaints({ [field]: [selector, selector] }).join(), /stands here twice/, field);
  for (const aggregationLength of [0, 33])
    t.regex(complaints({ aggregationLength }).join(), /not an integer from 1 to 32/);
  t.regex(complaints({ aggregationLengthV6: 129 }).join(), /not an integer from 1 to 128/);
  t.deepEqual(complaints({ serviceSelectors: [selector], aggregationLength: 24 }), [
    'spec.aggregationLength: serviceSelectors need single addresses',
  ]);
  t.deepEqual(complaints({ serviceSelectors: [selector], aggregationLengthV6: 128 }), []);
  for (const community of ['65536:1', '1:x', 'large:1:2:4294967296', '1:2:3:4', 'large:1::2'])
    t.regex(complaints({ communities: [community] }).join(), /is not a community/, community);
  t.is(complaints({ localPref: -1 }).length, 1);
});

test('decodeBgpAdvertisement() refuses annotations of ours that say nothing clear', (t) => {
  for (const [name, text] of [
    ['med', '4294967296'],
    ['as-path-prepend', '17'],
    ['next-hop', '192.0.2.1,192.0.2.2'],
    ['next-hop', 'router'],
    ['extended-communities', 'rt:64500'],
    ['extended-communities', Array.from({ length: 65 }, (_, at) => `rt:1:${at}`).join()],
  ])
    t.is(complaints({}, { [`tidegate.io/${name}`]: text }).length, 1, name);
});
