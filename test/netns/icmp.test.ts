import { renameSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { addPod, buildEdgeSite, type EdgeSite, type Pod } from '../../lab/edge-site.ts';
import { createLab, type Lab } from '../../lab/lab.ts';
import type { LabProcess } from '../../lab/process.ts';
import type { DatagramJob, DatagramResult } from './datagrams.ts';
import type { ClusterFile, ForwarderStatus } from './forwarder-process.ts';
import type { TcpJob, TrafficResult } from './traffic.ts';

/**
 * ICMP through the edge and from it, between real kernels. They learn a path's MTU, that nobody
 * listens, and who is on the way, by these messages alone: were one wrong, transfers would hang and
 * clients wait.
 */
const program = (name: string) => fileURLToPath(new URL(`${name}.ts`, import.meta.url));

/** A Service of one Pod; each case has its own, as kernels remember what they learned of a path. */
interface Case {
  readonly vips: readonly [string, string];
  readonly pod: Pod;
}
const CASES = ['outer', 'inner', 'edge', 'front', 'closed'] as const;
type CaseName = (typeof CASES)[number];

let lab: Lab;
let site: EdgeSite;
let forwarder: LabProcess;
const cases = new Map<CaseName, Case>();

test.before(async () => {
  lab = createLab();
  site = buildEdgeSite(lab);
  for (const [i, name] of CASES.entries()) {
    // The narrow way behind worker-1 is for one case.
    const worker = site.workers[name === 'inner' ? 0 : 1];
    const pod = addPod(lab, worker, `pod-${name}`, 11 + i);
    cases.set(name, { vips: [`192.0.2.${100 + i}`, `2001:db8:f::${100 + i}`], pod });
  }
  const servers = CASES.filter((name) => name !== 'closed').map((name) =>
    caseOf(name).pod.host.start([process.execPath, program('traffic'), 'serve', name, '8080']),
  );
  await Promise.all(servers.map((server) => server.prints(/LISTENING/)));
  const cluster: ClusterFile = Object.fromEntries(
    [...cases].map(([name, { vips, pod }]) => [
      name,
      { addresses: vips, port: 80, endpoints: pod.addresses },
    ]),
  );
  writeFileSync(`${clusterFile()}.new`, JSON.stringify(cluster));
  renameSync(`${clusterFile()}.new`, clusterFile());
  const [link] = JSON.parse(site.edge.run(['ip', '-j', 'link', 'show', 'front']));
  const vips = [...cases.values()].flatMap((each) => each.vips);
  site.router.ip(...vips.map((vip) => `neigh replace ${vip} lladdr ${link.address} dev front`));
  forwarder = site.edge.start([
    process.execPath,
    program('forwarder-process'),
    clusterFile(),
    settings(),
  ]);
  await forwarder.prints(/"message":"Applied"/);
  await until(async () => {
    const { nextHops } = (await status()).usage;
    return nextHops.reachable === nextHops.addresses;
  });
});

test.after.always(() => lab?.remove());

for (const family of [0, 1] as const) {
  const name = family === 0 ? 'IPv4' : 'IPv6';

  test.serial(`TCP finds a narrow way on the client's side (${name})`, async (t) => {
    const way = family === 0 ? '203.0.113.0/24' : '2001:db8:c::/64 metric 256';
    site.router.ip(`route replace ${way} dev clients mtu lock 1300`);
    const before = await counters();
    t.deepEqual(await transfer('outer', family), []);
    const after = await counters();
    t.true(difference(before, after, 'icmp_forwarded') > 0);
    site.router.ip(`route replace ${way} dev clients`);
  });

  test.serial(`TCP finds a narrow way on the backend's side (${name})`, async (t) => {
    const [worker] = site.workers;
    const way = `${worker.podNetworks[family]}${family === 0 ? '' : ' metric 256'}`;
    worker.host.ip(`route replace ${way} dev pods mtu lock 1300`);
    const before = await counters();
    t.deepEqual(await transfer('inner', family), []);
    t.true(difference(before, await counters(), 'icmp_returned') > 0);
  });

  test.serial(
    `TCP learns from the edge that its way to the backend is narrow (${name})`,
    async (t) => {
      await narrowFromEdge(family);
      const before = await counters();
      t.deepEqual(await transfer('edge', family), []);
      const after = await counters();
      t.true(difference(before, after, 'icmp_sent') > 0);
      t.true(difference(before, after, 'drop_too_big') > 0);
    },
  );

  test.serial(
    `UDP goes in fragments after the edge said that its way is narrow (${name})`,
    async (t) => {
      const { vips } = caseOf('edge');
      forgetPaths(family);
      const before = await counters();
      const result = await datagrams({ host: vips[family], port: 80, bytes: 1450, tries: 20 });
      t.is(result.answeredBytes, 1450 + 'edge\n'.length, JSON.stringify(result));
      t.true(difference(before, await counters(), 'drop_too_big') > 0);
    },
  );

  test.serial(`a port that nobody serves is refused at once, TCP and UDP (${name})`, async (t) => {
    const { vips } = caseOf('outer');
    const startedMs = performance.now();
    const { failures } = await tcp({
      host: vips[family],
      port: 81,
      connections: 1,
      parallel: 1,
      bytes: 1,
    });
    t.regex(failures.join(), /ECONNREFUSED/);
    const result = await datagrams({ host: vips[family], port: 81, bytes: 10, tries: 20 });
    t.is(result.error, 'ECONNREFUSED', JSON.stringify(result));
    t.true(result.sent <= 2);
    t.true(performance.now() - startedMs < 5000);
  });

  test.serial(`the client learns that a backend's UDP port is closed (${name})`, async (t) => {
    const { vips } = caseOf('closed');
    const before = await counters();
    const result = await datagrams({ host: vips[family], port: 80, bytes: 10, tries: 20 });
    t.is(result.error, 'ECONNREFUSED', JSON.stringify(result));
    t.true(difference(before, await counters(), 'icmp_returned') > 0);
    const { failures } = await tcp({
      host: vips[family],
      port: 80,
      connections: 1,
      parallel: 1,
      bytes: 1,
    });
    t.regex(failures.join(), /ECONNREFUSED/);
  });

  test.serial(`a probe whose TTL ends at the edge shows the edge (${name})`, async (t) => {
    const { vips } = caseOf('outer');
    const filter = family === 0 ? 'icmp[0] == 11' : 'icmp6 and ip6[40] == 3';
    const capture = site.client.start(['tcpdump', '-n', '-l', '-c', '1', '-i', 'eth0', filter]);
    await capture.prints(/listening on/);
    await datagrams({ host: vips[family], port: 80, bytes: 10, tries: 1, ttl: 2 });
    const edge = family === 0 ? '192.0.2.2' : '2001:db8:f::2';
    const [line] = await capture.prints(/^.*time exceeded.*$/m);
    t.true(line.includes(`${edge} > `), line);
  });
}

test.serial('UDP without "don\'t fragment" learns the MTU as well', async (t) => {
  const { vips } = caseOf('edge');
  forgetPaths(0);
  const before = await counters();
  const { stdout, stderr } = await site.client.finish(['perl', '-e', WITHOUT_DF, vips[0]]);
  t.is(stdout, String(1450 + 'edge\n'.length), stderr);
  t.true(difference(before, await counters(), 'drop_too_big') > 0);
});

for (const family of [0, 1] as const) {
  const name = family === 0 ? 'IPv4' : 'IPv6';

  test.serial(
    `backends learn from the edge that its way to clients is narrow (${name})`,
    async (t) => {
      for (const host of [site.router, site.edge]) host.ip('link set front mtu 1400');
      const { pod } = caseOf('front');
      await sleep(200); // until the forwarder has seen it
      const before = await counters();
      t.deepEqual(await transfer('front', family), []);
      t.true(difference(before, await counters(), 'icmp_sent') > 0);
      const nat = family === 0 ? '10.10.0.1' : 'fd00:10::1';
      t.regex(pod.host.run(['ip', 'route', 'get', nat]), /mtu 1400/);
    },
  );
}

/** Sends datagrams of 1450 bytes without "don't fragment" until one is answered; prints its size. */
const WITHOUT_DF = `
  use Socket;
  my ($IPPROTO_IP, $IP_MTU_DISCOVER, $IP_PMTUDISC_DONT) = (0, 10, 0);
  socket(S, PF_INET, SOCK_DGRAM, 0) or die;
  setsockopt(S, $IPPROTO_IP, $IP_MTU_DISCOVER, pack("i", $IP_PMTUDISC_DONT)) or die;
  connect(S, sockaddr_in(80, inet_aton($ARGV[0]))) or die;
  for (1 .. 20) {
    send(S, "x" x 1450, 0);
    vec(my $ready = "", fileno(S), 1) = 1;
    next unless select($ready, undef, undef, 0.2) > 0 && defined recv(S, my $answer, 65535, 0);
    print length $answer;
    exit;
  }
`;

/** Two megabytes to the Pod of the case and back; what failed. */
async function transfer(name: CaseName, family: 0 | 1): Promise<readonly string[]> {
  const host = caseOf(name).vips[family];
  const job = { host, port: 80, connections: 1, parallel: 1, bytes: 2_000_000 };
  return (await tcp(job)).failures;
}

/** The edge's own way to the Pod of the case "edge" is narrower than its interface. */
async function narrowFromEdge(family: 0 | 1): Promise<void> {
  const address = caseOf('edge').pod.addresses[family];
  const via = site.workers[1].addresses[family];
  site.edge.ip(`route replace ${address}/${family === 0 ? 32 : 128} via ${via} mtu 1400`);
  await until(async () => (await status()).reachability[address]?.includes('1400') ?? false);
}

/** Makes the client's kernel forget the MTUs it learned. */
function forgetPaths(family: 0 | 1): void {
  site.client.run(['ip', family === 0 ? '-4' : '-6', 'route', 'flush', 'cache']);
}

function caseOf(name: CaseName): Case {
  return cases.get(name) as Case;
}

function tcp(job: TcpJob): Promise<TrafficResult> {
  return onClient('traffic', 'tcp', JSON.stringify(job));
}

function datagrams(job: DatagramJob): Promise<DatagramResult> {
  return onClient('datagrams', JSON.stringify(job));
}

async function onClient<T>(name: string, ...args: readonly string[]): Promise<T> {
  const command = [process.execPath, program(name), ...args];
  const { stdout, stderr } = await site.client.finish(command);
  if (stdout === '') throw new Error(stderr);
  return JSON.parse(stdout);
}

async function status(): Promise<ForwarderStatus> {
  const all = () => forwarder.output().match(/^STATUS .*\n/gm) ?? [];
  const before = all().length;
  process.kill(forwarder.pid, 'SIGUSR2');
  await until(async () => all().length > before);
  return JSON.parse((all().at(-1) as string).slice('STATUS '.length));
}

async function counters(): Promise<ForwarderStatus['counters']> {
  return (await status()).counters;
}

function difference(
  before: ForwarderStatus['counters'],
  after: ForwarderStatus['counters'],
  name: string,
): number {
  return (after[name] ?? 0) - (before[name] ?? 0);
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  const deadlineMs = performance.now() + 10_000;
  while (!(await condition())) {
    if (performance.now() > deadlineMs) throw new Error('What was waited for did not happen');
    await sleep(10);
  }
}

function settings(): string {
  return JSON.stringify({
    bpfDir: `${lab.bpffs}/edge`,
    runDir: `${lab.directory}/run`,
    interfaces: ['front', 'back'],
  });
}

function clusterFile(): string {
  return `${lab.directory}/cluster.json`;
}
