import test from 'ava';
import fc from 'fast-check';
import { addressFromBigInt, formatAddress } from '../../src/domain/address.ts';
import { GRACEFUL_SHUTDOWN } from '../../src/domain/bgp/bgp-community.ts';
import type { BgpRoute } from '../../src/domain/bgp/bgp-route.ts';
import { KeyedMap } from '../../src/domain/keyed-map.ts';
import type { ObjectMeta } from '../../src/domain/object.ts';
import type { VipServing } from '../../src/domain/observed.ts';
import { EMPTY_SNAPSHOT, type Snapshot } from '../../src/domain/snapshot.ts';
import type { PlannedPeer } from '../../src/plan/bgp/planned-peer.ts';
import { type BgpPlan, planBgp } from '../../src/plan/bgp.ts';
import {
  bfdProfile,
  bgpAdvertisement,
  bgpPeer,
  communityNames,
  passwordSecret,
} from '../support/bgp-objects.ts';
import { address, edgeNode, node, pool, service, status, vipServing } from '../support/objects.ts';

const OURS = {
  loadBalancer: { class: 'tidegate.io/tidegate', handleUnclassed: true },
  box: { name: 'edge-1', labels: {} },
};

function serving(vip: string, servable = true): VipServing {
  return vipServing(vip, { servable, reason: servable ? '' : 'noEndpoints' });
}

function report(vips: readonly string[]): KeyedMap<VipServing> {
  return KeyedMap.from(vips.map((vip) => [vip, serving(vip)]));
}

function byKey<T extends ObjectMeta>(...objects: readonly T[]): KeyedMap<T> {
  return KeyedMap.from(objects.map((object) => [object.key, object]));
}

const BASE = address('2001:db8::');

/** Addresses from 2001:db8::1 on, each of a Service of its own, all announced to all peers. */
function cluster(services: number, peers: number): { snapshot: Snapshot; texts: string[] } {
  const texts = Array.from({ length: services }, (_, i) =>
    formatAddress(addressFromBigInt(BASE + BigInt(i + 1))),
  );
  const routers = Array.from({ length: peers }, (_, i) => bgpPeer(`r${i}`, `2001:db8:1::${i + 1}`));
  const snapshot = {
    ...EMPTY_SNAPSHOT,
    revision: 1,
    services: byKey(...texts.map((text) => service(text))),
    statuses: KeyedMap.from(texts.map((text) => [`default/${text}`, status([text], 'main')])),
    pools: byKey(pool('main', ['2001:db8::/64'])),
    bgpPeers: byKey(...routers),
    bgpAdvertisements: byKey(bgpAdvertisement('all')),
  };
  return { snapshot, texts };
}

function plan(
  previous: BgpPlan | undefined,
  snapshot: Snapshot,
  served: KeyedMap<VipServing>,
  stopping = false,
): BgpPlan {
  return planBgp(previous, snapshot, served, OURS, stopping);
}

test('planBgp() plans one address anew when one changed, of 10,000 to 8 peers', (t) => {
  const { snapshot, texts } = cluster(10_000, 8);
  const first = plan(undefined, snapshot, report(texts));
  t.is(first.planned, 10_000);
  t.is(first.routes.size, 10_000);
  const maps = new Set([...first.routes.values()].map(({ byPeer }) => byPeer));
  t.is(maps.size, 1, 'what is said to whom is one object');
  const [vip = ''] = texts;
  const second = plan(first, snapshot, first.basis.serving.with(vip, serving(vip, false)));
  t.is(second.planned, 1);
  t.deepEqual(second.routes.changedKeys(first.routes), [`${vip}/128`]);
  const later = { ...snapshot, revision: 2 };
  const third = plan(second, later, second.basis.serving);
  t.is(third.planned, 0);
  t.is(third.routes, second.routes);
  t.is(third.vips, second.vips);
});

test('planBgp() keeps every route as it is when only a session changes', (t) => {
  const { snapshot, texts } = cluster(20, 3);
  const first = plan(undefined, snapshot, report(texts));
  const slower = bgpPeer('r1', '2001:db8:1::2', { holdTimeMs: 9000 });
  const second = plan(
    first,
    { ...snapshot, bgpPeers: snapshot.bgpPeers.with(slower.key, slower) },
    first.basis.serving,
  );
  t.is(second.planned, 0);
  t.deepEqual(second.peers.changedKeys(first.peers), [slower.key]);
  t.is(second.routes, first.routes);
  t.is(second.vips, first.vips);
});

test('planBgp() announces a prefix while any address under it is announced', (t) => {
  const { snapshot, texts } = cluster(300, 1);
  const aggregated = {
    ...snapshot,
    bgpAdvertisements: byKey(bgpAdvertisement('all', { aggregationLengthV6: 64 })),
  };
  const first = plan(undefined, aggregated, report(texts));
  t.deepEqual([...first.routes.keys()], ['2001:db8::/64']);
  t.deepEqual(first.vips.get('2001:db8::1')?.prefixes, ['2001:db8::/64']);
  const [last = '', ...others] = texts;
  const down = others.map((vip) => [vip, serving(vip, false)] as const);
  const second = plan(first, aggregated, first.basis.serving.withAll(down));
  t.is(second.routes, first.routes);
  const third = plan(second, aggregated, second.basis.serving.with(last, serving(last, false)));
  t.is(third.routes.size, 0);
  const fourth = plan(third, aggregated, first.basis.serving);
  t.deepEqual(new Map(fourth.routes), new Map(first.routes));
});

test('planBgp() knows no peer before the cluster was read', (t) => {
  const before = plan(undefined, EMPTY_SNAPSHOT, report(['2001:db8::1']));
  t.is(before.peers.size + before.routes.size + before.vips.size, 0);
  const { snapshot, texts } = cluster(2, 1);
  const read = plan(before, snapshot, report(texts));
  t.is(read.routes.size, 2);
});

test('planBgp() says GRACEFUL_SHUTDOWN and LOCAL_PREF 0 when the box leaves', (t) => {
  const { snapshot, texts } = cluster(2, 1);
  const advertised = {
    ...snapshot,
    bgpAdvertisements: byKey(bgpAdvertisement('all', { communities: ['1:2'], localPref: 200 })),
  };
  const first = plan(undefined, advertised, report(texts));
  t.false(first.leaving);
  const stopping = plan(first, advertised, first.basis.serving, true);
  const drain = byKey(edgeNode('edge-1', { drain: true }));
  const draining = plan(first, { ...advertised, edgeNodes: drain }, first.basis.serving);
  for (const leaving of [stopping, draining]) {
    t.true(leaving.leaving);
    const [attributes] = leaving.routes.get('2001:db8::1/128')?.byPeer.values() ?? [];
    t.deepEqual(attributes?.communities, [0x1_0002, GRACEFUL_SHUTDOWN]);
    t.is(attributes?.localPref, 0);
    t.true(leaving.vips.get('2001:db8::1')?.announce);
  }
  const back = plan(draining, { ...advertised, revision: 3 }, first.basis.serving);
  t.deepEqual(new Map(back.routes), new Map(first.routes));
});

const VIPS = ['192.0.2.1', '192.0.2.2', '198.51.100.1', '2001:db8::1'];
const A = [{ key: 'a', operator: 'Exists', values: [] }] as const;
const selectors = fc.constantFrom([], [], [A]);

const advertisements = fc.record({
  pools: fc.constantFrom([], [], ['main'], ['other']),
  nodeSelectors: selectors,
  serviceSelectors: selectors,
  peers: fc.subarray(['r1', 'r2']),
  aggregationLength: fc.constantFrom(32, 24),
  aggregationLengthV6: fc.constantFrom(128, 64),
  localPref: fc.constantFrom(undefined, undefined, 50, 200),
  communities: fc.constantFrom(
    [],
    [],
    ['no-export', '64500:1'],
    ['large:1:2:3', 'gold'],
    ['ghost'],
  ),
  med: fc.constantFrom(undefined, 10),
  prepend: fc.constantFrom(0, 2),
});

const peers = fc.record({
  at: fc.constantFrom('192.0.2.254', '2001:db8:1::1'),
  nodeSelectors: selectors,
  bothFamilies: fc.boolean(),
  bfdProfile: fc.constantFrom(undefined, 'fast'),
  secret: fc.boolean(),
});

/** An object that appears, changes or goes. */
function change<T>(names: readonly string[], fields: fc.Arbitrary<T>) {
  return fc.option(
    fc.record({ name: fc.constantFrom(...names), fields: fc.option(fields, { nil: undefined }) }),
    { nil: undefined },
  );
}

const step = fc.record({
  service: fc.constantFrom('a', 'b', 'c'),
  type: fc.constantFrom('LoadBalancer', 'LoadBalancer', 'LoadBalancer', 'ClusterIP', undefined),
  labels: fc.constantFrom({}, { a: '1' }),
  deleting: fc.constantFrom(false, false, false, true),
  held: fc.shuffledSubarray(VIPS),
  report: fc.constantFrom(...VIPS),
  servable: fc.constantFrom(true, true, true, false, undefined),
  box: change(
    ['edge-1'],
    fc.record({ labels: fc.constantFrom({}, { a: '1' }), drain: fc.boolean() }),
  ),
  networkUnavailable: fc.constantFrom(undefined, false, false, true),
  ad: change(['x', 'y'], advertisements),
  peer: change(['r1', 'r2'], peers),
  pool: change(['main', 'other'], fc.subarray(['192.0.2.0/24', '::/0'], { minLength: 1 })),
  gold: fc.constantFrom(undefined, '64500:7', '64500:8'),
  secret: fc.constantFrom(undefined, 'a', 'b'),
  profile: fc.boolean(),
  stopping: fc.boolean(),
});

type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

function peerOf(name: string, fields: NonNullable<NonNullable<Step['peer']>['fields']>) {
  const { at, secret, ...rest } = fields;
  const password = secret ? ({ kind: 'secret', name: 'tor' } as const) : { kind: 'none' as const };
  return bgpPeer(name, at, { ...rest, password });
}

function put<T extends ObjectMeta, F>(
  map: KeyedMap<T>,
  to: { readonly name: string; readonly fields: F | undefined } | undefined,
  make: (name: string, fields: F) => T,
  prefix = 'metallb-system/',
): KeyedMap<T> {
  if (!to) return map;
  const object = to.fields === undefined ? undefined : make(to.name, to.fields);
  return map.withAll([[`${prefix}${to.name}`, object]]);
}

/**
 * The community `gold` and the profile `fast` keep their meaning when they are gone, which planning from
 * nothing cannot know.
 */
function next(snapshot: Snapshot, change: Step): Snapshot {
  const key = `default/${change.service}`;
  const { labels, deleting, type } = change;
  const down = change.networkUnavailable;
  const gold = change.gold && communityNames('names', { gold: change.gold });
  const fast = change.profile ? bfdProfile('fast') : undefined;
  const secret = change.secret ? passwordSecret('tor', change.secret) : undefined;
  return {
    ...snapshot,
    revision: snapshot.revision + 1,
    services: snapshot.services.withAll([
      [key, type && service(change.service, { type, labels, deleting })],
    ]),
    statuses: snapshot.statuses.withAll([
      [key, change.held.length ? status(change.held) : undefined],
    ]),
    edgeNodes: put(snapshot.edgeNodes, change.box, edgeNode, ''),
    nodes:
      down === undefined
        ? snapshot.nodes
        : snapshot.nodes.with('edge-1', node('edge-1', [], { networkUnavailable: down })),
    bgpAdvertisements: put(snapshot.bgpAdvertisements, change.ad, bgpAdvertisement),
    bgpPeers: put(snapshot.bgpPeers, change.peer, peerOf),
    pools: put(snapshot.pools, change.pool, pool),
    communities: gold ? snapshot.communities.with(gold.key, gold) : snapshot.communities,
    secrets: snapshot.secrets.withAll([['metallb-system/tor', secret]]),
    bfdProfiles: fast ? snapshot.bfdProfiles.with(fast.key, fast) : snapshot.bfdProfiles,
  };
}

/** Everything is announced; what comes then mostly takes away. */
const SOUND: Snapshot = {
  ...EMPTY_SNAPSHOT,
  services: byKey(service('a'), service('b'), service('c')),
  statuses: KeyedMap.from(
    ['a', 'b', 'c'].map((name, i) => [`default/${name}`, status(VIPS.slice(i, i + 2), 'main')]),
  ),
  pools: byKey(pool('main', ['192.0.2.0/24', '2001:db8::/64'])),
  bgpAdvertisements: byKey(bgpAdvertisement('x')),
  bgpPeers: byKey(bgpPeer('r1', '192.0.2.254', { bothFamilies: true })),
};

/** Functions compare by identity. */
function readable(peers: BgpPlan['peers']): Map<string, unknown> {
  const said = ({ password, bfdKey, ...rest }: PlannedPeer) => [rest, password?.(), bfdKey?.()];
  return new Map([...peers].map(([key, planned]) => [key, said(planned)]));
}

test('planBgp() step by step gives what planning from nothing gives', (t) => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 16 }), (steps) => {
      let snapshot = SOUND;
      let served = report(VIPS);
      let last: BgpPlan | undefined;
      for (const change of steps) {
        snapshot = next(snapshot, change);
        const { report: vip, servable, stopping } = change;
        served = served.withAll([
          [vip, servable === undefined ? undefined : serving(vip, servable)],
        ]);
        last = plan(last, snapshot, served, stopping);
        const fresh = plan(undefined, snapshot, served, stopping);
        t.deepEqual(new Map(last.vips), new Map(fresh.vips));
        t.deepEqual(new Map(last.routes), new Map(fresh.routes));
        t.deepEqual(readable(last.peers), readable(fresh.peers));
        t.is(last.leaving, fresh.leaving);
        checkRoutes(last, t);
      }
    }),
    { numRuns: 400 },
  );
});

/** What addresses say of prefixes and peers is what the routes are. */
function checkRoutes({ routes, vips }: BgpPlan, t: { true(value: boolean): void }) {
  const announced = [...vips.values()].filter(({ announce }) => announce);
  const prefixes = new Set(announced.flatMap((vip) => vip.prefixes));
  t.true(prefixes.symmetricDifference(new Set(routes.keys())).size === 0);
  t.true(announced.every(({ prefixes }) => prefixes.length > 0));
  const maps = new Map<string, BgpRoute['byPeer']>();
  for (const { byPeer } of routes.values()) {
    const text = JSON.stringify([...byPeer], (_, value) =>
      typeof value === 'bigint' ? `${value}` : value,
    );
    t.true((maps.get(text) ?? byPeer) === byPeer);
    maps.set(text, byPeer);
  }
}
