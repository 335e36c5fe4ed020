import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import {
  addPod,
  buildEdgeSite,
  type EdgeSite,
  type Pod,
  type Worker,
} from '../../lab/edge-site.ts';
import { createLab, type Lab } from '../../lab/lab.ts';
import { type Box, createBox, POOL, serve, serviceManifest, tcpFrom, until } from './box.ts';

/** Two Nodes that route their Pods and announce them to nobody: the box knows the way by itself. */
const V4 = '192.0.2.100';
const V6 = '2001:db8:f::100';

let lab: Lab;
let site: EdgeSite;
let pods: readonly Pod[];
let box: Box;

test.before(async () => {
  lab = createLab();
  site = buildEdgeSite(lab);
  for (const { podNetworks } of site.workers) {
    site.edge.ip(...podNetworks.map((network) => `route del ${network}`));
  }
  pods = site.workers.map((worker, index) => addPod(lab, worker, `pod-${index + 1}`, 11 + index));
  for (const { host, name } of pods) await serve(host, name, 8080);
  box = createBox(lab, site);
  box.write('pool', POOL);
  box.write('web', serviceManifest('web', pods, { address: V4 }));
  box.write('web6', serviceManifest('web6', pods, { address: V6 }));
  writeNodes();
});

test.after.always(() => lab?.remove());

test.serial('explain says that only the default route leads to Pods, and what to do', async (t) => {
  await box.start();
  await until('the Pods are missed', async () => (await explain()).includes('default route'));
  const text = await explain();
  t.regex(text, /Only the default route leads to it, by way of 192\.0\.2\.1/);
  t.regex(text, /set forwarder\.podRoutes to auto/);
  t.deepEqual(ourRoutes(), []);
  site.edge.ip('route del default');
  await until('no route is left', async () => (await explain()).includes('No route to it'));
  t.regex(await explain(), /No route to it \(ENETUNREACH\); add one; for Pods, set forwarder/);
  site.edge.ip('route add default via 192.0.2.1');
  await box.stop('SIGTERM');
});

test.serial('podRoutes auto: routes to the Pods of each Node, both families', async (t) => {
  box.configure({ forwarder: 'podRoutes: auto' });
  await box.start();
  await untilAnsweredBy(V4, ['pod-1', 'pod-2']);
  await untilAnsweredBy(V6, ['pod-1', 'pod-2']);
  t.deepEqual(ourRoutes(), [
    '10.244.1.0/24 via 10.10.0.11',
    '10.244.2.0/24 via 10.10.0.12',
    'fd00:244:1::/64 via fd00:10::11',
    'fd00:244:2::/64 via fd00:10::12',
  ]);
  t.is((await box.ask('status')).code, 0);
});

test.serial('kill -9 leaves them, and the next start takes them over without a gap', async (t) => {
  const changes = site.edge.start(['ip', 'monitor', 'route']);
  const job = { port: 80, connections: 20, parallel: 20, bytes: 40_000, pieces: 40, pauseMs: 60 };
  const transfers = Promise.all([V4, V6].map((host) => tcpFrom(site.client, { ...job, host })));
  await sleep(500);
  await box.stop('SIGKILL');
  t.is(ourRoutes().length, 4);
  await box.start();
  for (const { good, failures } of await transfers) {
    t.deepEqual({ good, failures }, { good: 20, failures: [] });
  }
  await changes.stop();
  t.false(changes.output().includes('Deleted'), changes.output());
});

test.serial(
  'a network that changes is replaced, the new route before the old one goes',
  async (t) => {
    const changes = site.edge.start(['ip', 'monitor', 'route']);
    await sleep(100);
    writeNodes({ 'worker-1': ['10.244.0.0/23', 'fd00:244:1::/64'] });
    await until(
      'the new one is there',
      async () => ourRoutes()[0]?.startsWith('10.244.0.0/23') ?? false,
    );
    await until('the old one is gone', async () => ourRoutes().length === 4);
    await untilAnsweredBy(V4, ['pod-1', 'pod-2']);
    await changes.stop();
    const seen = changes
      .output()
      .split('\n')
      .filter((line) => line.includes('proto 74'));
    t.is(
      seen.findIndex((line) => line.startsWith('10.244.0.0/23 via 10.10.0.11')),
      0,
    );
    t.true(seen[1]?.startsWith('Deleted 10.244.1.0/24'), seen.join('\n'));
    writeNodes();
    await until(
      'it is as before',
      async () => ourRoutes()[0]?.startsWith('10.244.1.0/24') ?? false,
    );
  },
);

test.serial(
  'what somebody takes away is put back, also after its interface was down',
  async (t) => {
    site.edge.ip('route del 10.244.1.0/24');
    await until('it is back', async () => ourRoutes().length === 4);
    site.edge.ip('link set back down');
    t.true(ourRoutes().length < 4);
    site.edge.ip('link set back up', 'addr replace fd00:10::1/64 dev back nodad');
    await until('all are back', async () => ourRoutes().length === 4);
    await untilAnsweredBy(V4, ['pod-1', 'pod-2']);
    t.pass();
  },
);

test.serial('the route of somebody else is left as it is, and said', async (t) => {
  site.edge.ip('route add 10.244.1.0/24 via 10.10.0.12 proto bird metric 32');
  await until('ours is gone', async () => !ourRoutes().join().includes('10.244.1.0/24'));
  const { stdout } = await box.ask('status');
  t.regex(stdout, /10\.244\.1\.0\/24 of Node worker-1 is left as it is/);
  t.regex(
    site.edge.run(['ip', 'route', 'show', '10.244.1.0/24']),
    /via 10\.10\.0\.12 .*proto bird/,
  );
  site.edge.ip('route del 10.244.1.0/24 proto bird');
  await until('ours is back', async () => ourRoutes().length === 4);
  t.is(ourRoutes()[0], '10.244.1.0/24 via 10.10.0.11');
});

test.serial('a Node behind a router is said, and not routed', async (t) => {
  site.edge.ip('route add 10.20.0.0/24 via 10.10.0.12');
  box.write('far', nodeManifest('far', ['10.20.0.9'], ['10.244.9.0/24']));
  const said = async () => (await box.ask('status')).stdout.replace(/\s+/g, ' ');
  await until('it is said', async () => (await said()).includes('behind a router'));
  t.regex(await said(), /Node far \(10\.20\.0\.9\) is behind a router: 10\.10\.0\.12 leads to it/);
  t.is(ourRoutes().length, 4);
  box.write('far', '');
  await until('it is forgotten', async () => !(await said()).includes('behind a router'));
});

test.serial('a Node that goes while nobody runs has no route after the next start', async (t) => {
  await box.stop('SIGKILL');
  box.write('worker-2', '');
  await box.start();
  await until('it is gone', async () => ourRoutes().length === 2);
  t.deepEqual(ourRoutes(), ['10.244.1.0/24 via 10.10.0.11', 'fd00:244:1::/64 via fd00:10::11']);
  writeNodes();
  await until('it is back', async () => ourRoutes().length === 4);
  await untilAnsweredBy(V4, ['pod-1', 'pod-2']);
});

test.serial('stopping takes them away, and open connections go on by the program', async (t) => {
  const job = { port: 80, connections: 20, parallel: 20, bytes: 40_000, pieces: 40, pauseMs: 60 };
  const transfers = Promise.all([V4, V6].map((host) => tcpFrom(site.client, { ...job, host })));
  await sleep(500);
  await box.stop('SIGTERM');
  t.deepEqual(ourRoutes(), []);
  await sleep(300);
  await box.start();
  for (const { good, failures } of await transfers) {
    t.deepEqual({ good, failures }, { good: 20, failures: [] });
  }
  await until('they are back', async () => ourRoutes().length === 4);
  t.false(box.output().includes('Backend is down'), box.output());
});

test.serial('detach, and a start with podRoutes off, take away what kill -9 left', async (t) => {
  await box.stop('SIGKILL');
  t.is(ourRoutes().length, 4);
  box.configure({});
  await box.start();
  t.deepEqual(ourRoutes(), []);
  await box.stop('SIGTERM');
  box.configure({ forwarder: 'podRoutes: auto' });
  await box.start();
  await until('they are there', async () => ourRoutes().length === 4);
  await box.stop('SIGKILL');
  t.is((await box.ask('detach')).code, 0);
  t.deepEqual(ourRoutes(), []);
});

/** Of both families, by network. */
function ourRoutes(): string[] {
  const routes = ['-4', '-6'].flatMap((family) => {
    return JSON.parse(site.edge.run(['ip', family, '-j', 'route', 'show', 'proto', '74']));
  });
  return routes
    .map(({ dst, gateway }: { dst: string; gateway: string }) => `${dst} via ${gateway}`)
    .sort();
}

/** The words of `tidegate explain`, without line breaks. */
async function explain(): Promise<string> {
  const { stdout } = await box.ask('explain', 'service', 'default/web');
  return stdout.replace(/\s+/g, ' ');
}

async function untilAnsweredBy(vip: string, names: readonly string[]): Promise<void> {
  await until(`${names.join(' and ')} answer at ${vip}`, async () => {
    const job = { host: vip, port: 80, connections: 40, parallel: 8, bytes: 10 };
    const { failures, answeredBy } = await tcpFrom(site.client, job);
    return failures.length === 0 && Object.keys(answeredBy).sort().join() === names.join();
  });
}

/** All Nodes, with other Pod networks where said. */
function writeNodes(others: Readonly<Record<string, readonly string[]>> = {}): void {
  for (const { host, addresses, podNetworks } of site.workers satisfies readonly Worker[]) {
    const networks = others[host.name] ?? podNetworks;
    box.write(host.name, nodeManifest(host.name, addresses, networks));
  }
}

function nodeManifest(
  name: string,
  addresses: readonly string[],
  podCIDRs: readonly string[],
): string {
  const listed = addresses.map((address) => ({ type: 'InternalIP', address }));
  return `apiVersion: v1
kind: Node
metadata: { name: ${name} }
spec: { podCIDRs: ${JSON.stringify(podCIDRs)} }
status:
  addresses: ${JSON.stringify(listed)}
  conditions: [{ type: Ready, status: "True" }]
`;
}
