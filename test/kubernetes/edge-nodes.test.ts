import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { parseAllDocuments } from 'yaml';
import { type AuditEvent, isForeignWrite } from '../../lab/kubernetes/audit-log.ts';
import { type ControlPlane, startControlPlane } from '../../lab/kubernetes/control-plane.ts';
import { service } from '../support/objects.ts';
import { boxState, HEARTBEAT, startBox, vip } from './boxes.ts';

const CONFIG = fileURLToPath(new URL('../../config', import.meta.url));
const EDGE_NODES = '/apis/tidegate.io/v1alpha1/edgenodes';
const LEASES = '/apis/coordination.k8s.io/v1/namespaces/tidegate-system/leases';
const L2_STATUSES = '/apis/metallb.io/v1beta1/namespaces/metallb-system/servicel2statuses';
const BGP_STATUSES = '/apis/metallb.io/v1beta1/namespaces/metallb-system/servicebgpstatuses';
/** Those of the boxes: an API server that starts on a busy machine may have one of its own. */
const EVENTS = '/api/v1/namespaces/default/events?fieldSelector=source=tidegate-speaker';
const MERGE_PATCH = 'application/merge-patch+json';

/** As which the boxes log in: with the rights of config/deploy and no others. */
const SPEAKER = {
  serviceAccount: { namespace: 'tidegate-system', name: 'tidegate-speaker' },
} as const;

let plane: ControlPlane;

test.before(async () => {
  plane = await startControlPlane();
  for (const name of ['tidegate-system', 'metallb-system'])
    await plane.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
  await plane.apply(readFileSync(`${CONFIG}/crds/tidegate.io_edgenodes.yaml`, 'utf8'));
  await plane.apply(readFileSync(`${CONFIG}/deploy/rbac/speaker/rbac.yaml`, 'utf8'));
});

test.after.always(() => plane?.stop());

async function until<T>(read: () => Promise<T>, holds: (value: T) => boolean): Promise<T> {
  for (let tries = 0; ; tries++) {
    const value = await read();
    if (holds(value)) return value;
    if (tries > 400) throw new Error(`Not within 10 s: ${JSON.stringify(value)}`);
    await sleep(25);
  }
}

const edgeNode = (name: string) => plane.must('GET', `${EDGE_NODES}/${name}`);
const lease = (name: string) => plane.must('GET', `${LEASES}/edgenode-${name}`);
const writesOf = (name: string) => (event: AuditEvent) =>
  isForeignWrite(event) && event.userAgent.includes(`(${name} `) && event.resource !== 'leases';

async function l2Statuses(box: string) {
  const { items } = await plane.must('GET', `${L2_STATUSES}?labelSelector=metallb.io/node=${box}`);
  return items as readonly { metadata: { name: string }; status?: Record<string, unknown> }[];
}

// biome-ignore lint/suspicious/noExplicitAny: an object as the server sent it
const conditionOf = (object: any, type: string) =>
  object.status?.conditions?.find((one: { type: string }) => one.type === type);

test.serial('a box makes its EdgeNode, and kubectl shows it', async (t) => {
  const box = await startBox(plane, 'edge-1', { user: SPEAKER });
  const serving = vip('192.0.2.100');
  const withheld = vip('192.0.2.101', { announced: false, servable: false, reason: 'noEndpoints' });
  box.publisher.publish(boxState('edge-1', { vips: [serving, withheld] }));
  const snapshot = await box.sees(({ edgeNodes }) => edgeNodes.get('edge-1')?.alive === true);
  t.like(snapshot.edgeNodes.get('edge-1'), {
    ready: true,
    drain: false,
    labels: { rack: 'a', 'tidegate.io/edge-node': 'edge-1' },
  });
  const object = await edgeNode('edge-1');
  t.like(object.status, {
    observedGeneration: 1,
    heartbeatLease: 'edgenode-edge-1',
    version: '1.2.3',
    roles: ['forwarder', 'speaker'],
    addresses: ['192.0.2.2'],
    capacity: { flows: 1_000_000, servers: 20_000, backends: 200_000 },
    vips: { announced: 1, serving: 1, total: 2 },
    withheld: [{ address: '192.0.2.101', service: 'default/web', reason: 'noEndpoints' }],
  });
  const { metadata, spec } = await lease('edge-1');
  t.is(metadata.ownerReferences[0].uid, object.metadata.uid);
  t.is(spec.leaseDurationSeconds, 2);
  const shown = await plane.kubectl(['get', 'edge']);
  t.regex(shown, /^NAME +READY +ROLES +VIPS +DRAINING +VERSION +/);
  t.regex(shown, /^edge-1 +True +\["forwarder","speaker"\] +1 +False +1\.2\.3 /m);
  await box.stop();
});

test.serial('a box that stops says so: not ready, and its Lease given back', async (t) => {
  const ready = conditionOf(await edgeNode('edge-1'), 'Ready');
  t.like(ready, { status: 'False', reason: 'Stopped' });
  t.is((await lease('edge-1')).spec.holderIdentity ?? '', '');
});

test.serial(
  'a box that is killed and comes back unchanged writes nothing but heartbeats',
  async (t) => {
    const state = boxState('edge-1');
    const before = await startBox(plane, 'edge-1', { user: SPEAKER });
    before.publisher.publish(state);
    await before.sees(({ edgeNodes }) => edgeNodes.get('edge-1')?.ready === true);
    await before.die();
    const known = await edgeNode('edge-1');
    const count = (await plane.audit(writesOf('edge-1'))).length;
    const box = await startBox(plane, 'edge-1', { user: SPEAKER });
    box.publisher.publish(state);
    await box.sees(({ edgeNodes }) => edgeNodes.get('edge-1')?.alive === true);
    await sleep(3 * HEARTBEAT.intervalMs);
    t.is((await plane.audit(writesOf('edge-1'))).length, count);
    t.is((await edgeNode('edge-1')).metadata.resourceVersion, known.metadata.resourceVersion);
    await box.stop();
  },
);

test.serial('another box sees who dies, who comes back, and who stops', async (t) => {
  const [first, second] = await Promise.all(
    ['edge-1', 'edge-2'].map((name) => startBox(plane, name, { user: SPEAKER })),
  );
  if (!first || !second) throw new Error('No boxes');
  first.publisher.publish(boxState('edge-1'));
  second.publisher.publish(boxState('edge-2'));
  const alive = (name: string, is: boolean) =>
    first.sees(({ edgeNodes }) => edgeNodes.get(name)?.alive === is);
  await alive('edge-1', true);
  await alive('edge-2', true);
  await second.die();
  const snapshot = await alive('edge-2', false);
  t.true(snapshot.edgeNodes.get('edge-1')?.alive, 'the one that lives stays alive');
  t.true(snapshot.edgeNodes.get('edge-2')?.ready, 'the object itself says nothing of the death');
  const back = await startBox(plane, 'edge-2', { user: SPEAKER });
  back.publisher.publish(boxState('edge-2'));
  await alive('edge-2', true);
  await back.stop();
  await alive('edge-2', false);
  await first.stop();
});

test.serial('nobody is taken for dead while the API server is away', async (t) => {
  const boxes = await Promise.all(
    ['edge-1', 'edge-2'].map((name) => startBox(plane, name, { user: SPEAKER })),
  );
  for (const [index, box] of boxes.entries()) box.publisher.publish(boxState(`edge-${index + 1}`));
  const [first, second] = boxes;
  if (!first || !second) throw new Error('No boxes');
  const bothAlive = (box: typeof first) =>
    box.sees(({ edgeNodes }) => [...edgeNodes.values()].every(({ alive }) => alive));
  await first.sees(({ edgeNodes }) => edgeNodes.get('edge-2')?.ready === true);
  await bothAlive(first);
  await bothAlive(second);
  await plane.stopApiServer('killed');
  const flips: string[] = [];
  const look = setInterval(() => {
    for (const box of boxes)
      for (const { name, alive } of box.snapshot().edgeNodes.values()) if (!alive) flips.push(name);
  }, 5);
  await sleep(2 * HEARTBEAT.lifetimeMs);
  await plane.startApiServer();
  const since = (await lease('edge-2')).spec.renewTime;
  await until(
    () => lease('edge-2'),
    ({ spec }) => spec.renewTime > since,
  );
  await sleep(HEARTBEAT.lifetimeMs);
  clearInterval(look);
  t.deepEqual(flips, []);
  await Promise.all(boxes.map((box) => box.stop()));
});

test.serial(
  'spec.drain and labels are the operator’s, and the box says what it does',
  async (t) => {
    const box = await startBox(plane, 'edge-1', { user: SPEAKER });
    box.publisher.publish(boxState('edge-1', { vips: [vip('192.0.2.100')] }));
    await box.sees(({ edgeNodes }) => edgeNodes.get('edge-1')?.ready === true);
    await plane.kubectl(['label', 'edge', 'edge-1', 'site=north']);
    await plane.must('PATCH', `${EDGE_NODES}/edge-1`, { spec: { drain: true } }, MERGE_PATCH);
    const draining = await until(
      () => edgeNode('edge-1'),
      (object) => conditionOf(object, 'Draining').status === 'True',
    );
    t.like(conditionOf(draining, 'Draining'), { reason: 'Draining' });
    t.is(draining.status.observedGeneration, draining.metadata.generation);
    const withdrawn = vip('192.0.2.100', { announced: false, reason: 'draining' });
    box.publisher.publish(boxState('edge-1', { labels: { row: 'b' }, vips: [withdrawn] }));
    const drained = await until(
      () => edgeNode('edge-1'),
      (object) => conditionOf(object, 'Draining').reason === 'Drained',
    );
    t.deepEqual(drained.metadata.labels, {
      row: 'b',
      site: 'north',
      'tidegate.io/edge-node': 'edge-1',
    });
    t.deepEqual(drained.spec, { drain: true });
    await plane.must('PATCH', `${EDGE_NODES}/edge-1`, { spec: { drain: false } }, MERGE_PATCH);
    await until(
      () => edgeNode('edge-1'),
      (object) => conditionOf(object, 'Draining').status === 'False',
    );
    await box.stop();
  },
);

test.serial('an EdgeNode or a Lease that is deleted is made again', async (t) => {
  const box = await startBox(plane, 'edge-1', { user: SPEAKER });
  box.publisher.publish(boxState('edge-1'));
  await box.sees(({ edgeNodes }) => edgeNodes.get('edge-1')?.alive === true);
  const { uid } = (await edgeNode('edge-1')).metadata;
  await plane.must('DELETE', `${LEASES}/edgenode-edge-1`);
  await plane.must('DELETE', `${EDGE_NODES}/edge-1`);
  await box.sees(({ edgeNodes }) => {
    const now = edgeNodes.get('edge-1');
    return now !== undefined && now.uid !== uid && now.ready;
  });
  const made = await until(
    () => plane.request('GET', `${LEASES}/edgenode-edge-1`),
    ({ status, body }) => status === 200 && body.metadata.ownerReferences[0].uid !== uid,
  );
  t.is(made.body.metadata.ownerReferences[0].uid, (await edgeNode('edge-1')).metadata.uid);
  await box.stop();
});

test.serial('two boxes of one name are told of each other', async (t) => {
  const [one, other] = await Promise.all(
    ['p1', 'p2'].map((identity) => startBox(plane, 'edge-3', { user: SPEAKER, identity })),
  );
  if (!one || !other) throw new Error('No boxes');
  one.publisher.publish(boxState('edge-3'));
  await one.sees(({ edgeNodes }) => edgeNodes.get('edge-3')?.alive === true);
  other.publisher.publish(boxState('edge-3'));
  const told = await until(
    async () => [...one.log.lines, ...other.log.lines].filter(({ level }) => level === 'error'),
    (lines) => lines.length > 0,
  );
  t.regex(told[0]?.message ?? '', /says that it is this box/);
  await Promise.all([one.stop(), other.stop()]);
});

const WEB = service('web', { uid: 'b2f1c7d6-0000-4000-8000-000000000001' });
const API = service('api', { uid: 'b2f1c7d6-0000-4000-8000-000000000002' });
const announcing = (...services: readonly string[]) =>
  boxState('edge-1', {
    vips: services.map((key, i) => vip(`192.0.2.${100 + i}`, { services: [key] })),
  });

test.serial(
  'without the kind ServiceL2Status a box does the rest, and complains of nothing',
  async (t) => {
    const box = await startBox(plane, 'edge-1', { user: SPEAKER, services: [WEB] });
    box.publisher.publish(announcing('default/web'));
    await box.sees(({ edgeNodes }) => edgeNodes.get('edge-1')?.alive === true);
    await until(
      async () => (await edgeNode('edge-1')).status.vips.announced,
      (count) => count === 1,
    );
    t.deepEqual(
      box.log.lines.filter(({ level }) => level === 'warn' || level === 'error'),
      [],
    );
    t.deepEqual((await plane.must('GET', EVENTS)).items, []);
    await box.stop();
  },
);

test.serial('who announces a Service stands in a ServiceL2Status and in an event', async (t) => {
  const text = readFileSync(`${CONFIG}/crds/metallb/metallb.io_servicel2statuses.yaml`, 'utf8');
  t.is(parseAllDocuments(text).length, 1);
  await plane.apply(text);
  const box = await startBox(plane, 'edge-1', { user: SPEAKER, services: [WEB, API] });
  box.publisher.publish(announcing('default/web', 'default/api'));
  const both = await until(
    () => l2Statuses('edge-1'),
    (items) => items.filter(({ status }) => status !== undefined).length === 2,
  );
  t.true(both.every(({ metadata }) => metadata.name.startsWith('l2-')));
  const about = both.find(({ status }) => status?.['serviceName'] === 'web');
  t.deepEqual(about?.status, {
    node: 'edge-1',
    serviceName: 'web',
    serviceNamespace: 'default',
    interfaces: [{ name: 'eth0' }],
  });
  const { items } = await until(
    () => plane.must('GET', EVENTS),
    (list) => list.items.length === 2,
  );
  t.like(items[0], {
    type: 'Normal',
    reason: 'nodeAssigned',
    message: 'announcing from node "edge-1" with protocol "layer2"',
    source: { component: 'tidegate-speaker', host: 'edge-1' },
  });
  box.publisher.publish(announcing('default/api'));
  await until(
    () => l2Statuses('edge-1'),
    (left) => left.length === 1,
  );
  await box.die();
});

test.serial(
  'who announces a Service by BGP stands in a ServiceBGPStatus, and in an event',
  async (t) => {
    const text = readFileSync(`${CONFIG}/crds/metallb/metallb.io_servicebgpstatuses.yaml`, 'utf8');
    await plane.apply(text);
    const box = await startBox(plane, 'edge-3', { user: SPEAKER, services: [WEB] });
    const announce = (...peers: readonly string[]) => {
      const vips = [vip('192.0.2.100', { interfaces: [], peers })];
      box.publisher.publish(boxState('edge-3', { vips }));
    };
    const stated = async () => {
      const query = 'labelSelector=metallb.io/node=edge-3';
      const { items } = await plane.must('GET', `${BGP_STATUSES}?${query}`);
      return items as readonly { metadata: { name: string }; status?: Record<string, unknown> }[];
    };
    announce('tor-b', 'tor-a');
    const [object] = await until(stated, ([first]) => first?.status !== undefined);
    t.regex(object?.metadata.name ?? '', /^bgp-/);
    t.deepEqual(object?.status, {
      node: 'edge-3',
      serviceName: 'web',
      serviceNamespace: 'default',
      peers: ['tor-a', 'tor-b'],
    });
    t.deepEqual(await l2Statuses('edge-3'), []);
    const message = 'announcing from node "edge-3" with protocol "bgp"';
    await until(
      () => plane.must('GET', EVENTS),
      ({ items }) => items.some((event: { message: string }) => event.message === message),
    );
    announce('tor-b');
    await until(stated, ([first]) => JSON.stringify(first?.status?.['peers']) === '["tor-b"]');
    announce();
    await until(stated, (items) => items.length === 0);
    await box.die();
  },
);

test.serial(
  'a box that comes back writes no status and no event anew, and removes what is stale',
  async (t) => {
    const stale = {
      apiVersion: 'metallb.io/v1beta1',
      kind: 'ServiceL2Status',
      metadata: {
        name: 'l2-old',
        namespace: 'metallb-system',
        labels: {
          'metallb.io/node': 'edge-1',
          'metallb.io/service-name': 'gone',
          'metallb.io/service-namespace': 'default',
        },
      },
    };
    await plane.apply(stale);
    const before = (await plane.audit(writesOf('edge-1'))).length;
    const box = await startBox(plane, 'edge-1', { user: SPEAKER, services: [WEB, API] });
    box.publisher.publish(announcing('default/api'));
    const left = await until(
      () => l2Statuses('edge-1'),
      (items) => items.length === 1,
    );
    t.is(left[0]?.status?.['serviceName'], 'api');
    await sleep(300);
    const written = (await plane.audit(writesOf('edge-1'))).slice(before);
    t.deepEqual(
      written
        .filter(({ resource }) => resource !== 'edgenodes')
        .map(({ verb, name }) => [verb, name]),
      [['delete', 'l2-old']],
    );
    await box.stop();
    t.is((await l2Statuses('edge-1')).length, 1, 'it stays, so that a restart writes nothing');
  },
);

test.serial(
  'an EdgeNode is written once a second at most, however often things change',
  async (t) => {
    const box = await startBox(plane, 'edge-1', { user: SPEAKER });
    const before = (await plane.audit(writesOf('edge-1'))).length;
    for (let i = 0; i < 60; i++) {
      const reason = i % 2 ? 'noEndpoints' : 'backendsFailing';
      const withheld = vip('192.0.2.101', { announced: false, servable: false, reason });
      box.publisher.publish(boxState('edge-1', { vips: [withheld] }));
      await sleep(25);
    }
    await until(
      async () => (await edgeNode('edge-1')).status.withheld?.[0]?.reason,
      (reason) => reason === 'noEndpoints',
    );
    const written = (await plane.audit(writesOf('edge-1'))).slice(before);
    const statuses = written.filter(({ subresource }) => subresource === 'status');
    t.true(statuses.length >= 1 && statuses.length <= 4, `${statuses.length} writes`);
    await box.stop();
  },
);
