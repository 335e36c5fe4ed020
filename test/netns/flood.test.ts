import { writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { addPod, buildEdgeSite, type EdgeSite } from '../../lab/edge-site.ts';
import type { Host } from '../../lab/host.ts';
import { createLab, type Lab } from '../../lab/lab.ts';
import type { LabProcess } from '../../lab/process.ts';
import type { ForwarderSettings } from '../../src/forwarder/settings.ts';
import { tcp, udp } from '../support/packet.ts';
import { tcpFrom, until } from './box.ts';
import type { FloodJob } from './flooder.ts';
import type { ClusterFile, ForwarderStatus } from './forwarder-process.ts';
import { forwarderSettings } from './forwarder-settings.ts';

/**
 * SYN cookies and floods with real stacks at both ends: the client's kernel shakes hands with the
 * program, the backend's with what the program makes of it.
 */
const program = (name: string) => fileURLToPath(new URL(`${name}.ts`, import.meta.url));

/** A Pod that greets, one that answers only, one for transfers, one where nobody listens. */
const SERVICES = {
  greeting: ['192.0.2.100', '2001:db8:f::100'],
  echo: ['192.0.2.101', '2001:db8:f::101'],
  transfer: ['192.0.2.102', '2001:db8:f::102'],
  closed: ['192.0.2.103', '2001:db8:f::103'],
} as const;
const VIP = SERVICES.transfer[0];
const SOURCES = 2 ** 26;
/** Far more than each CPU may open: nearly all SYNs get cookies. */
const FLOOD_PER_S = 80_000;
const FLOOD_BUDGET = 1000;
/** So few that the flood fills the table with half-open flows. */
const TABLE = 4096;

let lab: Lab;
let site: EdgeSite;
let forwarder: LabProcess | undefined;

test.before(async () => {
  lab = createLab();
  site = buildEdgeSite(lab);
  const [first, second] = site.workers;
  const pods = {
    greeting: addPod(lab, first, 'greeting', 11),
    echo: addPod(lab, second, 'echo', 12),
    transfer: addPod(lab, second, 'transfer', 13),
    closed: addPod(lab, first, 'closed', 14),
  };
  await Promise.all([
    serve(pods.greeting.host, 'talker', ['serve', 'server', '8080']),
    serve(pods.echo.host, 'talker', ['serve', 'client', '8080']),
    serve(pods.transfer.host, 'traffic', ['serve', 'transfer', '8080']),
  ]);
  const cluster: ClusterFile = Object.fromEntries(
    Object.entries(pods).map(([name, { addresses }]) => [
      name,
      { addresses: SERVICES[name as keyof typeof SERVICES], port: 80, endpoints: addresses },
    ]),
  );
  writeFileSync(clusterFile(), JSON.stringify(cluster));
  announce();
  await startForwarder(1);
});

test.after.always(() => lab?.remove());

for (const first of ['server', 'client'] as const) {
  const name = first === 'server' ? 'greeting' : 'echo';
  for (const vip of SERVICES[name]) {
    test.serial(`through a cookie the ${first} may speak first, at once (${vip})`, async (t) => {
      const count = 40;
      const before = await status();
      const { stdout } = await site.client.finish([
        process.execPath,
        program('talker'),
        ...['talk', first, vip, '80', String(count)],
      ]);
      const times: number[] = JSON.parse(stdout);
      t.deepEqual(
        times.filter((ms) => ms < 0),
        [],
        'all were whole',
      );
      const after = await status();
      t.true(more(before, after, 'cookie_returned') > count / 2);
      t.is(more(before, after, 'drop_handshake'), 0);
      // Nobody waited for a retransmission (200 ms at least).
      const sorted = times.sort((a, b) => a - b);
      t.true((sorted[count / 2] ?? 0) < 150, sorted.join());
    });
  }
}

for (const vip of SERVICES.transfer) {
  test.serial(`transfers through a cookie arrive whole, both ways (${vip})`, async (t) => {
    const job = { host: vip, port: 80, connections: 12, parallel: 4, bytes: 2_000_000 };
    const before = await status();
    const result = await tcpFrom(site.client, job);
    t.deepEqual({ good: result.good, failures: result.failures }, { good: 12, failures: [] });
    t.true(more(before, await status(), 'cookie_returned') >= 6);
  });
}

for (const host of SERVICES.closed) {
  test.serial(`a backend where nobody listens refuses at once (${host})`, async (t) => {
    const job = { host, port: 80, connections: 6, parallel: 1, bytes: 10 };
    const startedMs = performance.now();
    const { failures } = await tcpFrom(site.client, job);
    t.is(failures.length, 6);
    // A client that repeats its SYN waits for a second.
    t.true(performance.now() - startedMs < 6000);
  });
}

const FLOODS = {
  SYN: { seconds: 4, clients: 600, counter: 'cookie_sent' },
  UDP: { seconds: 2, clients: 200, counter: 'drop_over_budget' },
} as const;
type Flood = keyof typeof FLOODS;

for (const kind of ['SYN', 'UDP'] as const) {
  const { seconds, clients, counter } = FLOODS[kind];
  test.serial(
    `a ${kind} flood from 64 M sources ends nothing, and new clients come in`,
    async (t) => {
      await forwarder?.stop('SIGTERM');
      await startForwarder(FLOOD_BUDGET);
      const before = await status();
      const to = { host: VIP, port: 80 };
      // Begun before the flood, and ended after it.
      const lasting = { bytes: 400_000, pieces: (seconds + 1) * 10, pauseMs: 100 };
      const open = tcpFrom(site.client, { ...to, connections: 20, parallel: 20, ...lasting });
      await sleep(500);
      const attack = flood(kind);
      await sleep(300);
      const short = { bytes: 2000, pieces: 2, pauseMs: 30 };
      const fresh = tcpFrom(site.client, { ...to, connections: clients, parallel: 8, ...short });
      const [established, newcomers, sent] = await Promise.all([open, fresh, attack]);
      const after = await status();
      const { good, slowestMs, failures } = newcomers;
      t.log({ sent, good, slowestMs });
      t.deepEqual(
        { good: established.good, failures: established.failures },
        { good: 20, failures: [] },
      );
      t.true(good >= 0.99 * clients, `${good} of ${clients}: ${failures[0]}`);
      t.true(more(before, after, counter) > sent / 2, `most of the flood is ${counter}`);
      t.is(more(before, after, 'drop_nat_ports'), 0);
      t.true(more(before, after, 'cookie_returned') > 0);
      t.true(more(before, after, 'flow_displaced') > 0);
    },
  );
}

/** Resolves to the number of packets sent. */
async function flood(kind: Flood): Promise<number> {
  const front = link(site.router, 'front');
  const ends = {
    from: '64.0.0.0:4000',
    to: `${VIP}:80`,
    srcMac: front.address,
    dstMac: link(site.edge, 'front').address,
  };
  const frame =
    kind === 'SYN'
      ? tcp({ ...ends, flags: 'S', padding: 6 })
      : udp({ ...ends, noChecksum: true, payload: 'x'.repeat(18) });
  const job: FloodJob = {
    ifindex: front.ifindex,
    frame: Buffer.from(frame).toString('hex'),
    sources: SOURCES,
    perSecond: FLOOD_PER_S,
    seconds: FLOODS[kind].seconds,
    cpu: 0,
  };
  const command = [process.execPath, program('flooder'), JSON.stringify(job)];
  const { stdout, stderr } = await site.router.finish(command);
  if (stdout === '') throw new Error(stderr);
  return Number(stdout);
}

async function serve(host: Host, name: string, args: readonly string[]): Promise<void> {
  await host.start([process.execPath, program(name), ...args]).prints(/LISTENING/);
}

/** With so many new flows a second and CPU before SYNs get cookies. */
async function startForwarder(newFlows: number): Promise<void> {
  const places = { bpfDir: `${lab.bpffs}/edge`, runDir: `${lab.directory}/run` };
  const { limits } = forwarderSettings(places);
  const fields: Partial<ForwarderSettings> = {
    ...places,
    interfaces: ['front', 'back'],
    limits: { ...limits, flows: TABLE },
    flood: { newFlows, repliesPerSecond: 1000, clientPrefix4: 32, clientPrefix6: 64 },
  };
  const started = site.edge.start([
    process.execPath,
    program('forwarder-process'),
    clusterFile(),
    JSON.stringify(fields),
  ]);
  forwarder = started;
  await started.prints(/"message":"Applied"/);
  await until('all backends are reachable', async () => {
    const { usage } = await status();
    return usage.nextHops.reachable === usage.nextHops.addresses;
  });
}

async function status(): Promise<ForwarderStatus> {
  if (!forwarder) throw new Error('No forwarder was started');
  const { pid } = forwarder;
  const lines = () => forwarder?.output().match(/^STATUS .*\n/gm) ?? [];
  const before = lines().length;
  process.kill(pid, 'SIGUSR2');
  await until('the forwarder tells its status', async () => lines().length > before);
  return JSON.parse(lines().at(-1)?.slice('STATUS '.length) ?? '');
}

function more(before: ForwarderStatus, after: ForwarderStatus, counter: string): number {
  return (after.counters[counter] ?? 0) - (before.counters[counter] ?? 0);
}

function clusterFile(): string {
  return `${lab.directory}/cluster.json`;
}

/** What the speaker does: the router learns where the VIPs live. */
function announce(): void {
  const { address } = link(site.edge, 'front');
  const vips = Object.values(SERVICES).flat();
  site.router.ip(...vips.map((vip) => `neigh replace ${vip} lladdr ${address} dev front`));
}

function link(host: Host, name: string): { readonly ifindex: number; readonly address: string } {
  return JSON.parse(host.run(['ip', '-j', 'link', 'show', name]))[0];
}
