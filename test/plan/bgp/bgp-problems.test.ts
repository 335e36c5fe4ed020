import test from 'ava';
import { KeyedMap } from '../../../src/domain/keyed-map.ts';
import type { ObjectMeta } from '../../../src/domain/object.ts';
import { EMPTY_SNAPSHOT, type Snapshot } from '../../../src/domain/snapshot.ts';
import { bgpProblems, bgpProblemsOf } from '../../../src/plan/bgp/bgp-problems.ts';
import {
  bfdProfile,
  bgpAdvertisement,
  bgpPeer,
  communityNames,
  passwordSecret,
} from '../../support/bgp-objects.ts';
import { edgeNode, pool } from '../../support/objects.ts';

function byKey<T extends ObjectMeta>(...objects: readonly T[]): KeyedMap<T> {
  return KeyedMap.from(objects.map((object) => [object.key, object]));
}

function problems(fields: Partial<Snapshot>): string[] {
  return bgpProblems({ ...EMPTY_SNAPSHOT, revision: 1, ...fields }).map(
    ({ severity, object, field, message }) =>
      `${severity} ${object?.kind} ${object?.key} ${field}: ${message}`,
  );
}

test('bgpProblems() has nothing to say of what fits together', (t) => {
  const fields = {
    pools: byKey(pool('main', ['192.0.2.0/24', '2001:db8::/64'])),
    secrets: byKey(passwordSecret('tor', 'x')),
    bfdProfiles: byKey(bfdProfile('fast')),
    communities: byKey(communityNames('names', { gold: '1:1' })),
    bgpPeers: byKey(
      bgpPeer('a', '192.0.2.1', { bfdProfile: 'fast', password: { kind: 'secret', name: 'tor' } }),
      bgpPeer('b', '192.0.2.2'),
    ),
    bgpAdvertisements: byKey(
      bgpAdvertisement('x', { peers: ['a'], communities: ['gold'], localPref: 7 }),
      bgpAdvertisement('y', { peers: ['b'], aggregationLength: 24, pools: ['main'] }),
    ),
  };
  t.deepEqual(problems(fields), []);
  t.deepEqual(problems({}), []);
});

test('bgpProblems() tells what is named and not there', (t) => {
  const told = problems({
    secrets: byKey(passwordSecret('odd', 'x', { type: 'Opaque' })),
    bgpPeers: byKey(
      bgpPeer('a', '192.0.2.1', { bfdProfile: 'fast', password: { kind: 'secret', name: 'tor' } }),
      bgpPeer('b', '192.0.2.2', { bfdPasswordSecret: 'odd' }),
    ),
    bgpAdvertisements: byKey(
      bgpAdvertisement('x', { peers: ['a', 'c'], communities: ['1:1', 'gold'], pools: ['main'] }),
    ),
  });
  t.deepEqual(told, [
    'error BGPPeer metallb-system/a spec.bfdProfile: There is no BFDProfile "fast"; the session is without BFD',
    'error BGPPeer metallb-system/a spec.passwordSecret: There is no Secret "metallb-system/tor"',
    'error BGPPeer metallb-system/b metadata.annotations[tidegate.io/bfd-password]: Secret "metallb-system/odd" is of type "Opaque"',
    'warning BGPAdvertisement metallb-system/x spec.ipAddressPools[0]: There is no pool "main"',
    'warning BGPAdvertisement metallb-system/x spec.peers[1]: There is no BGPPeer "c"',
    'error BGPAdvertisement metallb-system/x spec.communities[1]: "gold" is no community, and no Community object gives it',
  ]);
});

test('bgpProblems() tells of a community that is given twice', (t) => {
  const older = communityNames('b', { gold: '1:1' }, { createdMs: 1 });
  const newer = communityNames('a', { gold: '1:1', tin: '1:2' }, { createdMs: 2 });
  t.deepEqual(problems({ communities: byKey(older, newer) }), [
    'error Community metallb-system/a spec.communities: "gold" is given by Community "metallb-system/b" already',
  ]);
});

test('bgpProblems() tells of peers that cannot be on one box, if there is such a box', (t) => {
  const rack = (value: string) => [[{ key: 'rack', operator: 'In' as const, values: [value] }]];
  const bgpPeers = byKey(
    bgpPeer('a', '192.0.2.1', { nodeSelectors: rack('a') }),
    bgpPeer('b', '192.0.2.1', { nodeSelectors: rack('b') }),
  );
  const twice = [
    'error BGPPeer metallb-system/b spec.peerAddress: BGPPeer "a" speaks to "192.0.2.1" already',
  ];
  t.deepEqual(problems({ bgpPeers }), twice, 'no box is known: it may come');
  const one = edgeNode('edge-1', { labels: { rack: 'a' } });
  const other = edgeNode('edge-2', { labels: { rack: 'b' } });
  t.deepEqual(problems({ bgpPeers, edgeNodes: byKey(one, other) }), []);
  const all = byKey(bgpPeer('a', '192.0.2.1'), bgpPeer('b', '192.0.2.1'));
  t.deepEqual(problems({ bgpPeers: all, edgeNodes: byKey(one, other) }), twice, 'told once');
});

test('bgpProblems() tells of advertisements that contradict one another or reach too far', (t) => {
  const pools = byKey(pool('main', ['192.0.2.0/25', '2001:db8::/64']));
  const told = (...ads: Parameters<typeof bgpAdvertisement>[1][]) =>
    problems({
      pools,
      bgpAdvertisements: byKey(...ads.map((fields, i) => bgpAdvertisement(`x${i}`, fields))),
    });
  const ad = 'error BGPAdvertisement metallb-system';
  t.deepEqual(told({ aggregationLength: 24 }), [
    `${ad}/x0 spec.aggregationLength: "24" reaches beyond 192.0.2.0-192.0.2.127, which it is for`,
  ]);
  t.deepEqual(told({ aggregationLengthV6: 63 }), [
    `${ad}/x0 spec.aggregationLengthV6: "63" reaches beyond 2001:db8::-2001:db8::ffff:ffff:ffff:ffff, which it is for`,
  ]);
  const said = 'BGPAdvertisement "x0" says otherwise of the same routes';
  t.deepEqual(told({ localPref: 1 }, { localPref: 2 }), [`${ad}/x1 spec.localPref: ${said}`]);
  t.deepEqual(told({ med: 1 }, { med: 2 }), [
    `${ad}/x1 metadata.annotations[tidegate.io/med]: ${said}`,
  ]);
  t.deepEqual(
    told({ localPref: 1, pools: ['main'] }, { localPref: 2, serviceSelectors: [[]] }),
    [],
  );
});

test('bgpProblemsOf() tells what concerns one box, by its labels', (t) => {
  const rack = (value: string) => [[{ key: 'rack', operator: 'In' as const, values: [value] }]];
  const bgpPeers = byKey(
    bgpPeer('a', '192.0.2.1', { nodeSelectors: rack('a'), bfdProfile: 'one' }),
    bgpPeer('b', '192.0.2.1', { nodeSelectors: rack('b'), bfdProfile: 'two' }),
  );
  const bgpAdvertisements = byKey(
    bgpAdvertisement('x', { nodeSelectors: rack('b'), communities: ['gold'] }),
  );
  const told = (labels: Readonly<Record<string, string>>, fields: Partial<Snapshot> = {}) =>
    bgpProblemsOf(
      { ...EMPTY_SNAPSHOT, revision: 1, bgpPeers, bgpAdvertisements, ...fields },
      { name: 'edge-1', labels },
    ).map(({ object, field }) => `${object?.key.split('/')[1]} ${field}`);
  t.deepEqual(told({ rack: 'a' }), ['a spec.bfdProfile']);
  t.deepEqual(told({ rack: 'b' }), ['b spec.bfdProfile', 'x spec.communities[0]']);
  t.deepEqual(told({}), []);
  const all = byKey(bgpPeer('a', '192.0.2.1'), bgpPeer('b', '192.0.2.1'));
  t.deepEqual(told({}, { bgpPeers: all }), ['b spec.peerAddress']);
});
