import test from 'ava';
import { KeyedMap } from '../../src/domain/keyed-map.ts';
import type { VipAnnouncement } from '../../src/domain/observed.ts';
import { EMPTY_SNAPSHOT, type Snapshot } from '../../src/domain/snapshot.ts';
import type { BgpPlan } from '../../src/plan/bgp.ts';
import type { BgpSpeaker } from '../../src/speaker/bgp/bgp-speaker.ts';
import { createRouting } from '../../src/speaker/routing.ts';
import { bgpAdvertisement, bgpPeer } from '../support/bgp-objects.ts';
import { address, edgeNode, pool, service, status, vipServing } from '../support/objects.ts';

const VIP = '192.0.2.100';
const SETTINGS = {
  loadBalancer: { class: 'tidegate.io/tidegate', handleUnclassed: true },
  box: { name: 'edge-1', labels: {} },
};

const SERVED = KeyedMap.from([[VIP, vipServing(VIP)]]);

function cluster(fields: Partial<Snapshot> = {}): Snapshot {
  const tor = bgpPeer('tor', '192.0.2.1', { gracefulRestart: true });
  const other = bgpPeer('other', '192.0.2.3');
  const all = bgpAdvertisement('all');
  return {
    ...EMPTY_SNAPSHOT,
    revision: 1,
    services: KeyedMap.from([['default/web', service('web')]]),
    statuses: KeyedMap.from([['default/web', status([VIP])]]),
    pools: KeyedMap.from([['metallb-system/pool', pool('pool', ['192.0.2.100-192.0.2.109'])]]),
    edgeNodes: KeyedMap.from([['edge-1', edgeNode('edge-1')]]),
    bgpPeers: KeyedMap.from([tor, other].map((one) => [one.key, one])),
    bgpAdvertisements: KeyedMap.from([[all.key, all]]),
    ...fields,
  };
}

/** `lately`: peers that an earlier speaker had told. */
function scene(lately: readonly string[] = [], restarting = lately.length > 0) {
  const plans: BgpPlan[] = [];
  const state = {
    told: [] as string[],
    met: [] as string[],
    restarting,
    left: false,
    farewell: '',
  };
  const bgp = {
    want: (plan) => plans.push(plan),
    announcedTo: () => state.told,
    hasMet: (name) => state.met.includes(name),
    restarting: () => state.restarting,
    hasLeft: () => state.left,
    async stop(text) {
      state.farewell = text;
    },
  } as Partial<BgpSpeaker> as BgpSpeaker;
  const before: VipAnnouncement = {
    ...{ address: address(VIP), announced: true, interfaces: [], peers: lately },
    ...{ reason: '', sinceMs: 0 },
  };
  const routing = createRouting({ bgp, settings: SETTINGS, lately: new Map([[VIP, before]]) });
  return { routing, plans, state };
}

test('peersOf() names who was told, and reasonOf() why nobody was', (t) => {
  const { routing, plans, state } = scene();
  t.is(routing.reasonOf(VIP), 'noMatchingAdvertisement');
  t.false(routing.hasPeers());
  t.deepEqual(routing.plan(cluster(), SERVED), [VIP]);
  t.true(routing.hasPeers());
  t.deepEqual([...(plans[0]?.routes.keys() ?? [])], [`${VIP}/32`]);
  t.is(routing.reasonOf(VIP), 'noBgpSession');
  state.told = ['tor'];
  t.deepEqual(routing.peersOf(VIP), ['tor']);
  t.deepEqual(routing.plan(cluster(), KeyedMap.empty()), [VIP]);
  t.is(routing.reasonOf(VIP), 'forwarderNotReady');
});

test('reasonOf() is the drain while peers are told nothing any more', (t) => {
  const { routing, plans } = scene();
  const draining = edgeNode('edge-1', { drain: true });
  routing.plan(cluster({ edgeNodes: KeyedMap.from([['edge-1', draining]]) }), SERVED);
  t.true(plans[0]?.leaving);
  t.is(routing.reasonOf(VIP), 'draining');
});

test('stop() plans to leave before it says farewell', async (t) => {
  const { routing, plans, state } = scene();
  routing.plan(cluster(), SERVED);
  await routing.stop();
  t.deepEqual(
    plans.map(({ leaving }) => leaving),
    [false, true],
  );
  t.not(state.farewell, '');
  t.is(routing.reasonOf(VIP), 'speakerStopped');
});

test('peers that keep the routes of a speaker that died have them until they are met again', (t) => {
  const { routing, state } = scene(['other', 'tor']);
  t.deepEqual(routing.peersOf(VIP), ['other', 'tor'], 'nobody knows better yet');
  routing.plan(cluster(), SERVED);
  t.deepEqual(routing.peersOf(VIP), ['tor'], 'the other one knows no graceful restart');
  state.met = ['tor'];
  t.deepEqual(routing.peersOf(VIP), []);
  state.met = [];
  state.left = true;
  t.deepEqual(routing.peersOf(VIP), [], 'a drained box has them forget the routes');
  state.left = false;
  state.restarting = false;
  t.deepEqual(routing.peersOf(VIP), []);
});
