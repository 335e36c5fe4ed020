import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { addEdge, addPod, buildEdgeSite, type EdgeSite } from '../../lab/edge-site.ts';
import type { Host } from '../../lab/host.ts';
import { createLab, type Lab } from '../../lab/lab.ts';
import type { Router, RouterOptions } from '../../lab/routers/router.ts';
import { startRouter } from '../../lab/routers/start-router.ts';
import {
  advertisementManifest,
  BOX_ASN,
  bfdProfileManifest,
  peerManifest,
  poolManifest,
  together,
} from './bgp-manifests.ts';
import { type Box, createBox, serve, serviceManifest, until } from './box.ts';
import type { SteadyResult } from './steady-client.ts';

/**
 * Two boxes announce one VIP to a router, which spreads flows over both (ECMP), while steady flows run:
 * what happens to boxes must not be seen in them. With BIRD and with FRR, which put routes into the kernel.
 */
const STEADY = fileURLToPath(new URL('steady-client.ts', import.meta.url));
const VIP = '198.51.100.1';
const FLOWS = 4;
const EDGES = [
  { router: '192.0.2.1', box: '192.0.2.2' },
  { router: '192.0.3.1', box: '192.0.3.2' },
] as const;
const ROUTER_ASN = 65001;

let lab: Lab;
let site: EdgeSite;
let boxes: readonly [Box, Box];
let router: Router;

test.before(async () => {
  lab = createLab();
  site = buildEdgeSite(lab);
  const second = addEdge(lab, site);
  const pods = site.workers.map((worker, index) => addPod(lab, worker, `pod-${index + 1}`, 11));
  site.router.sysctl({ 'ipv4/fib_multipath_hash_policy': 1 });
  boxes = [boxOn(site.edge, 0), boxOn(second, 1)];
  for (const [index, box] of boxes.entries()) {
    box.configure({ speaker: 'bgp: { shutdownWait: 1s }' });
    box.write(
      'bgp',
      together(
        poolManifest('public', ['198.51.100.0/28']),
        advertisementManifest('public', { spec: {} }),
        bfdProfileManifest('fast', { receiveInterval: 50, transmitInterval: 50 }),
      ),
    );
    setPeer(index, {});
    const ports = [{ port: 80, targetPort: 8080, protocol: 'UDP' as const }];
    box.write('web', serviceManifest('web', pods, { address: VIP, ports }));
  }
  await Promise.all([
    ...pods.map(({ host, name }) => serve(host, name, 8080)),
    ...boxes.map((box) => box.start()),
  ]);
});

let failed = false;

test.afterEach.always((t) => {
  failed ||= !t.passed;
});

test.after.always((t) => {
  if (failed && boxes) t.log(...boxes.map((box) => box.output()), router?.log());
  lab?.remove();
});

function setPeer(index: number, more: Readonly<Record<string, unknown>>): void {
  const spec = { peerAddress: EDGES[index]?.router, peerASN: ROUTER_ASN, ...more };
  boxes[index]?.write(
    'router',
    peerManifest('router', { spec: { ...spec, enableGracefulRestart: true } }),
  );
}

function boxOn(edge: Host, index: number): Box {
  const directory = `${lab.directory}/box-${index + 1}`;
  const bpffs = `${lab.bpffs}/box-${index + 1}`;
  return createBox({ ...lab, directory, bpffs }, { ...site, edge });
}

const options = (bfd: boolean): RouterOptions => ({
  asn: ROUTER_ASN,
  routerId: '192.0.2.1',
  neighbours: EDGES.map(({ box }) => {
    const timers = { intervalMs: 50, multiplier: 3 };
    return { address: box, asn: BOX_ASN, ...(bfd && { bfd: timers }) };
  }),
  installs: true,
});

for (const kind of ['bird', 'frr'] as const) {
  test.serial(`${kind}: both boxes are in the route, and flows go through either`, async (t) => {
    await router?.stop();
    router = await startRouter(kind, lab, site.router, options(false));
    await until('two next hops', async () => nextHops().length === 2);
    const results = await duringFlows(async () => undefined, 300);
    for (const { sent, answered } of results) t.is(sent - answered, 0);
  });

  test.serial(`${kind}: a box that is killed and comes back loses no packet`, async (t) => {
    const results = await duringFlows(async () => {
      await boxes[0].stop('SIGKILL');
      await sleep(500);
      t.is(nextHops().length, 2);
      await boxes[0].start();
      await until('fresh routes', async () => (await router.routes()).every(({ stale }) => !stale));
    });
    for (const { sent, answered } of results) t.is(sent - answered, 0);
    t.is(nextHops().length, 2);
  });

  test.serial(`${kind}: a box that stops hands over without losing a packet`, async (t) => {
    const results = await duringFlows(async () => {
      await boxes[0].stop('SIGTERM');
      t.deepEqual(nextHops(), ['192.0.3.2']);
    }, 3000);
    for (const { sent, answered } of results) t.is(sent - answered, 0);
    await boxes[0].start();
    await until('two next hops', async () => nextHops().length === 2);
  });

  test.serial(`${kind}: a box whose packets no longer arrive is left at once`, async (t) => {
    for (const index of boxes.keys()) setPeer(index, { bfdProfile: 'fast' });
    await router.configure(options(true));
    await until('all sessions watched', async () => {
      const all = (await router.sessions()).map(({ established }) => established);
      const bfd = (await router.bfdSessions()).map(({ up }) => up);
      return [...all, ...bfd].filter(Boolean).length === 4 && nextHops().length === 2;
    });
    let tookMs = 0;
    const results = await duringFlows(async () => {
      const cutMs = performance.now();
      site.router.run(['nft', '-f', '-'], DEAF);
      await until('one next hop', async () => nextHops().length === 1);
      tookMs = performance.now() - cutMs;
    }, 2000);
    t.log(`one next hop after ${Math.round(tookMs)} ms, by a look every 20 ms`);
    const gaps = results.map(({ longestGapMs }) => longestGapMs);
    t.log(`no answers for ${gaps.join(', ')} ms`);
    t.true(Math.max(...gaps) < 1500, `${gaps}`);
    site.router.run(['nft', 'delete', 'table', 'netdev', 'deaf']);
    for (const index of boxes.keys()) setPeer(index, {});
  });
}

/** The router no longer hears the second box. */
const DEAF = `table netdev deaf {
  chain in { type filter hook ingress device "front-2" priority 0; policy drop; }
}`;

function nextHops(): readonly string[] {
  const [route] = JSON.parse(site.router.run(['ip', '-j', 'route', 'show', `${VIP}/32`]));
  const hops: readonly { gateway: string }[] = route?.nexthops ?? (route ? [route] : []);
  return hops.map(({ gateway }) => gateway).sort();
}

/** Runs `action` while flows run, and resolves with what these saw. */
async function duringFlows(
  action: () => Promise<void>,
  lengthMs = 4000,
): Promise<readonly SteadyResult[]> {
  const flows = Array.from({ length: FLOWS }, () => {
    return site.client.start([process.execPath, STEADY, VIP, '80', String(lengthMs)]);
  });
  await Promise.all(flows.map((flow) => flow.prints(/READY/)));
  await action();
  await Promise.all(flows.map(({ exited }) => exited));
  return flows.map((flow) => JSON.parse(flow.output().split('READY\n')[1] as string));
}
