import { writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { addPod, buildEdgeSite, CLIENT_ADDRESSES, type EdgeSite } from '../../lab/edge-site.ts';
import type { Host } from '../../lab/host.ts';
import { createLab, type Lab } from '../../lab/lab.ts';
import type { LabProcess } from '../../lab/process.ts';
import type { ForwarderStatus } from './forwarder-process.ts';
import type { FragmentResult } from './fragment-client.ts';
import type { TrafficResult } from './traffic.ts';

/** Datagrams larger than the wire takes, both ways, between real kernels. */
const program = (name: string) => fileURLToPath(new URL(`${name}.ts`, import.meta.url));
const VIPS = ['192.0.2.100', '2001:db8:f::100'] as const;

let lab: Lab;
let site: EdgeSite;
let forwarder: LabProcess;

test.before(async () => {
  lab = createLab();
  site = buildEdgeSite(lab);
  const pods = [
    addPod(lab, site.workers[0], 'pod-a', 11),
    addPod(lab, site.workers[1], 'pod-b', 12),
  ];
  const servers = pods.map(({ host }) =>
    startProgram(host, 'traffic', ['serve', host.name, '8080']),
  );
  await Promise.all(servers.map((server) => server.prints(/LISTENING/)));
  const endpoints = pods.flatMap(({ addresses }) => addresses);
  const file = `${lab.directory}/cluster.json`;
  writeFileSync(file, JSON.stringify({ web: { addresses: VIPS, port: 80, endpoints } }));
  const { mac } = linkOf(site.edge, 'front');
  site.router.ip(...VIPS.map((vip) => `neigh replace ${vip} lladdr ${mac} dev front`));
  const settings = {
    bpfDir: `${lab.bpffs}/edge`,
    runDir: `${lab.directory}/run`,
    interfaces: ['front', 'back'],
  };
  forwarder = startProgram(site.edge, 'forwarder-process', [file, JSON.stringify(settings)]);
  await forwarder.prints(/"message":"Applied"/);
  for (;;) {
    const { nextHops } = (await status()).usage;
    if (nextHops.addresses > 0 && nextHops.reachable === nextHops.addresses) break;
    await sleep(50);
  }
});

test.after.always(() => lab?.remove());

for (const vip of VIPS) {
  test.serial(`UDP datagrams of 8 kB through ${vip} arrive whole, both ways`, async (t) => {
    const job = { host: vip, port: 80, sockets: 20, datagrams: 5, bytes: 8000 };
    const result = await run<TrafficResult>('traffic', ['udp', JSON.stringify(job)]);
    t.deepEqual({ good: result.good, failures: result.failures }, { good: 100, failures: [] });
    t.deepEqual(Object.keys(result.answeredBy).sort(), ['pod-a', 'pod-b']);
  });

  test.serial(
    `clients with one identification, in any order, get their own answers from ${vip}`,
    async (t) => {
      const clients = CLIENT_ADDRESSES.map((pair) => pair[vip.includes(':') ? 1 : 0]);
      const { mac, ifindex } = linkOf(site.client, 'eth0');
      const gatewayMac = linkOf(site.router, 'clients').mac;
      const rounds = 30;
      const job = { vip, port: 80, clients, ifindex, ownMac: mac, gatewayMac, rounds, bytes: 8000 };
      const before = (await status()).counters;
      const result = await run<FragmentResult>('fragment-client', [JSON.stringify(job)]);
      t.deepEqual(result, { good: rounds * clients.length, failures: [] });
      const after = (await status()).counters;
      const more = (name: string) => (after[name] ?? 0) - (before[name] ?? 0);
      t.log(`${more('fragment_held')} fragments came before their first one`);
      t.true(more('fragment_held') >= (rounds / 3) * clients.length * 5);
      t.is(more('fragment_released'), more('fragment_held'));
    },
  );
}

function startProgram(host: Host, name: string, args: readonly string[]): LabProcess {
  return host.start([process.execPath, program(name), ...args]);
}

async function run<Result>(name: string, args: readonly string[]): Promise<Result> {
  const client = startProgram(site.client, name, args);
  await client.exited;
  return JSON.parse(client.output());
}

function linkOf(host: Host, name: string): { readonly mac: string; readonly ifindex: number } {
  const [link] = JSON.parse(host.run(['ip', '-j', 'link', 'show', name]));
  return { mac: link.address, ifindex: link.ifindex };
}

async function status(): Promise<ForwarderStatus> {
  const lines = () => forwarder.output().match(/^STATUS .*\n/gm) ?? [];
  const before = lines().length;
  process.kill(forwarder.pid, 'SIGUSR2');
  while (lines().length === before) await sleep(10);
  return JSON.parse(lines().at(-1)?.slice('STATUS '.length) ?? '');
}
