import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { KeyedMap } from '../../src/domain/keyed-map.ts';
import type { RoleName } from '../../src/domain/role.ts';
import type { Snapshot } from '../../src/domain/snapshot.ts';
import { planAnnounce } from '../../src/plan/announce.ts';
import { planForward } from '../../src/plan/forward.ts';
import { forwardSettings } from '../support/forward-settings.ts';
import {
  addressOf,
  BOX_ROLES,
  has,
  isRead,
  OURS,
  type SourceWorld,
  settle,
  startSourceWorld,
} from './source-world.ts';

let world: SourceWorld;

test.before(async () => {
  world = await startSourceWorld();
  await addPod('web-1', { 'tidegate.io/weight': '3' });
  await addPod('web-2', {});
});

test.after.always(() => world?.stop());

async function addPod(name: string, labels: Readonly<Record<string, string>>) {
  const { plane } = world;
  const spec = { nodeName: 'n1', containers: [{ name: 'c', image: 'i' }] };
  const account = { name: 'default', namespace: 'default' };
  await plane.apply({ apiVersion: 'v1', kind: 'ServiceAccount', metadata: account });
  const metadata = { name, namespace: 'default', labels };
  await plane.apply({ apiVersion: 'v1', kind: 'Pod', metadata, spec });
}

/** What a box would do, planned from nothing. */
function plansOf(snapshot: Snapshot) {
  const forward = planForward(
    undefined,
    snapshot,
    KeyedMap.empty(),
    forwardSettings({ loadBalancer: OURS }),
    0,
  );
  const announce = planAnnounce(undefined, snapshot, KeyedMap.empty(), {
    loadBalancer: OURS,
    box: { name: 'edge-1', labels: {} },
  });
  const servers = [...forward.servers].map(([id, { backends }]) => [id, backends]);
  return { servers: servers.sort(), vips: [...announce.vips].sort() };
}

test.serial('the first snapshot is complete, without kinds that are not installed', async (t) => {
  const { source, until } = await world.open(t, { roles: ['controller', ...BOX_ROLES] });
  t.is(source.current().revision, 0);
  const snapshot = await until(isRead);
  t.is(snapshot.revision, 1);
  t.true(has('web')(snapshot) && has('shop')(snapshot));
  t.is(addressOf(snapshot, 'web'), '192.0.2.1');
  t.is(snapshot.endpoints.get('default/web')?.slices[0]?.endpoints.length, 2);
  t.true(snapshot.nodes.get('n1')?.ready);
  t.true(snapshot.namespaces.has('metallb-system'));
  t.deepEqual([...snapshot.pods.keys()], ['default/web-1']);
  t.is(snapshot.pods.get('default/web-1')?.weight, 3);
  t.deepEqual(snapshot.problems, []);
  const { synced, problems, kinds } = source.state();
  t.deepEqual({ synced, problems }, { synced: true, problems: [] });
  const missing = kinds.filter(({ installed }) => !installed).map(({ kind }) => kind);
  t.deepEqual(missing, [
    ...['IPAddressPool', 'L2Advertisement', 'BGPPeer', 'BGPAdvertisement', 'BFDProfile'],
    ...['Community', 'ServiceL2Status', 'ServiceBGPStatus', 'EdgeNode'],
  ]);
});

test.serial('a process reads what its roles need, and no more', async (t) => {
  const kindsOf = async (...roles: RoleName[]) =>
    (await world.open(t, { roles })).source.state().kinds.map(({ kind }) => kind);
  t.deepEqual(await kindsOf('forwarder'), [
    ...['Service', 'EndpointSlice', 'Pod', 'Node', 'EdgeNode'],
  ]);
  const controller = await kindsOf('controller');
  for (const kind of ['EndpointSlice', 'Pod', 'Node', 'Secret']) t.false(controller.includes(kind));
});

test.serial('kinds that are installed later are read then', async (t) => {
  const { source, until } = await world.open(t);
  await until(isRead);
  const crds = new URL('../../config/crds/', import.meta.url);
  for (const file of [
    ...['tidegate.io_edgenodes', 'metallb/metallb.io_ipaddresspools'],
    ...['metallb/metallb.io_l2advertisements', 'metallb/metallb.io_bgppeers'],
    ...['metallb/metallb.io_bgpadvertisements', 'metallb/metallb.io_bfdprofiles'],
    'metallb/metallb.io_communities',
  ]) {
    await world.plane.apply(readFileSync(new URL(`${file}.yaml`, crds), 'utf8'));
  }
  const metadata = { name: 'public', namespace: 'metallb-system' };
  const version = 'metallb.io/v1beta1';
  await world.plane.apply({
    ...{ apiVersion: version, kind: 'IPAddressPool', metadata },
    spec: { addresses: ['192.0.2.0/24'] },
  });
  for (const kind of ['L2Advertisement', 'BGPAdvertisement', 'BFDProfile', 'Community'])
    await world.plane.apply({ apiVersion: version, kind, metadata });
  await world.plane.apply({
    ...{ apiVersion: 'metallb.io/v1beta2', kind: 'BGPPeer', metadata },
    spec: { myASN: 64_500, peerASN: 64_501, peerAddress: '192.0.2.254' },
  });
  const name = 'edge-1';
  await world.plane.apply({
    apiVersion: 'tidegate.io/v1alpha1',
    kind: 'EdgeNode',
    metadata: { name },
  });
  const { bgpPeers, bfdProfiles, communities } = await until((now) =>
    [
      ...[now.pools, now.edgeNodes, now.l2Advertisements, now.bgpPeers, now.bgpAdvertisements],
      ...[now.bfdProfiles, now.communities],
    ].every(({ size }) => size > 0),
  );
  t.is(bgpPeers.get('metallb-system/public')?.peerAsn, 64_501);
  t.is(bfdProfiles.get('metallb-system/public')?.detectMultiplier, 3);
  t.true(communities.has('metallb-system/public'));
  // Nobody beats for it.
  t.false(source.current().edgeNodes.get(name)?.alive);
  const kinds = source.state().kinds.filter(({ kind }) => !kind.endsWith('Status'));
  t.true(kinds.every(({ installed }) => installed));
});

test.serial(
  'an object that is broken leaves the last good one in force, and says so',
  async (t) => {
    const { until } = await world.open(t);
    await until(({ pools }) => pools.size > 0);
    const path = '/apis/metallb.io/v1beta1/namespaces/metallb-system/ipaddresspools/public';
    const patch = (addresses: readonly string[]) =>
      world.plane.must('PATCH', path, { spec: { addresses } }, 'application/merge-patch+json');
    const refused = ['192.0.2.0/24', '192.0.2.128/25'];
    await patch(refused);
    const { pools, problems } = await until((snapshot) => snapshot.problems.length > 0);
    t.deepEqual(pools.get('metallb-system/public')?.addressTexts, ['192.0.2.0/24']);
    t.deepEqual(problems[0]?.object, { kind: 'IPAddressPool', key: 'metallb-system/public' });
    await patch(['192.0.2.0/24']);
    await until((snapshot) => snapshot.problems.length === 0);
  },
);

test.serial(
  'a right that is missing is named, and read with as soon as it is granted',
  async (t) => {
    const account = { name: 'short', namespace: 'default' };
    const api = 'rbac.authorization.k8s.io';
    await world.plane.apply({ apiVersion: 'v1', kind: 'ServiceAccount', metadata: account });
    const grant = (resources: readonly string[]) =>
      world.plane.apply({
        ...{ apiVersion: `${api}/v1`, kind: 'ClusterRole', metadata: { name: 'short' } },
        rules: [{ apiGroups: ['*'], resources, verbs: ['get', 'list', 'watch'] }],
      });
    await grant(['services', 'nodes', 'pods', 'edgenodes', 'namespaces']);
    await world.plane.apply({
      ...{ apiVersion: `${api}/v1`, kind: 'ClusterRoleBinding', metadata: { name: 'short' } },
      roleRef: { apiGroup: api, kind: 'ClusterRole', name: 'short' },
      subjects: [{ kind: 'ServiceAccount', ...account }],
    });
    const kubeconfig = await world.plane.kubeconfigFor({ serviceAccount: account });
    const { source, until } = await world.open(t, { roles: ['forwarder'], kubeconfig });
    await settle(() => source.state().problems.length > 0);
    await settle(() => source.state().kinds.filter(({ synced }) => synced).length === 4);
    t.is(source.current().revision, 0);
    const [problem] = source.state().problems;
    t.regex(problem?.message ?? '', /^EndpointSlice cannot be read: .*403.*endpointslices/);
    t.regex(problem?.message ?? '', /grants "list" on endpointslices/);
    await grant(['services', 'nodes', 'pods', 'edgenodes', 'namespaces', 'endpointslices']);
    await until(isRead);
    t.deepEqual(source.state().problems, []);
  },
);

test.serial('a box that restarts while the API server is away goes on as before', async (t) => {
  const memoryFile = `${world.plane.folder}/memory-restart`;
  const first = await world.open(t, { memoryFile });
  const before = await first.until(({ pools }) => pools.size > 0);
  await first.source.stop();
  const comeBack = await world.goAway(t);
  const { source, log, until } = await world.open(t, { memoryFile });
  const remembered = await until(({ revision }) => revision > 0);
  t.true(remembered.remembered);
  t.deepEqual(plansOf(remembered), plansOf(before));
  t.true(plansOf(remembered).servers.length >= 2);
  t.false(source.state().synced);
  t.is(source.leadership.leads(), false);
  await t.throwsAsync(source.writeStatuses(new Map([['default/web', undefined]])), {
    code: 'EROFS',
  });
  t.true(log.lines.some(({ message }) => /seen of the cluster before/.test(message)));
  await comeBack();
  const after = await until(isRead);
  t.is(after.services.get('default/web'), remembered.services.get('default/web'));
  t.is(after.endpoints, remembered.endpoints);
  t.is(after.statuses, remembered.statuses);
  t.is(after.pools, remembered.pools);
  t.is(after.nodes.get('n1'), remembered.nodes.get('n1'));
});

test.serial('what went away while a box was down is not remembered for ever', async (t) => {
  const memoryFile = `${world.plane.folder}/memory-gone`;
  await world.addService('gone', '192.0.2.8');
  const first = await world.open(t, { memoryFile });
  await first.until(has('gone'));
  await first.source.stop();
  await world.removeService('gone');
  const second = await world.open(t, { memoryFile });
  await second.until(isRead);
  t.false(has('gone')(second.source.current()));
  await second.source.stop();
  await world.goAway(t);
  const third = await world.open(t, { memoryFile });
  const remembered = await third.until(({ revision }) => revision > 0);
  t.true(remembered.remembered);
  t.false(has('gone')(remembered));
  t.true(has('web')(remembered));
});

test.serial('who has no memory waits, and says for what', async (t) => {
  const comeBack = await world.goAway(t);
  const { source, until } = await world.open(t);
  await settle(() => source.state().problems.length > 0);
  await sleep(1500);
  t.is(source.current().revision, 0);
  t.regex(
    source.state().problems[0]?.message ?? '',
    /^The API server https:\S+ cannot be reached: .*ECONNREFUSED/,
  );
  await comeBack();
  await until(isRead);
});

test.serial('a controller whose Lease has no place says so, and what to do', async (t) => {
  const options = { roles: ['controller'], namespace: 'nowhere' } as const;
  const { source, log } = await world.open(t, options);
  await settle(() => source.state().unwritable.length > 0, log);
  const [problem] = source.state().unwritable;
  t.deepEqual(problem?.object, { kind: 'Lease', key: 'nowhere/tidegate-controller' });
  t.regex(problem?.message ?? '', /nobody can lead: .*Create the namespace "nowhere"/s);
  t.true(problem?.message.endsWith(source.leadership.problem()));
  t.deepEqual(source.state().problems, []);
  const metadata = { name: 'nowhere' };
  await world.plane.apply({ apiVersion: 'v1', kind: 'Namespace', metadata });
  await settle(() => source.leadership.leads(), log);
  t.deepEqual(source.state().unwritable, []);
});
