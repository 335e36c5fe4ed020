import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { isForeignWrite } from '../../lab/kubernetes/audit-log.ts';
import { createServices } from '../../lab/kubernetes/bulk.ts';
import { type ControlPlane, startControlPlane } from '../../lab/kubernetes/control-plane.ts';
import { startTestController, type TestController } from './controllers.ts';

/** A cluster so large that a list has several pages and a pass of the controller many batches. */
const COUNT = 2000;
const DEPLOY = fileURLToPath(new URL('../../config/deploy/', import.meta.url));
const SERVICES = '/api/v1/namespaces/default/services';
const POOL = '/apis/metallb.io/v1beta1/namespaces/metallb-system/ipaddresspools/all';
const WAIT_MS = 60_000;
const POLL_MS = 250;
/** Longer than anything that is collected before it is written. */
const QUIET_MS = 2500;

let plane: ControlPlane;
let running: TestController | undefined;

test.before(async () => {
  plane = await startControlPlane();
  for (const base of ['metallb-kinds', 'overlays/edge-boxes']) {
    await plane.kubectl(['apply', '--server-side', '-k', `${DEPLOY}${base}`]);
  }
  await plane.apply({
    apiVersion: 'metallb.io/v1beta1',
    kind: 'IPAddressPool',
    metadata: { name: 'all', namespace: 'metallb-system' },
    spec: { addresses: ['198.18.0.0/16'] },
  });
  await createServices(plane, { count: COUNT, endpoints: 0 });
});

test.after.always(async () => {
  await running?.stop();
  await plane?.stop();
});

async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  for (const endMs = Date.now() + WAIT_MS; Date.now() < endMs; await sleep(POLL_MS)) {
    if (await holds()) return;
  }
  throw new Error(`Not within ${WAIT_MS} ms: ${what}`);
}

/** Address of each Service, in the order of their names. */
async function addresses(): Promise<readonly string[]> {
  const { items } = await plane.must('GET', SERVICES);
  return items.flatMap(({ status }: { status: Status }) =>
    (status.loadBalancer.ingress ?? []).map(({ ip }) => ip),
  );
}

interface Status {
  readonly loadBalancer: { readonly ingress?: readonly { readonly ip: string }[] };
}

/** How often the controller wrote to each kind since then, besides renewing its Lease. */
async function writesSince(sinceMs: number): Promise<Readonly<Record<string, number>>> {
  const writes = await plane.audit(
    (event) => isForeignWrite(event) && event.atMs >= sinceMs && event.resource !== 'leases',
  );
  const byResource = Map.groupBy(writes, ({ resource }) => resource);
  return Object.fromEntries([...byResource].map(([name, events]) => [name, events.length]));
}

test.serial('each of 2,000 Services gets an address of its own, in two writes', async (t) => {
  const sinceMs = Date.now();
  running = await startTestController(plane, 'controller-1');
  await until('all have one', async () => (await addresses()).length === COUNT);
  await sleep(QUIET_MS);
  t.is(new Set(await addresses()).size, COUNT);
  t.is((await plane.must('GET', POOL)).status.assignedIPv4, COUNT);
  // Nobody knows whether there was a leader before: the first write sees to it that nothing of it arrives.
  t.is((await writesSince(sinceMs))['services'], 2 * COUNT);
});

test.serial('a controller that starts again writes nothing, and leads', async (t) => {
  await running?.stop();
  const [before, sinceMs] = [await addresses(), Date.now()];
  running = await startTestController(plane, 'controller-1');
  const { source, controller } = running;
  await until('it leads', () => source.leadership.leads());
  await until('it has planned', () => controller.allocation() !== undefined);
  await sleep(QUIET_MS);
  t.deepEqual(await writesSince(sinceMs), {});
  t.deepEqual(await addresses(), before);
});
