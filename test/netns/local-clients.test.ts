import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { buildEdgeSite, type EdgeSite } from '../../lab/edge-site.ts';
import type { Host } from '../../lab/host.ts';
import { createLab, type Lab } from '../../lab/lab.ts';
import type { LabProcess } from '../../lab/process.ts';
import type { ForwarderSettings } from '../../src/forwarder/settings.ts';
import type { ClusterFile } from './forwarder-process.ts';
import type { TcpJob, TrafficResult, UdpJob } from './traffic.ts';

/** The edge box itself as a client of its VIPs, with strict reverse path filters. */
const program = (name: string) => fileURLToPath(new URL(`${name}.ts`, import.meta.url));
const VIPS = ['192.0.2.100', '2001:db8:f::100'] as const;
const OTHER_VIP = '192.0.2.101';

let lab: Lab;
let site: EdgeSite;
let forwarder: LabProcess;

test.before(async () => {
  lab = createLab();
  site = buildEdgeSite(lab);
  const [{ host, addresses }] = site.workers;
  const server = host.start([process.execPath, program('traffic'), 'serve', host.name, '8080']);
  await server.prints(/LISTENING/);
  site.edge.sysctl({ 'ipv4/conf/all/rp_filter': 1 });
  setCluster({ web: { addresses: VIPS, port: 80, endpoints: addresses } });
  const [link] = JSON.parse(site.edge.run(['ip', '-j', 'link', 'show', 'front']));
  site.router.ip(...VIPS.map((vip) => `neigh replace ${vip} lladdr ${link.address} dev front`));
  forwarder = await startForwarder();
});

test.after.always(() => lab?.remove());

for (const vip of VIPS) {
  test.serial(`programs on the box reach ${vip} by TCP and UDP`, async (t) => {
    await untilAnswers(vip);
    for (const bytes of [500, 500_000]) {
      const job = { host: vip, port: 80, connections: 50, parallel: 10, bytes };
      const { good, failures } = await traffic(site.edge, 'tcp', job);
      t.deepEqual({ good, failures }, { good: 50, failures: [] });
    }
    const udp = { host: vip, port: 80, sockets: 10, datagrams: 10 };
    const { good, failures, answeredBy } = await traffic(site.edge, 'udp', udp);
    t.deepEqual({ good, failures }, { good: 100, failures: [] });
    t.deepEqual(answeredBy, { 'worker-1': 100 });
  });

  test.serial(`ping from the box reaches ${vip}`, (t) => {
    t.regex(site.edge.run(['ping', '-c', '3', '-i', '0.2', '-W', '1', vip]), / 0% packet loss/);
  });

  test.serial(`clients elsewhere reach ${vip} as before`, async (t) => {
    const job = { host: vip, port: 80, connections: 50, parallel: 10, bytes: 5000 };
    const { good, failures } = await traffic(site.client, 'tcp', job);
    t.deepEqual({ good, failures }, { good: 50, failures: [] });
  });
}

test.serial('the kernel routes what comes from outside as if nothing had been added', (t) => {
  for (const [vip, from] of [
    [VIPS[0], '203.0.113.10'],
    [VIPS[1], '2001:db8:c::10'],
  ] as const) {
    const own = site.edge.run(['ip', '-j', 'route', 'get', vip]);
    t.is(JSON.parse(own)[0].dev, 'tidegate0');
    const foreign = site.edge.run(['ip', '-j', 'route', 'get', vip, 'from', from, 'iif', 'front']);
    t.is(JSON.parse(foreign)[0].dev, 'front');
  }
});

test.serial('the interfaces have no address and no ARP, and leave no checksum undone', (t) => {
  for (const name of ['tidegate0', 'tidegate1']) {
    const [link] = JSON.parse(site.edge.run(['ip', '-j', 'addr', 'show', name]));
    t.deepEqual(link.addr_info, []);
    t.true(link.flags.includes('NOARP'));
    t.regex(site.edge.run(['ethtool', '-k', name]), /tx-checksum-ip-generic: off/);
  }
});

test.serial(
  'a VIP that comes is reached, one that goes is routed like any other address',
  async (t) => {
    const [{ addresses }] = site.workers;
    const web = { addresses: VIPS, port: 80, endpoints: addresses };
    setCluster({ web, more: { addresses: [OTHER_VIP], port: 80, endpoints: [addresses[0]] } });
    await untilAnswers(OTHER_VIP);
    setCluster({ web });
    await until(() => deviceTo(OTHER_VIP) === 'front');
    t.is(deviceTo(VIPS[0]), 'tidegate0');
  },
);

test.serial('what another program takes away is put back', async (t) => {
  site.edge.ip('rule del priority 74', `route del ${VIPS[1]} table 7464`);
  await until(() => VIPS.every((vip) => deviceTo(vip) === 'tidegate0'));
  site.edge.ip('link del tidegate0');
  await until(() => VIPS.every((vip) => deviceTo(vip) === 'tidegate0'));
  for (const vip of VIPS) await untilAnswers(vip);
  t.pass();
});

test.serial('connections of the box outlive kill -9 and a restart of the forwarder', async (t) => {
  const job = { port: 80, connections: 20, parallel: 20, bytes: 40_000, pieces: 40, pauseMs: 60 };
  const transfers = Promise.all(VIPS.map((host) => traffic(site.edge, 'tcp', { ...job, host })));
  await sleep(700);
  const before = indexOf('tidegate0');
  await forwarder.stop('SIGKILL');
  forwarder = await startForwarder();
  t.is(indexOf('tidegate0'), before);
  for (const { good, failures } of await transfers) {
    t.deepEqual({ good, failures }, { good: 20, failures: [] });
  }
});

test.serial(
  'without the program, packets to a VIP are dropped and go round in no circle',
  async (t) => {
    await forwarder.stop('SIGKILL');
    rmSync(`${bpfDir()}/links/tidegate1`);
    const count = () => counters(['front', 'back', 'tidegate0', 'tidegate1']);
    await sleep(300);
    const before = count();
    const ping = await site.edge.finish(['ping', '-c', '5', '-i', '0.1', '-W', '1', VIPS[0]]);
    t.regex(ping.stdout, /100% packet loss/);
    const after = count();
    t.true((after['tidegate0'] as number) - (before['tidegate0'] as number) <= 10);
    for (const name of ['front', 'back', 'tidegate1']) {
      t.true((after[name] as number) - (before[name] as number) <= 10, name);
    }
    forwarder = await startForwarder();
    for (const vip of VIPS) await untilAnswers(vip);
  },
);

test.serial('forwarder.localClients off takes it all away', async (t) => {
  await forwarder.stop('SIGTERM');
  t.is(deviceTo(VIPS[0]), 'tidegate0');
  forwarder = await startForwarder({ localClients: false });
  t.is(deviceTo(VIPS[0]), 'front');
  t.deepEqual(leftovers(), []);
  await forwarder.stop('SIGTERM');
});

test.serial('detach() takes it all away', async (t) => {
  forwarder = await startForwarder();
  await untilAnswers(VIPS[0]);
  await forwarder.stop('SIGTERM');
  const detached = startProgram(['detach', settings({})]);
  t.is(await detached.exited, 0, detached.output());
  t.deepEqual(leftovers(), []);
  t.false(existsSync(bpfDir()));
});

function startProgram(args: readonly string[]): LabProcess {
  return site.edge.start([process.execPath, program('forwarder-process'), ...args]);
}

async function startForwarder(fields: Partial<ForwarderSettings> = {}): Promise<LabProcess> {
  const started = startProgram([clusterFile(), settings(fields)]);
  await started.prints(/"message":"Applied"/);
  return started;
}

function settings(fields: Partial<ForwarderSettings>): string {
  const interfaces = ['front', 'back'];
  return JSON.stringify({
    bpfDir: bpfDir(),
    runDir: `${lab.directory}/run`,
    interfaces,
    ...fields,
  });
}

function bpfDir(): string {
  return `${lab.bpffs}/edge`;
}

function clusterFile(): string {
  return `${lab.directory}/cluster.json`;
}

function setCluster(cluster: ClusterFile): void {
  writeFileSync(clusterFile(), JSON.stringify(cluster));
}

function deviceTo(vip: string): string {
  return JSON.parse(site.edge.run(['ip', '-j', 'route', 'get', vip]))[0].dev;
}

function indexOf(name: string): number {
  return JSON.parse(site.edge.run(['ip', '-j', 'link', 'show', name]))[0].ifindex;
}

/** Packets sent, by interface. */
function counters(names: readonly string[]): Readonly<Record<string, number>> {
  const links = JSON.parse(site.edge.run(['ip', '-j', '-s', 'link', 'show']));
  return Object.fromEntries(
    links
      .filter(({ ifname }: { ifname: string }) => names.includes(ifname))
      .map((link: { ifname: string; stats64: { tx: { packets: number } } }) => [
        link.ifname,
        link.stats64.tx.packets,
      ]),
  );
}

/** Interfaces and rules of ours. */
function leftovers(): readonly unknown[] {
  const links = JSON.parse(site.edge.run(['ip', '-j', 'link', 'show']));
  const rules = ['-4', '-6'].flatMap((family) =>
    JSON.parse(site.edge.run(['ip', '-j', family, 'rule', 'show'])),
  );
  return [
    ...links.filter(({ ifname }: { ifname: string }) => ifname.startsWith('tidegate')),
    ...rules.filter(({ table }: { table: string }) => table === '7464'),
  ];
}

async function untilAnswers(vip: string): Promise<void> {
  const job = { host: vip, port: 80, sockets: 1, datagrams: 1 };
  for (let tries = 1; ; tries++) {
    const { good, failures } = await traffic(site.edge, 'udp', job);
    if (good === 1) return;
    if (tries === 10) throw new Error(`${vip} does not answer the box: ${failures.join()}`);
  }
}

async function until(condition: () => boolean): Promise<void> {
  const deadlineMs = performance.now() + 10_000;
  while (!condition()) {
    if (performance.now() > deadlineMs) throw new Error('What was waited for did not happen');
    await sleep(20);
  }
}

async function traffic(host: Host, kind: string, job: TcpJob | UdpJob): Promise<TrafficResult> {
  const command = [process.execPath, program('traffic'), kind, JSON.stringify(job)];
  const { stdout, stderr } = await host.finish(command);
  if (stdout === '') throw new Error(stderr);
  return JSON.parse(stdout);
}
