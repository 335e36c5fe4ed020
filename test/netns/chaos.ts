/**
 * Everything that happens to an edge site in a bad year, in seconds: what a Service with two Pods
 * that never change does meanwhile is for its caller to judge.
 */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { run } from '../../lab/command.ts';
import { addPod, buildEdgeSite, type EdgeSite, type Pod } from '../../lab/edge-site.ts';
import type { Host } from '../../lab/host.ts';
import type { Lab } from '../../lab/lab.ts';
import { createMutator } from '../support/mutate.ts';
import { tcp } from '../support/packet.ts';
import { type Box, createBox, POOL, serve, serviceManifest, tcpFrom, until } from './box.ts';
import type { ChaosJob, ChaosResult, Trouble } from './chaos-client.ts';
import type { FloodJob } from './flooder.ts';

const program = (name: string) => fileURLToPath(new URL(`${name}.ts`, import.meta.url));
const STEADY = { steady: '192.0.2.100', steady6: '2001:db8:f::100' } as const;
const STEADY_PORTS = (['TCP', 'UDP'] as const).map((protocol) => {
  return { port: 80, targetPort: 8080, protocol };
});
const BUSY = '192.0.2.101';
const NETWORK_ROLES = 'controller,speaker';
const FORWARDER = 'forwarder';
/** Connections that were opened so shortly before an outage meet it, too. */
const HEAL_MS = 300;

export interface ChaosReport {
  readonly client: ChaosResult;
  readonly outages: readonly Trouble[];
  /** What happened, in order. */
  readonly events: readonly string[];
}

interface World {
  readonly lab: Lab;
  readonly site: EdgeSite;
  readonly box: Box;
  readonly steady: readonly [Pod, Pod];
  readonly busy: readonly Pod[];
  readonly stranger: Host;
  readonly stateDir: string;
  readonly random: (below: number) => number;
}

/** `ownPath`: steady connections cannot go on meanwhile, whoever forwards them. */
interface ChaosEvent {
  readonly name: string;
  readonly ownPath?: boolean;
  act(world: World): Promise<unknown>;
}

const EVENTS: readonly ChaosEvent[] = [
  { name: 'endpoints and weights change', act: async (world) => offerBusy(world) },
  { name: 'the busy Service goes and comes', act: goAndCome },
  { name: 'policy of the steady Service changes', act: async (world) => offerSteady(world) },
  { name: 'the forwarder is killed', act: killForwarder },
  { name: 'the forwarder restarts', act: restartForwarder },
  { name: 'controller and speaker are killed', act: killOthers },
  { name: 'a far node changes its MAC', act: (world) => changeMac(world, 1) },
  { name: 'a far node loses its link', act: (world) => loseLink(world, 1) },
  { name: 'the near node changes its MAC', ownPath: true, act: (world) => changeMac(world, 0) },
  { name: 'the near node loses its link', ownPath: true, act: (world) => loseLink(world, 0) },
  { name: 'the back interface is made anew', ownPath: true, act: remakeBack },
  { name: 'the front interface is made anew', ownPath: true, act: remakeFront },
  { name: 'routes lead another way and back', act: detour },
  { name: 'a stranger floods', act: flood },
  { name: 'the disk is full', act: fillDisk },
];

/** A site with everything on it, and so many events, the same for the same seed. */
export async function runChaos(
  lab: Lab,
  { seed, events }: { readonly seed: number; readonly events: number },
): Promise<ChaosReport> {
  const stateDir = `${lab.directory}/state`;
  mkdirSync(stateDir);
  run('mount', ['-t', 'tmpfs', '-o', 'size=512k', 'chaos', stateDir]);
  try {
    const world = await buildWorld(lab, stateDir, createMutator(seed).random);
    return await disturb(world, events);
  } finally {
    run('umount', ['-l', stateDir]);
  }
}

async function disturb(world: World, events: number): Promise<ChaosReport> {
  const job: ChaosJob = { hosts: Object.values(STEADY), port: 80, steady: 6, freshEveryMs: 20 };
  const command = [process.execPath, program('chaos-client'), JSON.stringify(job)];
  const client = world.site.client.start(command);
  await client.prints(/READY/);
  const outages: Trouble[] = [];
  const happened: string[] = [];
  let left: ChaosEvent[] = [];
  for (let i = 0; i < events; i++) {
    if (left.length === 0) left = [...EVENTS];
    const [event] = left.splice(world.random(left.length), 1) as [ChaosEvent];
    const startedMs = Date.now();
    happened.push(`${startedMs} ${event.name}`);
    await event.act(world);
    if (event.ownPath) {
      await untilServed(world);
      outages.push({ startedMs, endedMs: Date.now() + HEAL_MS, what: event.name });
    }
    await sleep(world.random(400));
  }
  await untilServed(world);
  await client.stop('SIGTERM');
  const line = client.output().trim().split('\n').at(-1) ?? '{}';
  return { client: JSON.parse(line), outages, events: happened };
}

async function buildWorld(lab: Lab, stateDir: string, random: World['random']): Promise<World> {
  const site = buildEdgeSite(lab);
  const [near, far] = site.workers;
  const steady = [addPod(lab, near, 'pod-1', 11), addPod(lab, near, 'pod-2', 12)] as const;
  const busy = [13, 14, 15].map((n) => addPod(lab, far, `pod-${n - 10}`, n));
  const stranger = lab.host('stranger');
  lab.cable(
    { host: stranger, name: 'eth0', addresses: ['198.51.100.2/24'], xdp: true },
    { host: site.router, name: 'strangers', addresses: ['198.51.100.1/24'] },
  );
  for (const { host, name } of [...steady, ...busy]) await serve(host, name, 8080);
  const box = createBox(lab, site);
  const world = { lab, site, box, steady, busy, stranger, stateDir, random };
  box.write('pool', POOL);
  offerBusy(world);
  offerSteady(world);
  await box.start(NETWORK_ROLES);
  await box.start(FORWARDER);
  await untilServed(world);
  return world;
}

function pick<T>({ random }: World, values: readonly T[]): T {
  return values[random(values.length)] as T;
}

function offerBusy(world: World): void {
  const pods = world.busy.filter(() => world.random(2) === 1);
  const annotations = {
    'tidegate.io/scheduler': pick(world, ['maglev', 'round-robin', 'least-connections']),
    'tidegate.io/weights': `pod-3=${1 + world.random(5)},pod-4=${world.random(3)}`,
    ...(world.random(2) ? { 'tidegate.io/slow-start': '2s' } : {}),
  };
  const ports = [80, 81, 443].slice(0, 1 + world.random(3));
  world.box.write(
    'busy',
    serviceManifest('busy', pods.length ? pods : world.busy, {
      address: BUSY,
      annotations,
      ports: ports.map((port) => ({ port, targetPort: 8080 })),
      spec: world.random(2) ? '  loadBalancerSourceRanges: ["198.51.100.0/24"]' : '',
    }),
  );
}

async function goAndCome(world: World): Promise<void> {
  world.box.write('busy', '');
  await sleep(50 + world.random(400));
  offerBusy(world);
}

/** Who is chosen, and by what rules; its Pods stay, and so may the client. */
function offerSteady(world: World): void {
  const spec = pick(world, [
    '',
    '  loadBalancerSourceRanges: ["203.0.113.0/24", "2001:db8:c::/64"]',
    '  loadBalancerSourceRanges: ["0.0.0.0/0", "::/0"]',
    '  sessionAffinity: ClientIP',
  ]);
  const annotations = {
    'tidegate.io/scheduler': pick(world, [
      'maglev',
      'round-robin',
      'least-connections',
      'source-hash',
    ]),
    // A check that fails in an outage of the Pods' own path would move UDP flows, and rightly.
    'tidegate.io/health-check': 'none',
    'tidegate.io/weights': `pod-1=${1 + world.random(4)},pod-2=${1 + world.random(4)}`,
    ...(world.random(2) ? { 'tidegate.io/slow-start': '1s' } : {}),
  };
  for (const [name, address] of Object.entries(STEADY)) {
    const fields = { address, annotations, spec, ports: STEADY_PORTS };
    world.box.write(name, serviceManifest(name, world.steady, fields));
  }
}

async function killForwarder({ box, random }: World): Promise<void> {
  await box.stop('SIGKILL', FORWARDER);
  await sleep(random(500));
  await box.start(FORWARDER);
}

async function restartForwarder({ box, random }: World): Promise<void> {
  await box.stop('SIGTERM', FORWARDER);
  await sleep(random(500));
  await box.start(FORWARDER);
}

async function killOthers({ box, random }: World): Promise<void> {
  await box.stop('SIGKILL', NETWORK_ROLES);
  await sleep(random(300));
  await box.start(NETWORK_ROLES);
}

async function changeMac({ site, random }: World, worker: 0 | 1): Promise<void> {
  const last = (16 + random(200)).toString(16);
  site.workers[worker].host.ip(`link set eth0 address 02:00:00:00:${worker}e:${last}`);
}

async function loseLink({ site, random }: World, worker: 0 | 1): Promise<void> {
  const { host, addresses } = site.workers[worker];
  host.ip('link set eth0 down');
  await sleep(50 + random(600));
  const networks = site.workers[1 - worker]?.podNetworks ?? [];
  const gateways = site.workers[1 - worker]?.addresses ?? [];
  host.ip(
    'link set eth0 up',
    'route replace default via 10.10.0.1',
    `route replace ${networks[0]} via ${gateways[0]}`,
    // Addresses of IPv6 go with the link.
    `addr replace ${addresses[1]}/64 dev eth0 nodad`,
    'route replace default via fd00:10::1',
    `route replace ${networks[1]} via ${gateways[1]}`,
  );
}

/** Runs `remake` for an interface that is gone; it comes back as the same card. */
async function remakeEdge(
  { site, random }: World,
  name: 'front' | 'back',
  remake: () => void,
): Promise<void> {
  const [link] = JSON.parse(site.edge.run(['ip', '-j', 'link', 'show', name]));
  site.edge.ip(`link del ${name}`);
  await sleep(random(300));
  remake();
  site.edge.ip(`link set ${name} address ${link.address}`);
}

function remakeBack(world: World): Promise<void> {
  const { lab, site } = world;
  return remakeEdge(world, 'back', () => {
    lab.cable(
      { host: site.edge, name: 'back', addresses: ['10.10.0.1/24', 'fd00:10::1/64'], xdp: true },
      { host: site.lan, name: 'edge' },
    );
    site.lan.ip('link set edge master lan');
    site.edge.ip(
      ...site.workers.flatMap(({ podNetworks, addresses }) =>
        podNetworks.map((network, i) => `route replace ${network} via ${addresses[i]}`),
      ),
    );
  });
}

function remakeFront(world: World): Promise<void> {
  const { lab, site } = world;
  const addresses = ['192.0.2.2/24', '2001:db8:f::2/64'];
  return remakeEdge(world, 'front', () => {
    lab.cable(
      { host: site.router, name: 'front', addresses: ['192.0.2.1/24', '2001:db8:f::1/64'] },
      { host: site.edge, name: 'front', addresses, xdp: true },
    );
    site.edge.ip('route replace default via 192.0.2.1', 'route replace default via 2001:db8:f::1');
  });
}

/** The near node's Pods by way of the far node, which is a router too. */
async function detour({ site, random }: World): Promise<void> {
  const [near, far] = site.workers;
  const via = ({ addresses }: typeof near) =>
    near.podNetworks.map((network, i) => `route replace ${network} via ${addresses[i]}`);
  site.edge.ip(...via(far));
  await sleep(300 + random(700));
  site.edge.ip(...via(near));
}

async function flood({ site, stranger, random }: World): Promise<void> {
  const [link] = JSON.parse(stranger.run(['ip', '-j', 'link', 'show', 'eth0']));
  const [router] = JSON.parse(site.router.run(['ip', '-j', 'link', 'show', 'strangers']));
  const to = `${random(2) ? STEADY.steady : BUSY}:80`;
  const frame = new Uint8Array(60);
  frame.set(tcp({ from: '100.64.0.0:1000', to, flags: 'S', dstMac: router.address }));
  const job: FloodJob = {
    ifindex: link.ifindex,
    frame: Buffer.from(frame).toString('hex'),
    sources: 2 ** 22,
    perSecond: 15_000,
    seconds: 1,
    cpu: 1,
  };
  await stranger.finish([process.execPath, program('flooder'), JSON.stringify(job)]);
}

async function fillDisk(world: World): Promise<void> {
  const file = `${world.stateDir}/full`;
  try {
    writeFileSync(file, new Uint8Array(1 << 20));
  } catch {
    // As full as it gets.
  }
  offerBusy(world);
  await sleep(200 + world.random(300));
  if (world.random(2)) await killForwarder(world);
  rmSync(file, { force: true });
}

/** Until new connections get through again, from the router's side and for both families. */
async function untilServed({ site }: World): Promise<void> {
  await until('the steady Service answers', async () => {
    const asked = Object.values(STEADY).map((host) =>
      tcpFrom(site.client, { host, port: 80, connections: 4, parallel: 4, bytes: 10 }),
    );
    return (await Promise.all(asked)).every(({ failures }) => failures.length === 0);
  });
}
