import test from 'ava';
import fc from 'fast-check';
import { addressFromBigInt, formatAddress } from '../../src/domain/address.ts';
import { KeyedMap } from '../../src/domain/keyed-map.ts';
import type { L2Advertisement } from '../../src/domain/l2-advertisement.ts';
import type { VipServing } from '../../src/domain/observed.ts';
import type { Service } from '../../src/domain/service.ts';
import { EMPTY_SNAPSHOT, type Snapshot } from '../../src/domain/snapshot.ts';
import { type AnnouncePlan, planAnnounce } from '../../src/plan/announce.ts';
import { bgpAdvertisement } from '../support/bgp-objects.ts';
import {
  address,
  edgeNode,
  l2Advertisement,
  pool,
  service,
  status,
  vipServing,
} from '../support/objects.ts';

const OURS = {
  loadBalancer: { class: 'tidegate.io/tidegate', handleUnclassed: true },
  box: { name: 'edge-1', labels: {} },
};

function snapshotOf(
  services: readonly Service[],
  statuses: Readonly<Record<string, readonly string[]>>,
  fields: Partial<Snapshot> = {},
): Snapshot {
  return {
    ...EMPTY_SNAPSHOT,
    revision: 1,
    services: KeyedMap.from(services.map((each) => [each.key, each])),
    statuses: KeyedMap.from(Object.entries(statuses).map(([key, held]) => [key, status(held)])),
    ...fields,
  };
}

function report(...servings: readonly VipServing[]): KeyedMap<VipServing> {
  return KeyedMap.from(servings.map((each) => [formatAddress(each.address), each]));
}

/** By address text: `announced`, or why not. */
function outcome({ vips }: AnnouncePlan): Record<string, string> {
  return Object.fromEntries(
    [...vips].map(([text, { announce, reason }]) => [text, announce ? 'announced' : reason]),
  );
}

function planned(snapshot: Snapshot, served: KeyedMap<VipServing>): Record<string, string> {
  return outcome(planAnnounce(undefined, snapshot, served, OURS));
}

const WEB = service('web');
const HELD = { 'default/web': ['192.0.2.1'] };
const VIP = '192.0.2.1';

test('planAnnounce() announces an address that the forwarder serves', (t) => {
  t.deepEqual(planned(snapshotOf([WEB], HELD), report(vipServing(VIP))), { [VIP]: 'announced' });
  const both = snapshotOf([WEB], { 'default/web': [VIP, '2001:db8::1'] });
  const plan = planAnnounce(
    undefined,
    both,
    report(vipServing(VIP), vipServing('2001:db8::1')),
    OURS,
  );
  t.deepEqual(outcome(plan), { [VIP]: 'announced', '2001:db8::1': 'announced' });
  t.deepEqual(plan.vips.get(VIP)?.services, ['default/web']);
});

test('planAnnounce() says why an address is not announced', (t) => {
  const down = vipServing(VIP, { servable: false, reason: 'noEndpoints' });
  t.deepEqual(planned(snapshotOf([WEB], HELD), report(down)), { [VIP]: 'noEndpoints' });
  const silent = vipServing(VIP, { servable: false });
  t.deepEqual(planned(snapshotOf([WEB], HELD), report(silent)), { [VIP]: 'noEndpoints' });
  t.deepEqual(planned(snapshotOf([WEB], HELD), report()), { [VIP]: 'forwarderNotReady' });
  const other = report(vipServing('192.0.2.9'));
  t.deepEqual(planned(snapshotOf([WEB], HELD), other), { [VIP]: 'notForwarded' });
  const loopback = snapshotOf([WEB], { 'default/web': ['127.0.0.1'] });
  t.deepEqual(planned(loopback, report(vipServing('127.0.0.1'))), { '127.0.0.1': 'invalidIP' });
});

test('planAnnounce() leaves alone what is not ours', (t) => {
  const served = report(vipServing(VIP));
  for (const fields of [
    { type: 'ClusterIP' },
    { type: 'NodePort' },
    { loadBalancerClass: 'example.com/other' },
  ] as const) {
    t.deepEqual(planned(snapshotOf([service('web', fields)], HELD), served), {});
  }
  t.deepEqual(planned(snapshotOf([], HELD), served), {}, 'a status without its Service');
});

test('planAnnounce() names all Services that share an address, and keeps it while one holds it', (t) => {
  const shared = { 'default/a': [VIP], 'default/b': [VIP] };
  const both = snapshotOf([service('b'), service('a')], shared);
  const first = planAnnounce(undefined, both, report(vipServing(VIP)), OURS);
  t.deepEqual(first.vips.get(VIP)?.services, ['default/a', 'default/b']);
  const one = { ...both, revision: 2, statuses: both.statuses.without('default/a') };
  const second = planAnnounce(first, one, first.basis.serving, OURS);
  t.deepEqual(second.vips.get(VIP)?.services, ['default/b']);
  const none = { ...one, revision: 3, services: one.services.without('default/b') };
  t.is(planAnnounce(second, none, first.basis.serving, OURS).vips.size, 0);
});

test('planAnnounce() goes by the report alone before the cluster was read', (t) => {
  const served = report(
    vipServing(VIP),
    vipServing('192.0.2.2', { servable: false, reason: 'noEndpoints' }),
  );
  const before = planAnnounce(undefined, EMPTY_SNAPSHOT, served, OURS);
  t.deepEqual(outcome(before), { [VIP]: 'announced', '192.0.2.2': 'noEndpoints' });
  t.deepEqual(before.vips.get(VIP)?.services, ['default/web']);
  const known = planAnnounce(before, snapshotOf([WEB], HELD), served, OURS);
  t.deepEqual(outcome(known), { [VIP]: 'announced' });
});

test('planAnnounce() plans one address anew when one changed, of 10,000', (t) => {
  const texts = Array.from({ length: 10_000 }, (_, i) =>
    formatAddress(addressFromBigInt(BASE + BigInt(i))),
  );
  const services = texts.map((text) => service(text));
  const held = Object.fromEntries(texts.map((text) => [`default/${text}`, [text]]));
  const snapshot = snapshotOf(services, held);
  const first = planAnnounce(
    undefined,
    snapshot,
    report(...texts.map((text) => vipServing(text))),
    OURS,
  );
  t.is(first.planned, 10_000);
  const [vip = ''] = texts;
  const down = vipServing(vip, { servable: false, reason: 'noEndpoints' });
  const second = planAnnounce(first, snapshot, first.basis.serving.with(vip, down), OURS);
  t.is(second.planned, 1);
  t.deepEqual(second.vips.changedKeys(first.vips), [vip]);
  const later = { ...snapshot, revision: 2 };
  const third = planAnnounce(second, later, second.basis.serving, OURS);
  t.is(third.planned, 0);
  t.is(third.vips, second.vips);
  const relabelled = later.services.with('default/x', service('x'));
  t.is(
    planAnnounce(third, { ...later, services: relabelled }, third.basis.serving, OURS).planned,
    0,
  );
});

const BASE = address('2001:db8::1000');

test('planAnnounce() plans only what a box newly withholds, and all when a box comes', (t) => {
  const vips = ['192.0.2.1', '192.0.2.2', '192.0.2.3'];
  const held = Object.fromEntries(vips.map((vip, i) => [`default/s${i}`, [vip]]));
  const services = vips.map((_, i) => service(`s${i}`));
  const boxes = KeyedMap.from(['edge-1', 'edge-2'].map((name) => [name, edgeNode(name)]));
  const snapshot = snapshotOf(services, held, { edgeNodes: boxes });
  const first = planAnnounce(
    undefined,
    snapshot,
    report(...vips.map((vip) => vipServing(vip))),
    OURS,
  );
  const withheld = [{ address: '192.0.2.2', service: 'default/s1', reason: 'x', message: '' }];
  const other = edgeNode('edge-2', { withheld });
  const second = planAnnounce(
    first,
    { ...snapshot, revision: 2, edgeNodes: boxes.with('edge-2', other) },
    first.basis.serving,
    OURS,
  );
  t.is(second.planned, 1);
  t.is(second.vips.get('192.0.2.2')?.owner, 'edge-1');
  const third = planAnnounce(
    second,
    { ...snapshot, revision: 3, edgeNodes: boxes.with('edge-3', edgeNode('edge-3')) },
    first.basis.serving,
    OURS,
  );
  t.is(third.planned, 3);
});

const VIPS = ['192.0.2.1', '192.0.2.2', '198.51.100.1', '2001:db8::1'];
const A = [{ key: 'a', operator: 'Exists', values: [] }] as const;

const edgeNodes = fc
  .record({
    name: fc.constantFrom('edge-1', 'edge-2', 'edge-3'),
    gone: fc.boolean(),
    labels: fc.constantFrom({}, { a: '1' }),
    drain: fc.boolean(),
    alive: fc.boolean(),
    withheld: fc.subarray(VIPS),
  })
  .map(({ name, gone, withheld, ...fields }) => {
    const told = withheld.map((vip) => ({ address: vip, service: '', reason: 'x', message: '' }));
    return [name, gone ? undefined : edgeNode(name, { ...fields, withheld: told })] as const;
  });

const advertisements = fc
  .record({
    name: fc.constantFrom('x', 'y'),
    gone: fc.boolean(),
    pools: fc.subarray(['main', 'other']),
    nodeSelectors: fc.constantFrom([], [A]),
    serviceSelectors: fc.constantFrom([], [A]),
    interfaces: fc.subarray(['eth0', 'eth1']),
  })
  .map(({ name, gone, ...fields }) => {
    return [name, gone ? undefined : l2Advertisement(name, fields)] as const;
  });

const pools = fc
  .record({ name: fc.constantFrom('main', 'other'), ranges: fc.subarray(['192.0.2.0/31', '::/0']) })
  .map(({ name, ranges }) => [name, ranges.length ? pool(name, ranges) : undefined] as const);

/** Small worlds of four Services, four addresses, three boxes, changed step by step. */
const step = fc.record({
  service: fc.constantFrom('a', 'b', 'c', 'd'),
  type: fc.constantFrom('LoadBalancer', 'ClusterIP', undefined),
  labels: fc.constantFrom({}, { a: '1' }),
  deleting: fc.boolean(),
  sharingKey: fc.constantFrom('', 'k'),
  held: fc.shuffledSubarray(VIPS),
  report: fc.constantFrom(...VIPS),
  servable: fc.constantFrom(true, true, false, undefined),
  edgeNodes: fc.option(edgeNodes),
  l2Advertisements: fc.option(advertisements),
  pools: fc.option(pools),
  bgpAdvertisement: fc.constantFrom(undefined, bgpAdvertisement('routers')),
});

test('planAnnounce() step by step gives what planning from nothing gives', (t) => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 16 }), (steps) => {
      let snapshot = EMPTY_SNAPSHOT;
      let served = KeyedMap.empty<VipServing>();
      let plan: AnnouncePlan | undefined;
      for (const { service: name, type, held, report: vip, servable, ...rest } of steps) {
        const key = `default/${name}`;
        const { labels, deleting, sharingKey, bgpAdvertisement: ad, ...maps } = rest;
        const fields = { labels, deleting, sharingKey };
        snapshot = {
          ...snapshot,
          revision: snapshot.revision + 1,
          services: snapshot.services.withAll([[key, type && service(name, { type, ...fields })]]),
          statuses: snapshot.statuses.withAll([[key, held.length ? status(held) : undefined]]),
          edgeNodes: snapshot.edgeNodes.withAll(maps.edgeNodes ? [maps.edgeNodes] : []),
          pools: snapshot.pools.withAll(maps.pools ? [maps.pools] : []),
          l2Advertisements: snapshot.l2Advertisements.withAll(
            maps.l2Advertisements ? [maps.l2Advertisements] : [],
          ),
          bgpAdvertisements: snapshot.bgpAdvertisements.withAll([['routers', ad]]),
        };
        served = served.withAll([
          [vip, servable === undefined ? undefined : vipServing(vip, { servable })],
        ]);
        plan = planAnnounce(plan, snapshot, served, OURS);
        const fresh = planAnnounce(undefined, snapshot, served, OURS);
        t.deepEqual(new Map(plan.vips), new Map(fresh.vips));
      }
    }),
    { numRuns: 300 },
  );
});

test('planAnnounce() gives each address to one of the boxes that see the same cluster', (t) => {
  const names = ['edge-1', 'edge-2', 'edge-3'];
  const all = names.map((name) => [name, edgeNode(name)] as const);
  fc.assert(
    fc.property(
      fc.array(edgeNodes, { maxLength: 3 }),
      fc.array(advertisements, { maxLength: 2 }),
      (changes, ads) => {
        const snapshot = snapshotOf([WEB], HELD, {
          edgeNodes: KeyedMap.from(all).withAll(changes.filter(([, box]) => box !== undefined)),
          l2Advertisements: KeyedMap.empty<L2Advertisement>().withAll(ads),
        });
        const owners = names.filter((name) => {
          const settings = { ...OURS, box: { name, labels: {} } };
          const plan = planAnnounce(undefined, snapshot, report(vipServing(VIP)), settings);
          return plan.vips.get(VIP)?.announce;
        });
        const someAlive = [...snapshot.edgeNodes.values()].some((box) => box.alive && !box.drain);
        if (someAlive && ads.length === 0) t.is(owners.length, 1);
        if (owners.length > 1) t.true(owners.every((name) => !snapshot.edgeNodes.get(name)?.alive));
      },
    ),
  );
});
