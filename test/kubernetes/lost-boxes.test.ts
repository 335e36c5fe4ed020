import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { type AuditEvent, isForeignWrite } from '../../lab/kubernetes/audit-log.ts';
import { type ControlPlane, startControlPlane } from '../../lab/kubernetes/control-plane.ts';
import { type FaultProxy, startFaultProxy } from '../../lab/kubernetes/fault-proxy.ts';
import { watchLostBoxes } from '../../src/cluster/kubernetes/box/lost-boxes.ts';
import { openConnection } from '../../src/cluster/kubernetes/transport/connection.ts';
import type { Clock } from '../../src/domain/clock.ts';
import { realClock } from '../../src/system/real-clock.ts';
import { recordingLog } from '../support/recording-log.ts';
import { boxState, vip } from './boxes.ts';
import { startTestController, type TestController } from './controllers.ts';
import { type RealBox, startRealBox } from './real-box.ts';

/** What the controller that leads says of boxes that cannot speak, and how they take it back. */
const DEPLOY = fileURLToPath(new URL('../../config/deploy/', import.meta.url));
const EDGE_NODES = '/apis/tidegate.io/v1alpha1/edgenodes';
const LEASES = '/apis/coordination.k8s.io/v1/namespaces/tidegate-system/leases';
const L2_STATUSES = '/apis/metallb.io/v1beta1/namespaces/metallb-system/servicel2statuses';
const SPEAKER = {
  serviceAccount: { namespace: 'tidegate-system', name: 'tidegate-speaker' },
} as const;
const WAIT_MS = 20_000;
/** Longer than anything that is collected before it is written, and than a look. */
const QUIET_MS = 1500;
/** A minute is two seconds. */
const FASTER = 30;
const FAST_CLOCK: Clock = {
  wallMs: realClock.wallMs,
  monotonicMs: () => realClock.monotonicMs() * FASTER,
  after: (delayMs, run) => realClock.after(delayMs / FASTER, run),
};

let plane: ControlPlane;
let proxy: FaultProxy;
const controllers: TestController[] = [];
const boxes = new Map<string, RealBox>();

test.before(async () => {
  plane = await startControlPlane();
  for (const base of ['metallb-kinds', 'overlays/edge-boxes'])
    await plane.kubectl(['apply', '--server-side', '-k', `${DEPLOY}${base}`]);
  proxy = await startFaultProxy(plane);
  for (const name of ['controller-1', 'controller-2'])
    controllers.push(await startTestController(plane, name));
});

test.after.always(async () => {
  await Promise.all([...boxes.values()].map((box) => box.end()));
  await Promise.all(controllers.map((one) => one.stop()));
  await proxy?.stop();
  await plane?.stop();
});

/** What a speaker runs to tell the cluster of its box. */
async function startBox(name: string, kubeconfig: string): Promise<RealBox> {
  const box = await startRealBox(plane, name, kubeconfig);
  boxes.set(name, box);
  return box;
}

async function until<T>(what: string, look: () => Promise<T | undefined>): Promise<T> {
  for (const end = Date.now() + WAIT_MS; Date.now() < end; await sleep(25)) {
    const found = await look();
    if (found !== undefined) return found;
  }
  const views = controllers.map(({ source, log }) => ({
    leads: source.leadership.leads(),
    boxes: [...source.current().edgeNodes.values()],
    said: log.lines.filter(({ level }) => level !== 'debug').map(({ message }) => message),
  }));
  throw new Error(`Not within ${WAIT_MS} ms: ${what}; ${JSON.stringify(views)}`);
}

// biome-ignore lint/suspicious/noExplicitAny: an object as the server sent it
const conditionOf = (object: any, type: string) =>
  object.status?.conditions?.find((one: { type: string }) => one.type === type);

const ready = (name: string, status: string) =>
  until(`Ready of ${name} is ${status}`, async () => {
    const { body } = await plane.request('GET', `${EDGE_NODES}/${name}`);
    return conditionOf(body, 'Ready')?.status === status ? body : undefined;
  });

const seenAlive = (name: string) =>
  until(
    `${name} is seen alive`,
    async () =>
      controllers.every(({ source }) => source.current().edgeNodes.get(name)?.alive) || undefined,
  );

/** Those whose status is written, by the names of box and Service. */
async function announcers(): Promise<string[]> {
  const { items } = await plane.must('GET', L2_STATUSES);
  return (items as { status?: { node: string; serviceName: string } }[])
    .flatMap(({ status }) => (status ? [`${status.node} ${status.serviceName}`] : []))
    .sort();
}

const announced = (...wanted: string[]) =>
  until(`announced: ${wanted}`, async () =>
    String(await announcers()) === String(wanted) ? true : undefined,
  );

/** What the controllers did to boxes' objects. */
async function words(): Promise<string[]> {
  const isWord = (event: AuditEvent) =>
    isForeignWrite(event) &&
    event.userAgent.includes('(controller)') &&
    ['edgenodes', 'servicel2statuses'].includes(event.resource);
  return (await plane.audit(isWord)).map(({ verb, name }) => `${verb} ${name}`).sort();
}

const announcing = (box: string, ...services: readonly string[]) =>
  boxState(box, {
    vips: services.map((name, i) => vip(`192.0.2.${i}`, { services: [`default/${name}`] })),
  });

/** A ServiceL2Status that no process of this test keeps. */
async function abandoned(name: string, node: string, owner: object) {
  const ownerReferences = [{ name: node, uid: '6d5ab2c0-0000-4000-8000-000000000001', ...owner }];
  const metadata = { name, namespace: 'metallb-system', ownerReferences };
  const apiVersion = 'metallb.io/v1beta1';
  await plane.must('POST', L2_STATUSES, { apiVersion, kind: 'ServiceL2Status', metadata });
  const status = { node, serviceName: 'old', serviceNamespace: 'default', interfaces: [] };
  const path = `${L2_STATUSES}/${name}/status`;
  await plane.must('PATCH', path, { status }, 'application/merge-patch+json');
}

test.serial('a box that is cut off is lost, until it is back and says all again', async (t) => {
  const [cut, other] = await Promise.all([
    startBox('edge-1', await proxy.kubeconfigFor(SPEAKER)),
    startBox('edge-2', await plane.kubeconfigFor(SPEAKER)),
  ]);
  cut.publisher.publish(announcing('edge-1', 'web', 'api'));
  other.publisher.publish(announcing('edge-2', 'mail'));
  await abandoned('l2-gone', 'edge-9', { apiVersion: 'tidegate.io/v1alpha1', kind: 'EdgeNode' });
  await abandoned('l2-metallb', 'worker-1', { apiVersion: 'v1', kind: 'Pod' });
  await announced('edge-1 api', 'edge-1 web', 'edge-2 mail', 'edge-9 old', 'worker-1 old');
  const before = await ready('edge-1', 'True');
  t.deepEqual(await words(), []);

  await proxy.down();
  const lost = await ready('edge-1', 'Unknown');
  const { renewTime } = (await plane.must('GET', `${LEASES}/edgenode-edge-1`)).spec;
  t.is(conditionOf(lost, 'Ready').reason, 'HeartbeatLost');
  t.true(conditionOf(lost, 'Ready').message.startsWith(`No heartbeat since ${renewTime}. `));
  t.deepEqual(conditionOf(lost, 'Draining'), conditionOf(before, 'Draining'));
  const { conditions: _, ...kept } = lost.status;
  t.like(before.status, kept);
  t.regex(await plane.kubectl(['get', 'edge', 'edge-1']), /^edge-1 +Unknown /m);
  await sleep(QUIET_MS);
  t.deepEqual(await words(), ['patch edge-1'], 'once, and not by the standby');

  const [controller] = controllers;
  if (!controller) throw new Error('No controller');
  const log = recordingLog();
  const connection = await openConnection({
    kubeconfig: await plane.kubeconfigFor({
      serviceAccount: { namespace: 'tidegate-system', name: 'tidegate-controller' },
    }),
    ...{ context: undefined, userAgent: 'tidegate/test (controller)', clock: realClock, log },
  });
  const aMinuteLater = watchLostBoxes({
    ...{ connection, namespace: 'tidegate-system', metallbNamespace: 'metallb-system' },
    current: controller.source.current,
    leads: () => controllers.some(({ source }) => source.leadership.leads()),
    // So long that only the statuses are its affair.
    intervalMs: 120_000,
    ...{ clock: FAST_CLOCK, log },
  });
  await announced('edge-2 mail', 'worker-1 old');
  t.is((await words()).filter((word) => word.startsWith('delete l2-')).length, 3);

  const said = (await words()).length;
  await proxy.up();
  await ready('edge-1', 'True');
  await seenAlive('edge-1');
  await announced('edge-1 api', 'edge-1 web', 'edge-2 mail', 'worker-1 old');
  await sleep(QUIET_MS);
  await announced('edge-1 api', 'edge-1 web', 'edge-2 mail', 'worker-1 old');
  t.is((await words()).length, said, 'nobody contradicts it');
  await aMinuteLater.stop();
  await connection.close();
  t.deepEqual(
    log.lines.filter(({ level }) => level === 'warn'),
    [],
  );
});

test.serial('a box that was killed is lost, and ready again when it is started anew', async (t) => {
  const said = await words();
  const kubeconfig = await plane.kubeconfigFor(SPEAKER);
  await boxes.get('edge-1')?.end();
  await ready('edge-1', 'Unknown');
  const anew = await startBox('edge-1', kubeconfig);
  anew.publisher.publish(announcing('edge-1', 'web', 'api'));
  await ready('edge-1', 'True');
  await seenAlive('edge-1');
  await sleep(QUIET_MS);
  t.deepEqual(await words(), [...said, 'patch edge-1']);
  t.is(conditionOf(await ready('edge-1', 'True'), 'Ready').reason, 'Ready');
});
