import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import type { AuditEvent } from '../../lab/kubernetes/audit-log.ts';
import { isForeignWrite } from '../../lab/kubernetes/audit-log.ts';
import { type ControlPlane, startControlPlane } from '../../lab/kubernetes/control-plane.ts';
import type { Condition } from '../../src/domain/service.ts';
import { service as domainService } from '../support/objects.ts';
import { boxState, startBox, vip } from './boxes.ts';
import { startTestController, type TestController } from './controllers.ts';

/** MetalLB's scenarios of allocation, with a real API server between the controller and the world. */
const DEPLOY = fileURLToPath(new URL('../../config/deploy/', import.meta.url));
const SERVICES = '/api/v1/namespaces/default/services';
const POOLS = '/apis/metallb.io/v1beta1/namespaces/metallb-system/ipaddresspools';
const L2_STATUSES = '/apis/metallb.io/v1beta1/namespaces/metallb-system/servicel2statuses';
const BGP_STATUSES = '/apis/metallb.io/v1beta1/namespaces/metallb-system/servicebgpstatuses';
const peersOf = ({ status }: { readonly status: { readonly peers: string[] } }) => status.peers;
const FINALIZER = 'service.kubernetes.io/load-balancer-cleanup';
const MERGE_PATCH = 'application/merge-patch+json';
const WAIT_MS = 10_000;
/** Longer than anything that is collected before it is written. */
const QUIET_MS = 1500;

let plane: ControlPlane;
let running: TestController | undefined;

test.before(async () => {
  plane = await startControlPlane();
  for (const base of ['metallb-kinds', 'overlays/edge-boxes'])
    await plane.kubectl(['apply', '--server-side', '-k', `${DEPLOY}${base}`]);
  running = await startTestController(plane, 'controller-1');
});

test.after.always(async () => {
  await running?.stop();
  await plane?.stop();
});

test.afterEach.always(async () => {
  const { items } = await plane.must('GET', SERVICES);
  for (const { metadata } of items) {
    if (metadata.name !== 'kubernetes')
      await plane.request('DELETE', `${SERVICES}/${metadata.name}`);
  }
  await plane.request('DELETE', POOLS);
  await until('all is cleaned up', async () => {
    const left = (await plane.must('GET', SERVICES)).items.length;
    return left === 1 ? true : undefined;
  });
});

async function until<T>(what: string, look: () => Promise<T | undefined>): Promise<T> {
  for (const end = Date.now() + WAIT_MS; Date.now() < end; await sleep(20)) {
    const found = await look();
    if (found !== undefined) return found;
  }
  throw new Error(`Not within ${WAIT_MS} ms: ${what}`);
}

interface ServiceSpec {
  readonly annotations?: Record<string, string>;
  readonly spec?: object;
}

async function service(name: string, { annotations = {}, spec = {} }: ServiceSpec = {}) {
  await plane.apply({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: 'default', annotations },
    spec: { type: 'LoadBalancer', ports: [{ name: 'a', port: 80 }], ...spec },
  });
}

async function pool(name: string, addresses: readonly string[], spec: object = {}) {
  await plane.apply({
    apiVersion: 'metallb.io/v1beta1',
    kind: 'IPAddressPool',
    metadata: { name, namespace: 'metallb-system' },
    spec: { addresses, ...spec },
  });
}

const patch = (name: string, body: object) =>
  plane.must('PATCH', `${SERVICES}/${name}`, body, MERGE_PATCH);

const read = async (name: string) => (await plane.request('GET', `${SERVICES}/${name}`)).body;

async function ips(name: string): Promise<string[]> {
  const { status } = await read(name);
  return (status?.loadBalancer?.ingress ?? []).map(({ ip }: { ip: string }) => ip);
}

/** Resolves when the Service has these addresses. */
async function hasIps(name: string, ...wanted: string[]): Promise<void> {
  let last: string[] = [];
  await until(`${name} has ${wanted}`, async () => {
    last = await ips(name);
    return JSON.stringify(last) === JSON.stringify(wanted) ? true : undefined;
  }).catch((error) => {
    throw new Error(`${error.message}; it has ${last}`);
  });
}

async function hasEvent(name: string, type: string, reason: string) {
  const path = `/api/v1/namespaces/default/events?fieldSelector=involvedObject.name=${name}`;
  return until(`${name} has event ${reason}`, async () => {
    const { items } = await plane.must('GET', path);
    return items.find((event: Condition) => event.type === type && event.reason === reason);
  });
}

async function condition(name: string, type: string): Promise<Condition | undefined> {
  const { status } = await read(name);
  return status?.conditions?.find((one: Condition) => one.type === `tidegate.io/${type}`);
}

const ofController = (event: AuditEvent) =>
  isForeignWrite(event) && event.userAgent.includes('(controller)') && event.resource !== 'leases';

test.serial('a Service gets an address, and says so as with MetalLB', async (t) => {
  await pool('first', ['192.0.2.0/30']);
  await service('web');
  await hasIps('web', '192.0.2.0');
  const { metadata, status } = await read('web');
  t.is(metadata.annotations['metallb.io/ip-allocated-from-pool'], 'first');
  t.deepEqual(metadata.finalizers, [FINALIZER]);
  t.is(status.loadBalancer.ingress[0].ipMode, 'VIP');
  t.like(await condition('web', 'Allocated'), { status: 'True', reason: 'IPAllocated' });
  t.like(await condition('web', 'Announced'), { status: 'Unknown', reason: 'noBoxAlive' });
  t.like(await hasEvent('web', 'Normal', 'IPAllocated'), {
    message: 'Assigned IP ["192.0.2.0"]',
    source: { component: 'tidegate-controller' },
  });
  const counts = await until('the pool is counted', async () => {
    const { status: held } = await plane.must('GET', `${POOLS}/first`);
    return held?.assignedIPv4 === 1 ? held : undefined;
  });
  t.is(counts.availableIPv4, 3);
});

test.serial('Services share an address, and part when they may no longer', async (t) => {
  await pool('first', ['192.0.2.0/31']);
  const annotations = { 'metallb.io/allow-shared-ip': 'key' };
  await service('one', { annotations });
  await hasIps('one', '192.0.2.0');
  await service('two', { annotations, spec: { ports: [{ name: 'a', port: 81 }] } });
  await hasIps('two', '192.0.2.0');
  await patch('two', { metadata: { annotations: { 'metallb.io/allow-shared-ip': 'other' } } });
  await hasIps('two', '192.0.2.1');
  t.deepEqual(await ips('one'), ['192.0.2.0']);
});

test.serial('a Service that asks for what cannot be had is told why', async (t) => {
  await pool('first', ['192.0.2.0/31']);
  await service('asks', { annotations: { 'metallb.io/loadBalancerIPs': '10.1.1.1' } });
  const event = await hasEvent('asks', 'Warning', 'AllocationFailed');
  t.regex(event.message, /\["10\.1\.1\.1"\] is not allowed in config/);
  t.like(await condition('asks', 'Allocated'), { status: 'False', reason: 'AllocationFailed' });
});

test.serial('pools come, change and go, and Services move along', async (t) => {
  await service('waits');
  await hasEvent('waits', 'Warning', 'AllocationFailed');
  await pool('first', ['192.0.2.0/31']);
  await hasIps('waits', '192.0.2.0');
  await pool('second', ['198.51.100.0/31']);
  await pool('first', ['192.0.2.1/32']);
  await hasIps('waits', '192.0.2.1');
  await hasEvent('waits', 'Normal', 'ClearAssignment');
  await plane.must('DELETE', `${POOLS}/first`);
  await hasIps('waits', '198.51.100.0');
  await plane.must('DELETE', `${POOLS}/second`);
  await hasIps('waits');
  t.like(await condition('waits', 'Allocated'), { status: 'False' });
});

test.serial('an address moves from one Service to another, never in both', async (t) => {
  await pool('first', ['192.0.2.0/32']);
  await service('one');
  await hasIps('one', '192.0.2.0');
  await service('two');
  await hasEvent('two', 'Warning', 'AllocationFailed');
  await patch('one', { spec: { type: 'ClusterIP' } });
  await hasIps('two', '192.0.2.0');
  const { metadata, status } = await until('it is given back', async () => {
    const object = await read('one');
    return object.metadata.finalizers ? undefined : object;
  });
  t.is(metadata.annotations?.['metallb.io/ip-allocated-from-pool'], undefined);
  t.deepEqual(status, { loadBalancer: {} });
  await patch('one', { spec: { type: 'LoadBalancer' } });
  await hasEvent('one', 'Warning', 'AllocationFailed');
  await plane.must('DELETE', `${SERVICES}/two`);
  await hasIps('one', '192.0.2.0');
});

test.serial('Services of another class are left alone', async (t) => {
  await pool('first', ['192.0.2.0/31']);
  await service('theirs', { spec: { loadBalancerClass: 'example.com/lb' } });
  await service('ours', { spec: { loadBalancerClass: 'tidegate.io/tidegate' } });
  await hasIps('ours', '192.0.2.0');
  t.deepEqual((await read('theirs')).status, { loadBalancer: {} });
  t.is((await read('theirs')).metadata.finalizers, undefined);
});

test.serial(
  'a Service of two families gets both, and the second as soon as there is one',
  async (t) => {
    await pool('first', ['192.0.2.0/31', '2001:db8::/127']);
    await service('dual', { spec: { ipFamilyPolicy: 'RequireDualStack' } });
    await hasIps('dual', '192.0.2.0', '2001:db8::');
    await pool('first', ['192.0.2.0/31']);
    await hasIps('dual');
    await service('prefers', { spec: { ipFamilyPolicy: 'PreferDualStack' } });
    await hasIps('prefers', '192.0.2.0');
    await pool('first', ['192.0.2.0/31', '2001:db8::/127']);
    // Who has nothing comes first.
    await hasIps('dual', '192.0.2.1', '2001:db8::');
    await hasIps('prefers', '192.0.2.0', '2001:db8::1');
    t.pass();
  },
);

test.serial(
  'a Service needs no NodePorts, and one with SCTP says what is not served',
  async (t) => {
    await pool('first', ['192.0.2.0/31']);
    const ports = [
      { name: 'a', port: 80 },
      { name: 'b', port: 36412, protocol: 'SCTP' },
    ];
    await service('sctp', { spec: { allocateLoadBalancerNodePorts: false, ports } });
    await hasIps('sctp', '192.0.2.0');
    const { spec, status } = await read('sctp');
    t.is(spec.ports[0].nodePort, undefined);
    t.deepEqual(status.loadBalancer.ingress[0].ports, [
      { port: 80, protocol: 'TCP' },
      { port: 36412, protocol: 'SCTP', error: 'tidegate.io/ProtocolNotSupported' },
    ]);
    const failed = status.conditions.find(
      ({ type }: Condition) => type === 'LoadBalancerPortsError',
    );
    t.like(failed, { status: 'True', reason: 'LoadBalancerMixedProtocolNotSupported' });
  },
);

test.serial('a status written by hand is taken over where it may be, else replaced', async (t) => {
  await pool('first', ['192.0.2.0/30']);
  await service('hand');
  await hasIps('hand', '192.0.2.0');
  const set = (ip: string) =>
    patch('hand/status', { status: { loadBalancer: { ingress: [{ ip }] } } });
  await set('192.0.2.2');
  await service('next');
  await hasIps('next', '192.0.2.0');
  t.deepEqual(await ips('hand'), ['192.0.2.2']);
  await set('192.0.2.0');
  await hasIps('hand', '192.0.2.1');
  t.deepEqual(await ips('next'), ['192.0.2.0']);
});

test.serial('what MetalLB has given stays as it is', async (t) => {
  await running?.stop();
  await service('migrated', {
    annotations: { 'metallb.universe.tf/ip-allocated-from-pool': 'first' },
  });
  const status = { loadBalancer: { ingress: [{ ip: '192.0.2.3', ipMode: 'VIP' }] } };
  await patch('migrated/status', { status });
  await pool('first', ['192.0.2.0/30']);
  running = await startTestController(plane, 'controller-1');
  await until('it is guarded', async () => (await read('migrated')).metadata.finalizers);
  t.deepEqual(await ips('migrated'), ['192.0.2.3']);
  t.deepEqual((await read('migrated')).metadata.annotations, {
    'metallb.universe.tf/ip-allocated-from-pool': 'first',
  });
});

test.serial('a controller that starts again over unchanged state writes nothing', async (t) => {
  await pool('first', ['192.0.2.0/30']);
  for (const [index, name] of ['one', 'two', 'three', 'four'].entries()) {
    await service(name);
    await hasIps(name, `192.0.2.${index}`);
  }
  await service('fails');
  await hasEvent('fails', 'Warning', 'AllocationFailed');
  await sleep(QUIET_MS);
  await running?.stop();
  const before = (await plane.audit(ofController)).length;
  running = await startTestController(plane, 'controller-1');
  await until('it leads', async () => running?.controller.allocation());
  await sleep(QUIET_MS);
  const after = await plane.audit(ofController);
  t.deepEqual(
    after.slice(before).map(({ verb, resource, name }) => `${verb} ${resource} ${name}`),
    [],
  );
  t.deepEqual(await ips('two'), ['192.0.2.1']);
});

test.serial('of two controllers one writes, and the other goes on when it stops', async (t) => {
  const second = await startTestController(plane, 'controller-2');
  t.teardown(() => second.stop());
  await until('it stands by', async () => {
    const { reason } = second.controller.readiness();
    return /^Standing by; "controller-1.*" leads$/.test(reason) || undefined;
  });
  t.true(second.controller.readiness().ready);
  await pool('first', ['192.0.2.0/30']);
  await service('one');
  await hasIps('one', '192.0.2.0');
  t.is(second.controller.allocation(), undefined);
  await running?.stop();
  await service('two');
  await hasIps('two', '192.0.2.1');
  await second.stop();
  running = await startTestController(plane, 'controller-1');
  t.deepEqual(await ips('one'), ['192.0.2.0']);
});

test.serial(
  'the address of a deleted Service stays until its box has stopped announcing',
  async (t) => {
    await pool('first', ['192.0.2.0/32']);
    await service('leaving');
    await hasIps('leaving', '192.0.2.0');
    const box = await startBox(plane, 'edge-1', {
      user: { serviceAccount: { namespace: 'tidegate-system', name: 'tidegate-speaker' } },
      services: [domainService('leaving', { uid: (await read('leaving')).metadata.uid })],
    });
    t.teardown(() => box.stop());
    const announce = (fields: { interfaces: string[]; peers: string[] }) => {
      const services = ['default/leaving'];
      const vips = [vip('192.0.2.0', { services, ...fields })];
      box.publisher.publish(boxState('edge-1', { vips }));
    };
    announce({ interfaces: ['eth0'], peers: ['tor-a'] });
    const says = await until('it is announced', async () => {
      const found = await condition('leaving', 'Announced');
      return found?.status === 'True' ? found : undefined;
    });
    const both = '192.0.2.0 by edge-1 (eth0; BGP peer tor-a)';
    if (says.message !== both)
      await until('both ways are told', async () => {
        const found = await condition('leaving', 'Announced');
        return found?.message === both ? found : undefined;
      });
    t.like(await condition('leaving', 'Serving'), { status: 'True' });
    await service('next');
    await hasEvent('next', 'Warning', 'AllocationFailed');
    await plane.must('DELETE', `${SERVICES}/leaving`);
    await sleep(500);
    t.truthy((await read('leaving')).metadata.deletionTimestamp);
    t.deepEqual([await ips('leaving'), await ips('next')], [['192.0.2.0'], []]);
    // Routers may still send to it, though nobody asks for its MAC address any more.
    announce({ interfaces: [], peers: ['tor-a'] });
    await until('the first way has ended', async () => {
      const { items } = await plane.must('GET', L2_STATUSES);
      return items.length === 0 || undefined;
    });
    await sleep(500);
    const peers = (await plane.must('GET', BGP_STATUSES)).items.map(peersOf);
    t.deepEqual(peers, [['tor-a']]);
    t.deepEqual([await ips('leaving'), await ips('next')], [['192.0.2.0'], []]);
    box.publisher.publish(boxState('edge-1'));
    await hasIps('next', '192.0.2.0');
    t.is((await plane.request('GET', `${SERVICES}/leaving`)).status, 404);
    const statuses = (await plane.must('GET', BGP_STATUSES)).items;
    t.deepEqual(statuses, []);
  },
);
