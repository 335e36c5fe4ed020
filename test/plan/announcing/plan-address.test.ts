import test from 'ava';
import { formatAddress } from '../../../src/domain/address.ts';
import { KeyedMap } from '../../../src/domain/keyed-map.ts';
import type { ObjectMeta } from '../../../src/domain/object.ts';
import type { VipServing } from '../../../src/domain/observed.ts';
import type { LabelSelector } from '../../../src/domain/selector.ts';
import type { Service } from '../../../src/domain/service.ts';
import { EMPTY_SNAPSHOT, type Snapshot } from '../../../src/domain/snapshot.ts';
import { planAnnounce } from '../../../src/plan/announce.ts';
import type { PlannedAnnouncement } from '../../../src/plan/announcing/plan-address.ts';
import { bgpAdvertisement } from '../../support/bgp-objects.ts';
import {
  address,
  edgeNode,
  l2Advertisement,
  node,
  pool,
  service,
  status,
  vipServing,
} from '../../support/objects.ts';

const VIP = '192.0.2.1';

function byKey<T extends ObjectMeta>(...objects: readonly T[]): KeyedMap<T> {
  return KeyedMap.from(objects.map((object) => [object.key, object]));
}

function selects(key: string, value: string): LabelSelector {
  return [{ key, operator: 'In', values: [value] }];
}

function served(...vips: readonly string[]): KeyedMap<VipServing> {
  return KeyedMap.from(vips.map((vip) => [vip, vipServing(vip)]));
}

interface World extends Partial<Omit<Snapshot, 'services'>> {
  readonly services?: readonly Service[];
  readonly held?: Readonly<Record<string, readonly string[]>>;
}

/** What the box `edge-1` (labelled rack=a) plans for an address of the pool `main`. */
function plan(world: World, vip = VIP): PlannedAnnouncement | undefined {
  const { services = [service('web')], held, ...fields } = world;
  const statuses = Object.entries(held ?? { 'default/web': [VIP] });
  const snapshot = {
    ...EMPTY_SNAPSHOT,
    revision: 1,
    pools: byKey(pool('main', ['192.0.2.0/24', '2001:db8::/64'])),
    ...fields,
    services: byKey(...services),
    statuses: KeyedMap.from(statuses.map(([key, vips]) => [key, status(vips, 'main')])),
  };
  const serving = served(
    ...statuses.flatMap(([, vips]) => vips.map((v) => formatAddress(address(v)))),
  );
  return planAnnounce(undefined, snapshot, serving, {
    loadBalancer: { class: 'tidegate.io/tidegate', handleUnclassed: true },
    box: { name: 'edge-1', labels: { rack: 'a' } },
  }).vips.get(vip);
}

const reason = (world: World, vip?: string) => plan(world, vip)?.reason;

test('without any advertisement an address is announced on all interfaces', (t) => {
  t.like(plan({}), { announce: true, interfaces: undefined, advertisements: [], owner: '' });
});

test('who announces by BGP does not announce everything by ARP besides', (t) => {
  const bgpAdvertisements = byKey(bgpAdvertisement('all'));
  t.is(reason({ bgpAdvertisements }), 'noMatchingAdvertisement');
  const l2Advertisements = byKey(l2Advertisement('lan'));
  t.is(reason({ bgpAdvertisements, l2Advertisements }), '');
});

test('an advertisement counts for the pools that it names or selects, or for all', (t) => {
  const gold = pool('main', ['192.0.2.0/24'], { labels: { tier: 'gold' } });
  const cases = [
    [{}, ''],
    [{ pools: ['main'] }, ''],
    [{ pools: ['other'] }, 'noMatchingAdvertisement'],
    [{ poolSelectors: [selects('tier', 'gold')] }, ''],
    [{ poolSelectors: [selects('tier', 'tin')] }, 'noMatchingAdvertisement'],
    [{ pools: ['other'], poolSelectors: [selects('tier', 'gold')] }, ''],
  ] as const;
  for (const [fields, expected] of cases) {
    const l2Advertisements = byKey(l2Advertisement('lan', fields));
    t.is(reason({ pools: byKey(gold), l2Advertisements }), expected, JSON.stringify(fields));
  }
});

test('an address whose pool cannot be read goes by the name of the pool it was given from', (t) => {
  const named = byKey(l2Advertisement('lan', { pools: ['main'] }));
  t.is(reason({ pools: KeyedMap.empty(), l2Advertisements: named }), '');
  const selecting = byKey(l2Advertisement('lan', { poolSelectors: [[]] }));
  t.is(reason({ pools: KeyedMap.empty(), l2Advertisements: selecting }), 'noMatchingAdvertisement');
  // The ranges count before what the status says.
  const elsewhere = byKey(pool('new', ['192.0.2.0/24']), pool('main', ['198.51.100.0/24']));
  t.is(reason({ pools: elsewhere, l2Advertisements: named }), 'noMatchingAdvertisement');
});

test('nodeSelectors see the labels of the EdgeNode and of the Node of the same name', (t) => {
  const by = (key: string, value: string) =>
    byKey(l2Advertisement('lan', { nodeSelectors: [selects(key, value)] }));
  const edgeNodes = byKey(edgeNode('edge-1', { labels: { rack: 'b', both: 'edge' } }));
  const nodes = byKey(node('edge-1', [], { labels: { zone: 'z', both: 'node' } }));
  const world = { edgeNodes, nodes };
  t.is(reason({ ...world, l2Advertisements: by('rack', 'b') }), '');
  t.is(reason({ ...world, l2Advertisements: by('zone', 'z') }), '');
  t.is(reason({ ...world, l2Advertisements: by('both', 'edge') }), '');
  t.is(reason({ ...world, l2Advertisements: by('kubernetes.io/hostname', 'edge-1') }), '');
  t.is(reason({ ...world, l2Advertisements: by('rack', 'a') }), 'noMatchingAdvertisement');
  t.is(
    reason({ l2Advertisements: by('rack', 'a') }),
    '',
    'the settings, before there is an object',
  );
});

test('interfaces of all advertisements count together, and one that names none means all', (t) => {
  const first = l2Advertisement('first', { interfaces: ['eth1', 'eth0'] });
  const second = l2Advertisement('second', { interfaces: ['eth2', 'eth1'] });
  const planned = plan({ l2Advertisements: byKey(first, second) });
  t.deepEqual(planned?.interfaces, ['eth0', 'eth1', 'eth2']);
  t.deepEqual(planned?.advertisements, ['metallb-system/first', 'metallb-system/second']);
  const all = plan({ l2Advertisements: byKey(first, l2Advertisement('third')) });
  t.is(all?.interfaces, undefined);
});

test('serviceSelectors choose Services, and are refused for those that share an address', (t) => {
  const l2Advertisements = byKey(
    l2Advertisement('lan', { serviceSelectors: [selects('app', 'web')] }),
  );
  const web = service('web', { labels: { app: 'web' } });
  t.is(reason({ services: [web], l2Advertisements }), '');
  t.is(reason({ services: [service('web')], l2Advertisements }), 'noMatchingAdvertisement');
  const sharing = service('web', { labels: { app: 'web' }, sharingKey: 'k' });
  t.is(reason({ services: [sharing], l2Advertisements }), 'sharedIPWithServiceSelector');
  // Another holder of the same address is announced by an advertisement that selects nothing.
  const general = l2Advertisements.with('x', l2Advertisement('x', { serviceSelectors: [] }));
  const other = service('other', { sharingKey: 'k' });
  const held = { 'default/web': [VIP], 'default/other': [VIP] };
  t.is(reason({ services: [sharing, other], held, l2Advertisements: general }), '');
});

test('a Service that is being deleted is withdrawn at once, unless another holds the address', (t) => {
  const going = service('web', { deleting: true });
  t.is(reason({ services: [going] }), 'serviceDeleted');
  const held = { 'default/web': [VIP], 'default/other': [VIP] };
  t.is(reason({ services: [going, service('other')], held }), '');
});

test('of several boxes one announces, and all agree which', (t) => {
  const edgeNodes = byKey(...['edge-1', 'edge-2', 'edge-3'].map((name) => edgeNode(name)));
  const vips = Array.from({ length: 60 }, (_, i) => `192.0.2.${i + 1}`);
  const planned = vips.map((vip) => plan({ edgeNodes, held: { 'default/web': [vip] } }, vip));
  for (const each of planned) {
    t.is(each?.announce, each?.owner === 'edge-1');
    t.is(each?.reason, each?.announce ? '' : 'notOwner');
  }
  t.deepEqual(new Set(planned.map((each) => each?.owner)), new Set(['edge-1', 'edge-2', 'edge-3']));
});

test('both families of a Service are with one box: its first address chooses', (t) => {
  const edgeNodes = byKey(edgeNode('edge-1'), edgeNode('edge-2'));
  for (let i = 1; i < 40; i++) {
    const held = { 'default/web': [`192.0.2.${i}`, `2001:db8::${i}`] };
    const [v4, v6] = held['default/web'].map((vip) => plan({ edgeNodes, held }, vip)?.owner);
    t.truthy(v4);
    t.is(v4, v6);
  }
});

test('a box that is gone, not ready or draining owns nothing', (t) => {
  for (const state of [{ alive: false }, { ready: false }, { drain: true }, { deleting: true }]) {
    const edgeNodes = byKey(edgeNode('edge-1'), edgeNode('edge-2', state));
    t.like(plan({ edgeNodes }), { announce: true, owner: 'edge-1' });
  }
  const withheld = [{ address: VIP, service: 'default/web', reason: 'noEndpoints', message: '' }];
  const other = edgeNode('edge-2', { withheld });
  t.is(plan({ edgeNodes: byKey(edgeNode('edge-1'), other) })?.owner, 'edge-1');
});

test('this box withdraws when it drains or its Node may not serve, also as the only one', (t) => {
  const alone = byKey(edgeNode('edge-1'));
  t.is(reason({ edgeNodes: byKey(edgeNode('edge-1', { drain: true })) }), 'draining');
  const excluded = { 'node.kubernetes.io/exclude-from-external-load-balancers': '' };
  const labelled = byKey(edgeNode('edge-1', { labels: excluded }));
  t.is(reason({ edgeNodes: labelled }), 'nodeLabeledExcludeBalancers');
  const nodeExcluded = byKey(node('edge-1', [], { labels: excluded }));
  t.is(reason({ edgeNodes: alone, nodes: nodeExcluded }), 'nodeLabeledExcludeBalancers');
  const cutOff = byKey(node('edge-1', [], { networkUnavailable: true }));
  t.is(reason({ edgeNodes: alone, nodes: cutOff }), 'nodeNetworkUnavailable');
  t.is(reason({ edgeNodes: alone, nodes: byKey(node('edge-1', [], { ready: false })) }), '');
});

test('a box without EdgeNode leaves addresses to those that have one, if any is at work', (t) => {
  t.like(plan({ edgeNodes: byKey(edgeNode('edge-2')) }), { reason: 'notOwner', owner: 'edge-2' });
  const gone = byKey(edgeNode('edge-2', { alive: false }));
  t.like(plan({ edgeNodes: gone }), { announce: true, owner: '' });
});

test('a box whose own object says not ready announces when nobody else is at work', (t) => {
  const edgeNodes = byKey(
    edgeNode('edge-1', { ready: false }),
    edgeNode('edge-2', { ready: false }),
  );
  t.like(plan({ edgeNodes }), { announce: true, owner: '' });
});

test('an owner is chosen only among boxes that an advertisement lets announce', (t) => {
  const l2Advertisements = byKey(
    l2Advertisement('lan', { nodeSelectors: [selects('rack', 'a')] }),
    l2Advertisement('other', { pools: ['other'] }),
  );
  const edgeNodes = byKey(
    edgeNode('edge-1', { labels: { rack: 'b' } }),
    edgeNode('edge-2', { labels: { rack: 'a' } }),
  );
  t.like(plan({ edgeNodes, l2Advertisements }), {
    reason: 'noMatchingAdvertisement',
    owner: 'edge-2',
  });
});

test('preferredNodeSelectors choose the owner before the hash does', (t) => {
  const preferring = (name: string) =>
    byKey(
      l2Advertisement('lan', {
        preferredNodeSelectors: [
          { weight: 5, preference: selects('kubernetes.io/hostname', name) },
        ],
      }),
    );
  const edgeNodes = byKey(edgeNode('edge-1'), edgeNode('edge-2'));
  for (const name of ['edge-1', 'edge-2'])
    t.is(plan({ edgeNodes, l2Advertisements: preferring(name) })?.owner, name);
});
