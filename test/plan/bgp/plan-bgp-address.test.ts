import test from 'ava';
import type { BgpAdvertisement } from '../../../src/domain/bgp/bgp-advertisement.ts';
import type { RouteAttributes } from '../../../src/domain/bgp/bgp-route.ts';
import { KeyedMap } from '../../../src/domain/keyed-map.ts';
import type { ObjectMeta } from '../../../src/domain/object.ts';
import type { VipServing } from '../../../src/domain/observed.ts';
import type { LabelSelector } from '../../../src/domain/selector.ts';
import type { Service } from '../../../src/domain/service.ts';
import { EMPTY_SNAPSHOT, type Snapshot } from '../../../src/domain/snapshot.ts';
import { type BgpPlan, planBgp } from '../../../src/plan/bgp.ts';
import { bgpAdvertisement, bgpPeer, communityNames } from '../../support/bgp-objects.ts';
import {
  address,
  edgeNode,
  node,
  pool,
  service,
  status,
  vipServing,
} from '../../support/objects.ts';

const VIP = '192.0.2.1';
const V6 = '2001:db8::1';

const SETTINGS = {
  loadBalancer: { class: 'tidegate.io/tidegate', handleUnclassed: true },
  box: { name: 'edge-1', labels: { rack: 'a' } },
};

function byKey<T extends ObjectMeta>(...objects: readonly T[]): KeyedMap<T> {
  return KeyedMap.from(objects.map((object) => [object.key, object]));
}

function selects(key: string, value: string): LabelSelector {
  return [{ key, operator: 'In', values: [value] }];
}

interface World extends Partial<Omit<Snapshot, 'services'>> {
  readonly services?: readonly Service[];
  readonly held?: Readonly<Record<string, readonly string[]>>;
  readonly ads?: readonly BgpAdvertisement[];
  readonly serving?: Partial<VipServing>;
}

const PEERS = byKey(bgpPeer('r1', '192.0.2.254', { bothFamilies: true }));

/** What the box `edge-1` (labelled rack=a) plans; by default all is announced to the peer `r1`. */
function plan(world: World = {}, previous?: BgpPlan): BgpPlan {
  const { services = [service('web')], held, ads, serving, ...fields } = world;
  const statuses = Object.entries(held ?? { 'default/web': [VIP, V6] });
  const snapshot = {
    ...EMPTY_SNAPSHOT,
    revision: 1,
    pools: byKey(pool('main', ['192.0.2.0/24', '2001:db8::/64'])),
    bgpPeers: PEERS,
    bgpAdvertisements: byKey(...(ads ?? [bgpAdvertisement('all')])),
    ...fields,
    services: byKey(...services),
    statuses: KeyedMap.from(statuses.map(([key, vips]) => [key, status(vips, 'main')])),
  };
  const served = KeyedMap.from(
    statuses.flatMap(([key, vips]) =>
      vips.map((vip) => [vip, vipServing(vip, { service: key, ...serving })]),
    ),
  );
  return planBgp(previous, snapshot, served, SETTINGS, false);
}

const reason = (world: World, vip = VIP) => plan(world).vips.get(vip)?.reason;

/** Prefixes, with the names of the peers that get them. */
function routes(world: World): Record<string, string[]> {
  const entries = [...plan(world).routes].map(
    ([text, { byPeer }]) =>
      [text, [...byPeer.keys()].map((key) => key.replace('metallb-system/', ''))] as const,
  );
  return Object.fromEntries(entries.sort());
}

function attributes(world: World, prefix = `${VIP}/32`): RouteAttributes | undefined {
  return plan(world).routes.get(prefix)?.byPeer.get('metallb-system/r1');
}

test('an address is announced, each by itself, to all peers of the box', (t) => {
  t.deepEqual(routes({}), { [`${VIP}/32`]: ['r1'], [`${V6}/128`]: ['r1'] });
  t.deepEqual(plan().vips.get(VIP), {
    address: address(VIP),
    services: ['default/web'],
    announce: true,
    reason: '',
    prefixes: [`${VIP}/32`],
    advertisements: ['metallb-system/all'],
    peers: ['r1'],
  });
});

test('a session carries the family of its address, both when told or unnumbered', (t) => {
  const bgpPeers = byKey(
    bgpPeer('four', '192.0.2.254'),
    bgpPeer('six', '2001:db8::ff'),
    bgpPeer('link', VIP, { remote: { kind: 'interface', name: 'eth1' } }),
  );
  t.deepEqual(routes({ bgpPeers }), {
    [`${VIP}/32`]: ['four', 'link'],
    [`${V6}/128`]: ['link', 'six'],
  });
});

test('without an advertisement or a peer for it an address is not announced', (t) => {
  const main = (fields: Partial<BgpAdvertisement>) => ({ ads: [bgpAdvertisement('x', fields)] });
  t.is(reason({ ads: [] }), 'noMatchingAdvertisement');
  t.is(reason(main({ pools: ['other'] })), 'noMatchingAdvertisement');
  t.is(reason(main({ poolSelectors: [selects('tier', 'gold')] })), 'noMatchingAdvertisement');
  t.is(reason(main({ serviceSelectors: [selects('app', 'x')] })), 'noMatchingAdvertisement');
  t.is(reason(main({ nodeSelectors: [selects('rack', 'b')] })), 'notOwner');
  t.is(reason(main({ nodeSelectors: [selects('rack', 'a')] })), '');
  t.is(reason(main({ peers: ['r2'] })), 'noPeer');
  t.is(reason({ bgpPeers: KeyedMap.empty() }), 'noPeer');
  const elsewhere = bgpPeer('r1', '192.0.2.254', { nodeSelectors: [selects('rack', 'b')] });
  t.is(reason({ bgpPeers: byKey(elsewhere) }), 'noPeer');
  t.is(reason({ bgpPeers: byKey(bgpPeer('r1', '192.0.2.254')) }, V6), 'noPeer');
});

test('a peer that is refused for another gets no routes', (t) => {
  const bgpPeers = byKey(bgpPeer('r1', '192.0.2.254'), bgpPeer('r2', '192.0.2.254'));
  t.deepEqual(routes({ bgpPeers }), { [`${VIP}/32`]: ['r1'] });
  t.is(reason({ bgpPeers, ads: [bgpAdvertisement('x', { peers: ['r2'] })] }), 'noPeer');
});

test('what is against the box, the Service or the forwarder is said in the same words as for ARP', (t) => {
  const excluded = { 'node.kubernetes.io/exclude-from-external-load-balancers': '' };
  const edgeNodes = byKey(edgeNode('edge-1', { labels: excluded }));
  t.is(reason({ edgeNodes }), 'nodeLabeledExcludeBalancers');
  const nodes = byKey(node('edge-1', [], { networkUnavailable: true }));
  t.is(reason({ nodes }), 'nodeNetworkUnavailable');
  const draining = byKey(edgeNode('edge-1', { drain: true }));
  t.is(reason({ edgeNodes: draining, nodes }), 'nodeNetworkUnavailable');
  t.is(reason({ edgeNodes: draining }), '');
  t.is(reason({ serving: { servable: false, reason: 'noLocalEndpoints' } }), 'noLocalEndpoints');
  t.is(reason({ services: [service('web', { deleting: true })] }), 'serviceDeleted');
  t.is(reason({ held: { 'default/web': ['127.0.0.1'] } }, '127.0.0.1'), 'invalidIP');
  t.deepEqual(routes({ nodes }), {});
});

test('another box is another owner for ARP only', (t) => {
  const edgeNodes = byKey(edgeNode('edge-1'), edgeNode('edge-2'), edgeNode('edge-3'));
  for (const vip of ['192.0.2.1', '192.0.2.2', '192.0.2.3', '192.0.2.4'])
    t.is(reason({ edgeNodes, held: { 'default/web': [vip] } }, vip), '');
});

test('advertisements of different lengths give several prefixes, each to its peers', (t) => {
  const ads = [
    bgpAdvertisement('host', { peers: ['r1'] }),
    bgpAdvertisement('net', { aggregationLength: 24, aggregationLengthV6: 64 }),
  ];
  const bgpPeers = PEERS.with('metallb-system/r2', bgpPeer('r2', '192.0.2.253'));
  t.deepEqual(routes({ ads, bgpPeers }), {
    '192.0.2.0/24': ['r1', 'r2'],
    '192.0.2.1/32': ['r1'],
    '2001:db8::/64': ['r1'],
    '2001:db8::1/128': ['r1'],
  });
  const vip = plan({ ads, bgpPeers }).vips.get(VIP);
  t.deepEqual(vip?.prefixes, ['192.0.2.0/24', '192.0.2.1/32']);
  t.deepEqual(vip?.peers, ['r1', 'r2']);
});

test('communities of all advertisements for a route count, by number, name or alias', (t) => {
  const ads = [
    bgpAdvertisement('a', { communities: ['64500:2', 'gold', 'no-export', 'large:64500:1:2'] }),
    bgpAdvertisement('b', { communities: ['64500:1', '64500:2'], extendedCommunities: [9n, 3n] }),
  ];
  const communities = byKey(communityNames('names', { gold: 'large:64500:1:1' }));
  t.like(attributes({ ads, communities }), {
    communities: [0xfbf4_0001, 0xfbf4_0002, 0xffff_ff01],
    largeCommunities: [
      { global: 64500, local1: 1, local2: 1 },
      { global: 64500, local1: 1, local2: 2 },
    ],
    extendedCommunities: [3n, 9n],
  });
});

test('an advertisement whose community has no meaning is not in force', (t) => {
  const ads = [bgpAdvertisement('x', { communities: ['gold'] })];
  t.is(reason({ ads }), 'unknownCommunity');
  t.is(reason({ ads: [...ads, bgpAdvertisement('y')] }), '');
});

test('a community keeps its meaning while an advertisement uses it and its object is gone', (t) => {
  const ads = [bgpAdvertisement('x', { communities: ['gold'] })];
  const first = plan({ ads, communities: byKey(communityNames('names', { gold: '1:1' })) });
  const second = plan({ ads }, first);
  t.is(second.routes.get(`${VIP}/32`), first.routes.get(`${VIP}/32`));
  const third = plan({ ads: [bgpAdvertisement('x', { communities: ['1:3'] })] }, second);
  t.is(plan({ ads }, third).vips.get(VIP)?.reason, 'unknownCommunity');
});

test('MED, prepending and the next hop of a family are taken over', (t) => {
  const nextHops = [address('192.0.2.9'), address('2001:db8::9')];
  const ads = [bgpAdvertisement('x', { med: 5, prepend: 2, nextHops, localPref: 300 })];
  t.like(attributes({ ads }), { med: 5, prepend: 2, nextHop: nextHops[0], localPref: 300 });
  t.is(attributes({ ads }, `${V6}/128`)?.nextHop, nextHops[1]);
});

const LABELLED = service('web', { labels: { app: 'web' } });
const WEB = [selects('app', 'web')];

test('advertisements that contradict one another for a Service withhold it', (t) => {
  const ads = [
    bgpAdvertisement('x', { localPref: 100 }),
    bgpAdvertisement('y', { localPref: 200, serviceSelectors: WEB }),
  ];
  t.is(reason({ ads, services: [LABELLED] }), 'conflictingAdvertisements');
  t.is(reason({ ads }), '', 'a Service that only one of them is for');
  const unsaid = [bgpAdvertisement('x'), bgpAdvertisement('y', { ...ads[1] })];
  t.is(reason({ ads: unsaid, services: [LABELLED] }), 'conflictingAdvertisements');
  for (const [a, b] of [
    [{ peers: ['r1'] }, { peers: ['r2'] }],
    [{ aggregationLength: 24 }, {}],
    [{ nodeSelectors: [selects('rack', 'b')] }, {}],
  ])
    t.is(
      reason({
        ads: [
          bgpAdvertisement('x', { localPref: 100, ...a }),
          bgpAdvertisement('y', { localPref: 200, serviceSelectors: WEB, ...b }),
        ],
        services: [LABELLED],
      }),
      '',
    );
});

test('of two that contradict one another for a whole pool the older counts', (t) => {
  const older = bgpAdvertisement('y', { localPref: 100, createdMs: 1 });
  const newer = bgpAdvertisement('x', { localPref: 200, createdMs: 2 });
  t.is(attributes({ ads: [newer, older] })?.localPref, 100);
  const unknown = [bgpAdvertisement('y', { localPref: 100 }), bgpAdvertisement('x')];
  t.is(attributes({ ads: unknown })?.localPref, undefined, 'the first by name');
});

test('a prefix that reaches beyond the pool is not announced, others are', (t) => {
  const pools = byKey(
    pool('main', ['192.0.2.0/24']),
    pool('small', ['198.51.100.0-198.51.100.20']),
  );
  const held = { 'default/web': [VIP, '198.51.100.1'] };
  const wide = bgpAdvertisement('wide', { aggregationLength: 24 });
  t.is(reason({ pools, held, ads: [wide] }, '198.51.100.1'), 'aggregationTooShort');
  t.deepEqual(routes({ pools, held, ads: [wide] }), { '192.0.2.0/24': ['r1'] });
  const fits = bgpAdvertisement('fits', { aggregationLength: 28 });
  t.deepEqual(routes({ pools, held, ads: [fits] }), {
    '192.0.2.0/28': ['r1'],
    '198.51.100.0/28': ['r1'],
  });
});

test('Services that share an address are judged each by itself, also with serviceSelectors', (t) => {
  const held = { 'default/web': [VIP], 'default/other': [VIP] };
  const services = [
    service('web', { labels: { app: 'web' }, sharingKey: 'k' }),
    service('other', { sharingKey: 'k' }),
  ];
  const ads = [bgpAdvertisement('x', { serviceSelectors: WEB, communities: ['1:1'], med: 7 })];
  t.like(attributes({ held, services, ads }), { communities: [0x1_0001], med: 7 });
  const general = bgpAdvertisement('y', { med: 3, communities: ['1:2'] });
  t.is(
    reason({ held, services, ads: [...ads, general] }),
    '',
    'what contradicts for one Service does not for the other',
  );
  t.like(attributes({ held, services, ads: [...ads, general] }), {
    communities: [0x1_0002],
    med: 3,
  });
  const deleted = services.map((each) => ({ ...each, deleting: each.name === 'web' }));
  t.is(reason({ held, services: deleted, ads }), 'noMatchingAdvertisement');
});

test('an address whose pool cannot be read goes by the name of the pool it was given from', (t) => {
  const pools = KeyedMap.empty<never>();
  t.is(reason({ pools, ads: [bgpAdvertisement('x', { pools: ['main'] })] }), '');
  t.is(
    reason({ pools, ads: [bgpAdvertisement('x', { pools: ['y'] })] }),
    'noMatchingAdvertisement',
  );
});
