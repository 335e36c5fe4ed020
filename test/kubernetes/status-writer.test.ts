import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { type ControlPlane, startControlPlane } from '../../lab/kubernetes/control-plane.ts';
import type { KubeObject } from '../../src/cluster/kubernetes/kube-object.ts';
import { statusOf } from '../../src/cluster/kubernetes/status/api-status.ts';
import { type StatusBase, statusBaseOf } from '../../src/cluster/kubernetes/status/status-base.ts';
import {
  type ApiConnection,
  openConnection,
} from '../../src/cluster/kubernetes/transport/connection.ts';
import { createConfigurationReporter } from '../../src/cluster/kubernetes/write/configuration-reporter.ts';
import { CONTEST_REWRITES } from '../../src/cluster/kubernetes/write/contest.ts';
import {
  createEventRecorder,
  type EventRecorder,
} from '../../src/cluster/kubernetes/write/event-recorder.ts';
import { createStatusWriter } from '../../src/cluster/kubernetes/write/status-writer.ts';
import type { Condition, ServiceStatus } from '../../src/domain/service.ts';
import { realClock } from '../../src/system/real-clock.ts';
import { fakeLeader } from '../cluster/kubernetes/write/writer-bench.ts';
import { status } from '../support/objects.ts';
import { recordingLog } from '../support/recording-log.ts';

/** What our patches do to a real API server, with the rights that the controller is given. */
const DEPLOY = fileURLToPath(new URL('../../config/deploy/', import.meta.url));
const FINALIZER = 'service.kubernetes.io/load-balancer-cleanup';
const MERGE_PATCH = 'application/merge-patch+json';
const SERVICES = '/api/v1/namespaces/default/services';
const WAIT_MS = 10_000;

let plane: ControlPlane;
let connection: ApiConnection;
let events: EventRecorder;
const log = recordingLog();

test.before(async () => {
  plane = await startControlPlane();
  for (const base of ['metallb-kinds', 'overlays/edge-boxes'])
    await plane.kubectl(['apply', '--server-side', '-k', `${DEPLOY}${base}`]);
  const serviceAccount = { namespace: 'tidegate-system', name: 'tidegate-controller' };
  connection = await openConnection({
    kubeconfig: await plane.kubeconfigFor({ serviceAccount }),
    context: undefined,
    userAgent: 'tidegate/test (controller)',
    clock: realClock,
    log,
  });
  const component = 'tidegate-controller';
  events = createEventRecorder({ connection, component, host: 'test', clock: realClock, log });
});

test.after.always(async () => {
  events?.stop();
  await connection?.close();
  await plane?.stop();
});

/** A writer, and the Services that it works on. */
async function bench(...names: string[]) {
  const bases = new Map<string, StatusBase>();
  const leader = fakeLeader();
  const take = (object: KubeObject) => {
    const { namespace, name } = object.metadata;
    bases.set(`${namespace}/${name}`, statusBaseOf(object));
  };
  const writer = createStatusWriter({
    connection,
    leader,
    events,
    baseOf: (key) => bases.get(key),
    onWritten: take,
    onEvents: () => {},
    clock: realClock,
    log,
  });
  const read = async (name: string) => (await plane.request('GET', `${SERVICES}/${name}`)).body;
  const refresh = async (name: string) => take(await read(name));
  for (const name of names) {
    await plane.apply({
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name, namespace: 'default' },
      spec: {
        type: 'LoadBalancer',
        ports: [
          { name: 'web', port: 80 },
          { name: 'sctp', port: 90, protocol: 'SCTP' },
        ],
      },
    });
    await refresh(name);
  }
  const write = (changes: Record<string, ServiceStatus | undefined>) =>
    writer.write(
      new Map(Object.entries(changes).map(([name, wanted]) => [`default/${name}`, wanted])),
    );
  const shown = (name: string) => {
    const base = bases.get(`default/${name}`);
    return base && statusOf(base, writer.eventsOf(base.uid));
  };
  return { write, read, refresh, shown };
}

function wanted(ip: string, rest: Partial<ServiceStatus> = {}): ServiceStatus {
  const condition: Condition = {
    type: 'tidegate.io/Allocated',
    status: 'True',
    reason: 'IPAllocated',
    message: `${ip} from pool "pool"`,
    sinceMs: Date.UTC(2026, 0, 2, 3, 4, 5),
  };
  return { ...status([ip]), conditions: [condition], ...rest };
}

/** Requests by the controller that changed the Service. */
async function writesOf(name: string) {
  const all = await plane.audit(
    (event) => event.name === name && event.userAgent.startsWith('tidegate/test'),
  );
  return all
    .filter(({ verb }) => verb !== 'get')
    .map(({ verb, resource, subresource, code }) => `${verb} ${resource}/${subresource} ${code}`);
}

async function eventually<T>(look: () => Promise<T | undefined>): Promise<T> {
  for (const end = Date.now() + WAIT_MS; Date.now() < end; await sleep(20)) {
    const found = await look();
    if (found !== undefined) return found;
  }
  throw new Error('Waited in vain');
}

async function eventsOf(name: string, count: number) {
  return eventually(async () => {
    const path = `/api/v1/namespaces/default/events?fieldSelector=involvedObject.name=${name}`;
    const { items } = (await plane.request('GET', path)).body;
    return items.length >= count ? items : undefined;
  });
}

test('a status, its pool and its guard are one write to services/status', async (t) => {
  const { write, read, shown } = await bench('one');
  const ports = [
    { port: 90, protocol: 'SCTP', error: 'tidegate.io/ProtocolNotSupported' },
  ] as const;
  const says = wanted('192.0.2.1', { ports });
  t.is((await write({ one: says })).size, 0);
  t.deepEqual(await writesOf('one'), ['patch services/status 200']);
  const { metadata, status: held } = await read('one');
  t.deepEqual(metadata.finalizers, [FINALIZER]);
  t.deepEqual(metadata.annotations, { 'metallb.io/ip-allocated-from-pool': 'pool' });
  t.deepEqual(held.loadBalancer.ingress, [
    { ip: '192.0.2.1', ipMode: 'VIP', ports: [{ port: 80, protocol: 'TCP' }, ports[0]] },
  ]);
  t.deepEqual(shown('one'), says);
  await write({ one: says });
  t.is((await writesOf('one')).length, 1);
});

test('others keep their conditions, finalizers and annotations', async (t) => {
  const { write, read, refresh } = await bench('others');
  const theirs = {
    type: 'example.com/Checked',
    status: 'True',
    reason: 'Fine',
    message: 'm',
    lastTransitionTime: '2026-01-01T00:00:00Z',
    observedGeneration: 7,
  };
  const mine = { metadata: { finalizers: ['example.com/f'], annotations: { a: 'b' } } };
  await plane.must('PATCH', `${SERVICES}/others`, mine, MERGE_PATCH);
  const status = { conditions: [theirs] };
  await plane.must('PATCH', `${SERVICES}/others/status`, { status }, MERGE_PATCH);
  await refresh('others');
  t.is((await write({ others: wanted('192.0.2.2') })).size, 0);
  const after = await read('others');
  t.deepEqual(after.metadata.finalizers, ['example.com/f', FINALIZER]);
  t.deepEqual(after.status.conditions[0], theirs);
  await write({ others: undefined });
  const back = await read('others');
  t.deepEqual(back.metadata.finalizers, ['example.com/f']);
  t.deepEqual(back.metadata.annotations, { a: 'b' });
  t.deepEqual(back.status, { loadBalancer: {}, conditions: [theirs] });
  await plane.must('PATCH', `${SERVICES}/others`, { metadata: { finalizers: [] } }, MERGE_PATCH);
});

test('a Service that somebody else changed meanwhile is not written over', async (t) => {
  const { write, read, refresh } = await bench('conflict', 'free');
  const label = { metadata: { labels: { x: 'y' } } };
  await plane.must('PATCH', `${SERVICES}/conflict`, label, MERGE_PATCH);
  const errors = await write({ conflict: wanted('192.0.2.3'), free: wanted('192.0.2.4') });
  t.deepEqual([...errors.keys()], ['default/conflict']);
  t.regex(errors.get('default/conflict')?.message ?? '', /"default\/conflict".*409/s);
  t.is((await read('conflict')).status.loadBalancer.ingress, undefined);
  await refresh('conflict');
  t.is((await write({ conflict: wanted('192.0.2.3') })).size, 0);
});

test('a Service of the same name that was made anew is not taken for the old one', async (t) => {
  const { write, read } = await bench('anew');
  await plane.must('DELETE', `${SERVICES}/anew`);
  const { read: readNew } = await bench('anew-2');
  await plane.apply({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'anew', namespace: 'default' },
    spec: { type: 'LoadBalancer', ports: [{ port: 80 }] },
  });
  const errors = await write({ anew: wanted('192.0.2.5'), 'anew-2': undefined });
  t.deepEqual([...errors.keys()], ['default/anew']);
  t.is((await read('anew')).status.loadBalancer.ingress, undefined);
  t.truthy(await readNew('anew-2'));
});

test('a deleted Service is there until it is given back', async (t) => {
  const { write, read, refresh } = await bench('deleted');
  await write({ deleted: wanted('192.0.2.6') });
  await plane.must('DELETE', `${SERVICES}/deleted`);
  const leaving = await read('deleted');
  t.truthy(leaving.metadata.deletionTimestamp);
  t.deepEqual(leaving.status.loadBalancer.ingress, [{ ip: '192.0.2.6', ipMode: 'VIP' }]);
  await refresh('deleted');
  t.is((await write({ deleted: undefined })).size, 0);
  t.is((await plane.request('GET', `${SERVICES}/deleted`)).status, 404);
});

test('a Service of another type is given back', async (t) => {
  const { write, read, refresh } = await bench('type');
  await write({ type: wanted('192.0.2.7') });
  await plane.must('PATCH', `${SERVICES}/type`, { spec: { type: 'ClusterIP' } }, MERGE_PATCH);
  const before = await write({ type: wanted('192.0.2.17') });
  t.is(before.size, 1);
  await refresh('type');
  // The API server has taken the address away by itself, and lets none be written.
  const invalid = await write({ type: wanted('192.0.2.17') });
  t.regex(invalid.get('default/type')?.message ?? '', /422.*status\.loadBalancer\.ingress/s);
  t.is((await write({ type: undefined })).size, 0);
  const { metadata, status: held } = await read('type');
  t.is(metadata.finalizers, undefined);
  t.deepEqual(held, { loadBalancer: {} });
});

test('events are as MetalLB has them, equal ones counted in one', async (t) => {
  const { write } = await bench('events');
  const ms = Date.now();
  const assigned = {
    type: 'Normal',
    reason: 'IPAllocated',
    message: 'Assigned IP ["192.0.2.8"]',
    firstMs: ms,
    lastMs: ms,
    count: 1,
  } as const;
  const failed = {
    ...assigned,
    type: 'Warning',
    reason: 'not enough clusterips',
    message: 'm',
  } as const;
  await write({ events: wanted('192.0.2.8', { events: [failed, assigned] }) });
  const first = await eventsOf('events', 2);
  const shown = first.map((event: { type: string; reason: string }) => [event.type, event.reason]);
  t.deepEqual(shown.sort(), [
    ['Normal', 'IPAllocated'],
    ['Warning', 'not enough clusterips'],
  ]);
  t.like(
    first.find(({ type }: { type: string }) => type === 'Normal'),
    {
      message: 'Assigned IP ["192.0.2.8"]',
      source: { component: 'tidegate-controller', host: 'test' },
      reportingComponent: 'tidegate-controller',
      involvedObject: { apiVersion: 'v1', kind: 'Service', namespace: 'default', name: 'events' },
      count: 1,
    },
  );
  await write({
    events: wanted('192.0.2.8', { events: [failed, { ...assigned, count: 3 }] }),
  });
  const counted = await eventually(async () =>
    (await eventsOf('events', 2)).find(({ count }: { count: number }) => count === 3),
  );
  t.is(counted.reason, 'IPAllocated');
  t.is((await eventsOf('events', 2)).length, 2);
  t.deepEqual(await writesOf('events'), ['patch services/status 200']);
});

test('the writer refuses to fight, and names the other one', async (t) => {
  const { write, read, refresh } = await bench('fight');
  const theirs = { status: { loadBalancer: { ingress: [{ ip: '203.0.113.9' }] } } };
  for (let count = 0; count <= CONTEST_REWRITES; count++) {
    t.is((await write({ fight: wanted('192.0.2.9') })).size, 0);
    const path = `${SERVICES}/fight/status?fieldManager=other-lb`;
    await plane.must('PATCH', path, theirs, MERGE_PATCH);
    await refresh('fight');
  }
  const errors = await write({ fight: wanted('192.0.2.9') });
  t.regex(errors.get('default/fight')?.message ?? '', /somebody else keeps writing it/);
  const [event] = await eventsOf('fight', 1);
  t.like(event, { type: 'Warning', reason: 'StatusContested' });
  const said = await eventually(async () =>
    (await read('fight')).status.conditions.find(
      ({ reason }: Condition) => reason === 'StatusContested',
    ),
  );
  t.regex(said.message, /^"other-lb" writes the status of this Service, too\./);
  t.deepEqual((await read('fight')).status.loadBalancer.ingress, [
    { ip: '203.0.113.9', ipMode: 'VIP' },
  ]);
});

test('the use of pools and the state of the configuration stand where MetalLB has them', async (t) => {
  const METALLB = '/apis/metallb.io/v1beta1/namespaces/metallb-system';
  await plane.apply({
    apiVersion: 'metallb.io/v1beta1',
    kind: 'IPAddressPool',
    metadata: { name: 'first', namespace: 'metallb-system' },
    spec: { addresses: ['192.0.2.0/24'] },
  });
  const start = () =>
    createConfigurationReporter({
      connection,
      namespace: 'metallb-system',
      leads: () => true,
      clock: realClock,
      log,
    });
  const counts = { assignedIPv4: 1n, assignedIPv6: 0n, availableIPv4: 255n, availableIPv6: 0n };
  const report = { pools: [{ name: 'first', ...counts }], problems: [] };
  const reporter = start();
  reporter.report(report);
  const state = await eventually(async () => {
    const path = `${METALLB}/configurationstates/controller`;
    const { status: code, body } = await plane.request('GET', path);
    return code === 200 && body.status?.result ? body : undefined;
  });
  reporter.stop();
  t.like(state, {
    metadata: { labels: { 'metallb.io/component-type': 'controller' } },
    status: { result: 'Valid', conditions: [{ type: 'poolReconcilerValid', status: 'True' }] },
  });
  const pool = (await plane.request('GET', `${METALLB}/ipaddresspools/first`)).body;
  t.like(pool.status, { assignedIPv4: 1, availableIPv4: 255 });
  const again = start();
  const sent = (await writesOf('first')).length;
  again.report(report);
  await eventually(async () => {
    const reads = await plane.audit(({ name, verb }) => name === 'controller' && verb === 'get');
    return (
      reads.filter(({ userAgent }) => userAgent.startsWith('tidegate')).length > 1 || undefined
    );
  });
  again.stop();
  t.is((await writesOf('first')).length, sent);
});
