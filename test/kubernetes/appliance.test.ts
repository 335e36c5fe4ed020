import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { toServer } from '../../lab/kubernetes/faults.ts';
import {
  addressesOf,
  MERGE_PATCH,
  readService,
  SERVICES,
  untilAddress,
  writeEndpoints,
  writeService,
} from './pair/cluster-view.ts';
import { BOXES, vipOf } from './pair/edge-pair.ts';
import { answers, complaintsOf, startLoad } from './pair/load.ts';
import { buildTwoBoxes, type TwoBoxes, until } from './pair/two-boxes.ts';
import { FIRST, SECOND, serveFirstAndSecond } from './pair/two-services.ts';

/**
 * The whole appliance beside a real API server: which Services it serves, and that it outlives the
 * server, its memory and its own restarts.
 */
const CATCH_UP_MS = 25_000;
const FINALIZER = 'service.kubernetes.io/load-balancer-cleanup';

let site: TwoBoxes;
let pods: readonly string[];

test.before(async () => {
  site = await buildTwoBoxes();
  pods = site.pods.map(({ addresses }) => addresses[0]);
  await serveFirstAndSecond(site);
});

test.after.always(() => site?.remove());

const untilAnswers = (vip: string) => until(`${vip} answers`, () => answers(site.client, vip));
const untilSilent = (vip: string) =>
  until(`nobody answers for ${vip}`, async () => {
    return (await site.wire.answerersOf(vip)).length === 0 || undefined;
  });

const startLoads = (ms: number) =>
  Promise.all([FIRST, SECOND].map((vip) => startLoad(site.client, vip, ms)));

test.serial('a Service is served by its class, and without NodePorts', async (t) => {
  const { plane } = site;
  await writeService(plane, 'theirs', { pods, spec: { loadBalancerClass: 'example.com/other' } });
  await writeService(plane, 'ours', { pods, spec: { loadBalancerClass: 'tidegate.io/tidegate' } });
  const vip = await untilAddress(plane, 'ours');
  t.regex(await untilAnswers(vip), /^pod-/);
  const { spec } = await readService(plane, 'ours');
  t.deepEqual(
    spec.ports.map(({ nodePort }: { nodePort?: number }) => nodePort),
    [undefined, undefined],
  );
  // Both were there at the same time.
  t.deepEqual(await addressesOf(plane, 'theirs'), []);
  t.is((await readService(plane, 'theirs')).metadata.finalizers, undefined);
  for (const name of ['ours', 'theirs']) await plane.must('DELETE', `${SERVICES}/${name}`);
});

test.serial('addresses in spec.externalIPs are nobody’s affair here', async (t) => {
  const { plane, wire } = site;
  const external = vipOf('edge-1', 4, 20);
  const own = vipOf('edge-1', 4, 21);
  await writeService(plane, 'extra', { vip: own, pods, spec: { externalIPs: [external] } });
  t.is(await untilAddress(plane, 'extra'), own);
  await untilAnswers(own);
  t.deepEqual(await wire.answerersOf(own), ['edge-1']);
  t.deepEqual(await wire.answerersOf(external), []);
  await plane.must('DELETE', `${SERVICES}/extra`);
});

test.serial('a Service that changes its type loses its address, and gets one again', async (t) => {
  const { plane } = site;
  const vip = vipOf('edge-2', 4, 20);
  const retype = (type: string) =>
    plane.must('PATCH', `${SERVICES}/fickle`, { spec: { type } }, MERGE_PATCH);
  await writeService(plane, 'fickle', { vip, pods });
  t.is(await untilAddress(plane, 'fickle'), vip);
  await untilAnswers(vip);
  const before = (await readService(plane, 'fickle')).metadata;
  t.deepEqual(before.finalizers, [FINALIZER]);
  // As `kubectl edit` does: what is of no use to a ClusterIP goes with the type.
  const spec = { type: 'ClusterIP', allocateLoadBalancerNodePorts: null };
  await plane.must('PATCH', `${SERVICES}/fickle`, { spec }, MERGE_PATCH);
  await untilSilent(vip);
  const { metadata } = await until('its finalizer is gone', async () => {
    const found = await readService(plane, 'fickle');
    return found.metadata.finalizers === undefined ? found : undefined;
  });
  t.is(metadata.annotations?.['metallb.io/ip-allocated-from-pool'], undefined);
  t.deepEqual(await addressesOf(plane, 'fickle'), []);
  await retype('LoadBalancer');
  t.is(await untilAddress(plane, 'fickle'), vip);
  t.regex(await untilAnswers(vip), /^pod-/);
  await plane.must('DELETE', `${SERVICES}/fickle`);
});

test.serial(
  'boxes that are restarted while the API server is away go on from memory',
  async (t) => {
    const { proxy, boxes, wire, plane, client } = site;
    const before = wire.unasked().length;
    const loads = await startLoads(10_000);
    await proxy.down();
    await Promise.all(BOXES.map((name) => boxes[name].stop('SIGKILL')));
    await Promise.all(BOXES.map((name) => boxes[name].start()));
    await writeService(plane, 'late');
    const [pod] = site.pods;
    await writeEndpoints(plane, 'first', [pod?.addresses[0] ?? '']);
    await sleep(2000);
    t.regex((await answers(client, FIRST)) ?? '', /^pod-/);
    t.deepEqual(await addressesOf(plane, 'late'), [], 'there was nobody who could');
    await proxy.up();
    for (const load of loads) t.deepEqual(await complaintsOf(load), []);
    await untilAddress(plane, 'late', CATCH_UP_MS);
    await until('the one Pod alone answers', async () => {
      const names = await Promise.all([1, 2, 3, 4].map(() => answers(client, FIRST)));
      return names.every((name) => name === pod?.name) || undefined;
    });
    // Who begins says once more what it has; nobody says anything else.
    const announced = wire.unasked().slice(before);
    const wrong = announced.filter(({ box, vip }) => vip !== (box === 'edge-1' ? FIRST : SECOND));
    t.deepEqual(wrong, []);
  },
);

test.serial('an older API server behind the same address takes nothing away', async (t) => {
  const { plane, proxy, wire } = site;
  const older = await plane.secondApiServer(await plane.snapshotEtcd());
  await writeService(plane, 'younger');
  const vip = await untilAddress(plane, 'younger');
  const before = wire.unasked().length;
  const loads = await startLoads(4500);
  const back = proxy.rule(/^/, toServer(older.url));
  proxy.reset();
  await sleep(2000);
  back();
  proxy.reset();
  await older.stop();
  for (const load of loads) t.deepEqual(await complaintsOf(load), []);
  await writeService(plane, 'youngest');
  t.not(await untilAddress(plane, 'youngest', CATCH_UP_MS), vip);
  t.deepEqual(await addressesOf(plane, 'younger'), [vip]);
  t.deepEqual(wire.unasked().slice(before), []);
});

test.serial('an etcd that is put back in time takes no address from anybody', async (t) => {
  const { plane, wire } = site;
  const snapshot = await plane.snapshotEtcd();
  await writeService(plane, 'forgotten');
  const lost = await untilAddress(plane, 'forgotten');
  const before = wire.unasked().length;
  const loads = await startLoads(8000);
  await plane.restoreEtcd(snapshot);
  await writeService(plane, 'heir', { vip: lost });
  t.is(await untilAddress(plane, 'heir', CATCH_UP_MS), lost);
  for (const load of loads) t.deepEqual(await complaintsOf(load), []);
  t.deepEqual(await addressesOf(plane, 'first'), [FIRST]);
  t.deepEqual(await addressesOf(plane, 'second'), [SECOND]);
  t.deepEqual(wire.unasked().slice(before), []);
});
