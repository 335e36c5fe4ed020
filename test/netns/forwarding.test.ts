import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { addPod, buildEdgeSite, type EdgeSite, type Pod } from '../../lab/edge-site.ts';
import type { Host } from '../../lab/host.ts';
import { createLab, type Lab } from '../../lab/lab.ts';
import type { LabProcess } from '../../lab/process.ts';
import { formatMac, parseMac } from '../../src/domain/mac.ts';
import type { ForwarderSettings } from '../../src/forwarder/settings.ts';
import type { ClusterFile, ForwarderStatus } from './forwarder-process.ts';
import type { TcpJob, TrafficResult, UdpJob } from './traffic.ts';

/**
 * The forwarder on an edge box between a router and two worker nodes: real sockets, real kernels'
 * stacks at both ends. Backends are Pods (behind their node, a router) and a node itself (on the link).
 */
const program = (name: string) => fileURLToPath(new URL(`${name}.ts`, import.meta.url));
const VIPS = ['192.0.2.100', '2001:db8:f::100'] as const;
const OTHER_VIP = '192.0.2.101';

let lab: Lab;
let site: EdgeSite;
let pods: readonly Pod[];
let forwarder: LabProcess;
let cluster: ClusterFile;

test.before(async () => {
  lab = createLab();
  site = buildEdgeSite(lab);
  pods = [
    addPod(lab, site.workers[0], 'pod-a', 11),
    addPod(lab, site.workers[1], 'pod-b', 12),
    addPod(lab, site.workers[1], 'pod-c', 13),
  ];
  const hosts: Host[] = [...pods.map(({ host }) => host), site.workers[0].host];
  const servers = hosts.map((host) => startProgram(host, 'traffic', ['serve', host.name, '8080']));
  await Promise.all(servers.map((server) => server.prints(/LISTENING/)));
  const [a, b, c] = pods.map((pod) => pod.addresses) as [Pair, Pair, Pair];
  setCluster({
    web: { addresses: VIPS, port: 80, endpoints: [...a, ...b] },
    other: {
      addresses: [OTHER_VIP, '2001:db8:f::101'],
      port: 80,
      endpoints: [c[0], ...site.workers[0].addresses],
    },
  });
  announce();
  forwarder = await startForwarder();
});

test.after.always(() => lab?.remove());

type Pair = readonly [string, string];

for (const vip of VIPS) {
  test.serial(`2,000 TCP connections to ${vip} arrive whole, at both backends`, async (t) => {
    const job = { host: vip, port: 80, connections: 2000, parallel: 50, bytes: 8000 };
    const result = await tcp(job);
    t.deepEqual({ good: result.good, failures: result.failures }, { good: 2000, failures: [] });
    for (const pod of ['pod-a', 'pod-b']) t.true((result.answeredBy[pod] ?? 0) > 700, pod);
  });

  test.serial(`large transfers through ${vip} arrive whole in both directions`, async (t) => {
    const megabytes = 24;
    const result = await tcp({
      host: vip,
      port: 80,
      connections: 2,
      parallel: 2,
      bytes: megabytes * 2 ** 20,
    });
    t.deepEqual(result.failures, []);
    t.is(result.good, 2);
  });

  test.serial(`UDP through ${vip} goes both ways, a flow always to one backend`, async (t) => {
    const result = await udp({ host: vip, port: 80, sockets: 60, datagrams: 5 });
    t.deepEqual({ good: result.good, failures: result.failures }, { good: 300, failures: [] });
    t.deepEqual(Object.keys(result.answeredBy).sort(), ['pod-a', 'pod-b']);
  });
}

test.serial('a backend on the link and one behind a router serve the same Service', async (t) => {
  const result = await tcp({
    host: OTHER_VIP,
    port: 80,
    connections: 100,
    parallel: 5,
    bytes: 100,
  });
  t.is(result.good, 100);
  t.deepEqual(Object.keys(result.answeredBy).sort(), ['pod-c', 'worker-1']);
});

test.serial('an endpoint that is added is written alone', async (t) => {
  const before = await statusOf(forwarder);
  const pod = pods[2]?.addresses[0] as string;
  const web = cluster['web'] as ClusterFile[string];
  setCluster({ ...cluster, web: { ...web, endpoints: [...web.endpoints, pod] } });
  await t.notThrowsAsync(forwarder.prints(/"revision":2,"objects":2/));
  const after = await statusOf(forwarder);
  // One TCP and one UDP server of the IPv4 address; the other address and the other Service rest.
  t.deepEqual(difference(before, after), { vips: 2, servers: 0, backends: 2, rings: 2 });
  const result = await tcp({ host: VIPS[0], port: 80, connections: 300, parallel: 10, bytes: 100 });
  t.deepEqual(Object.keys(result.answeredBy).sort(), ['pod-a', 'pod-b', 'pod-c']);
});

test.serial('an endpoint that is removed gets no new flows, and its open ones go on', async (t) => {
  const job = { host: VIPS[0], port: 80, connections: 30, parallel: 30, bytes: 3000 };
  const open = tcp({ ...job, pieces: 30, pauseMs: 50 });
  await sleep(500);
  const web = cluster['web'] as ClusterFile[string];
  const [a, b] = pods.map((pod) => pod.addresses) as [Pair, Pair];
  setCluster({ ...cluster, web: { ...web, endpoints: [...a, ...b] } });
  await forwarder.prints(/"revision":3/);
  const { flows } = await statusOf(forwarder);
  t.true(
    flows.some((flow) => flow.endsWith(pods[2]?.addresses[0] as string)),
    flows.join(),
  );
  const later = await tcp({ ...job, connections: 100 });
  t.deepEqual(Object.keys(later.answeredBy).sort(), ['pod-a', 'pod-b']);
  const result = await open;
  t.deepEqual({ good: result.good, failures: result.failures }, { good: 30, failures: [] });
  t.true((result.answeredBy['pod-c'] ?? 0) > 0);
});

test.serial('a neighbour that changes its MAC address is followed', async (t) => {
  const { host, addresses } = site.workers[0];
  const mac = parseMac('02:00:00:00:be:ef') as number;
  const sawMac = async () => {
    const status = await statusOf(forwarder);
    return addresses.every((each) => hopOf(status, each)['destinationMac'] === mac);
  };
  t.false(await sawMac());
  // As a host does that takes over another's address; by itself Linux is silent.
  host.sysctl({ 'ipv4/conf/eth0/arp_notify': 1, 'ipv6/conf/eth0/ndisc_notify': 1 });
  const startedMs = performance.now();
  host.ip(`link set eth0 address ${formatMac(mac as never)}`);
  await waitFor(sawMac);
  t.log(`in the maps after ${Math.round(performance.now() - startedMs)} ms`);
  const result = await tcp({ host: OTHER_VIP, port: 80, connections: 50, parallel: 5, bytes: 100 });
  t.deepEqual({ good: result.good, failures: result.failures }, { good: 50, failures: [] });
});

test.serial('a route that leads another way is followed', async (t) => {
  const [first, second] = site.workers;
  const pod = pods[1]?.addresses[0] as string;
  const macOf = async (address: string) =>
    hopOf(await statusOf(forwarder), address)['destinationMac'];
  const direct = await macOf(pod);
  site.edge.ip(`route replace 10.244.2.0/24 via ${first.addresses[0]}`);
  await waitFor(async () => (await macOf(pod)) === (await macOf(first.addresses[0])));
  t.not(await macOf(pod), direct);
  const result = await tcp({ host: VIPS[0], port: 80, connections: 50, parallel: 5, bytes: 100 });
  t.deepEqual({ good: result.good, failures: result.failures }, { good: 50, failures: [] });
  site.edge.ip(`route replace 10.244.2.0/24 via ${second.addresses[0]}`);
  await waitFor(async () => (await macOf(pod)) === direct);
});

test.serial(
  'an interface that comes, goes and comes again carries the program each time',
  async (t) => {
    const { edge, client } = site;
    const modeOfExtra = async () =>
      (await statusOf(forwarder)).interfaces.find(({ name }) => name === 'extra')?.mode;
    t.is(await modeOfExtra(), undefined);
    for (let round = 0; round < 2; round++) {
      lab.cable({ host: edge, name: 'extra' }, { host: client, name: 'extra' });
      await waitFor(async () => (await modeOfExtra()) === 'native');
      edge.ip('link del extra');
      await waitFor(async () => (await modeOfExtra()) === undefined);
    }
    t.pass();
  },
);

test.serial('a backend without a way to it is said with the reason', async (t) => {
  const { workers } = site;
  const gone = '10.10.0.99';
  setCluster({ ...cluster, lost: { addresses: ['192.0.2.102'], port: 80, endpoints: [gone] } });
  await waitFor(async () => {
    const { reachability } = await statusOf(forwarder);
    return reachability[gone]?.includes('10.10.0.99 on back does not answer ARP') ?? false;
  });
  const report = readFileSync(`${runDir()}/forwarder.ledger`, 'utf8');
  t.regex(report, /"k":"192\.0\.2\.102","v":\{[^}]*"servable":false[^}]*"backendsUnreachable"/);
  t.regex(report, /"k":"192\.0\.2\.100","v":\{[^}]*"servable":true/);
  t.is(workers.length, 2);
  setCluster({ web: cluster['web'], other: cluster['other'] } as ClusterFile);
});

test.serial('a second forwarder on the box is refused, by name', async (t) => {
  const second = startProgram(site.edge, 'forwarder-process', [clusterFile(), settings({})]);
  t.not(await second.exited, 0);
  t.regex(second.output(), new RegExp(`process ${forwarderPid()} holds it`));
});

test.serial('kill -9 and a restart under load break no connection, old or new', async (t) => {
  const vips = [...VIPS];
  const job = { port: 80, connections: 100, parallel: 100, bytes: 60_000, pieces: 50, pauseMs: 80 };
  const transfers = Promise.all(vips.map((host) => tcp({ ...job, host })));
  await sleep(1200);
  const before = await statusOf(forwarder);
  await forwarder.stop('SIGKILL');
  const orphaned = await tcp({
    host: VIPS[0],
    port: 80,
    connections: 50,
    parallel: 10,
    bytes: 500,
  });
  forwarder = await startForwarder();
  const after = await statusOf(forwarder);
  t.deepEqual(after.usage.writes, { vips: 0, servers: 0, backends: 0, rings: 0 });
  t.deepEqual(after.interfaces, before.interfaces);
  const adopted = await tcp({ host: VIPS[0], port: 80, connections: 50, parallel: 10, bytes: 500 });
  for (const result of [orphaned, adopted, ...(await transfers)]) {
    t.deepEqual(result.failures, []);
  }
});

test.serial('what was forwarded is forwarded on after a clean stop', async (t) => {
  await forwarder.stop('SIGTERM');
  const result = await tcp({ host: VIPS[1], port: 80, connections: 50, parallel: 10, bytes: 500 });
  t.deepEqual({ good: result.good, failures: result.failures }, { good: 50, failures: [] });
});

test.serial('generic mode forwards as native mode does', async (t) => {
  forwarder = await startForwarder({ xdpMode: 'generic' });
  const { interfaces } = await statusOf(forwarder);
  t.deepEqual(interfaces.map(({ name, mode }) => `${name} ${mode}`).sort(), [
    'back generic',
    'front generic',
  ]);
  for (const host of VIPS) {
    const result = await tcp({ host, port: 80, connections: 50, parallel: 10, bytes: 50_000 });
    t.deepEqual({ good: result.good, failures: result.failures }, { good: 50, failures: [] });
  }
  await forwarder.stop('SIGTERM');
});

test.serial('detach() leaves nothing behind', async (t) => {
  const detached = startProgram(site.edge, 'forwarder-process', ['detach', settings({})]);
  t.is(await detached.exited, 0);
  t.deepEqual(JSON.parse(detached.output()), {
    interfaces: ['back', 'extra', 'front'],
    maps: true,
  });
  t.false(existsSync(bpfDir()));
  const links = JSON.parse(site.edge.run(['ip', '-j', 'link', 'show']));
  t.deepEqual(
    links.filter((link: { xdp?: unknown }) => link.xdp !== undefined),
    [],
  );
  const lines = readFileSync(`${runDir()}/forwarder.ledger`, 'utf8').trim().split('\n');
  const last = new Map(lines.map((line) => [JSON.parse(line).k, JSON.parse(line).v]));
  t.deepEqual(
    [...last.values()].filter((value) => value !== undefined),
    [],
  );
});

function startProgram(host: Host, name: string, args: readonly string[]): LabProcess {
  return host.start([process.execPath, program(name), ...args]);
}

async function startForwarder(fields: Partial<ForwarderSettings> = {}): Promise<LabProcess> {
  const started = startProgram(site.edge, 'forwarder-process', [clusterFile(), settings(fields)]);
  await started.prints(/"message":"Applied"/);
  await waitFor(async () => {
    const { usage } = await statusOf(started);
    return usage.nextHops.reachable === usage.nextHops.addresses;
  });
  return started;
}

function settings(fields: Partial<ForwarderSettings>): string {
  return JSON.stringify({
    bpfDir: bpfDir(),
    runDir: runDir(),
    interfaces: ['front', 'back', 'extra'],
    ...fields,
  });
}

function bpfDir(): string {
  return `${lab.bpffs}/edge`;
}

function runDir(): string {
  return `${lab.directory}/run`;
}

function clusterFile(): string {
  return `${lab.directory}/cluster.json`;
}

function forwarderPid(): string {
  return readFileSync(`${runDir()}/forwarder.lock`, 'utf8').trim();
}

function setCluster(next: ClusterFile): void {
  cluster = next;
  writeFileSync(`${clusterFile()}.new`, JSON.stringify(next));
  renameSync(`${clusterFile()}.new`, clusterFile());
}

/** What the speaker does: the router learns where the VIPs live. */
function announce(): void {
  const [link] = JSON.parse(site.edge.run(['ip', '-j', 'link', 'show', 'front']));
  site.router.ip(
    ...[...VIPS, OTHER_VIP].map((vip) => `neigh replace ${vip} lladdr ${link.address} dev front`),
  );
}

async function statusOf(process_: LabProcess): Promise<ForwarderStatus> {
  const count = () => process_.output().match(/^STATUS .*\n/gm)?.length ?? 0;
  const before = count();
  process.kill(process_.pid, 'SIGUSR2');
  await waitFor(async () => count() > before);
  const last =
    process_
      .output()
      .match(/^STATUS .*\n/gm)
      ?.at(-1) ?? '';
  return JSON.parse(last.slice('STATUS '.length));
}

async function waitFor(condition: () => Promise<boolean>): Promise<void> {
  const deadlineMs = performance.now() + 10_000;
  while (!(await condition())) {
    if (performance.now() > deadlineMs) throw new Error('What was waited for did not happen');
    await sleep(10);
  }
}

function hopOf(status: ForwarderStatus, address: string): Readonly<Record<string, unknown>> {
  return JSON.parse(status.reachability[address] ?? '{}');
}

function difference(before: ForwarderStatus, after: ForwarderStatus) {
  const { writes } = after.usage;
  return Object.fromEntries(
    Object.entries(before.usage.writes).map(([key, n]) => [key, writes[key as 'vips'] - n]),
  );
}

function tcp(job: TcpJob): Promise<TrafficResult> {
  return traffic('tcp', job);
}

function udp(job: UdpJob): Promise<TrafficResult> {
  return traffic('udp', job);
}

async function traffic(kind: string, job: TcpJob | UdpJob): Promise<TrafficResult> {
  const command = [process.execPath, program('traffic'), kind, JSON.stringify(job)];
  const { stdout, stderr } = await site.client.finish(command);
  if (stdout === '') throw new Error(stderr);
  return JSON.parse(stdout);
}
