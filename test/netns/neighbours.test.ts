import { writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import { buildEdgeSite, type EdgeSite } from '../../lab/edge-site.ts';
import { createLab, type Lab } from '../../lab/lab.ts';
import type { LabProcess } from '../../lab/process.ts';
import { formatMac, type Mac, parseMac } from '../../src/domain/mac.ts';
import type { ForwarderStatus } from './forwarder-process.ts';
import type { SteadyResult } from './steady-client.ts';

/**
 * Neighbours that change, go, come back and lie, while a flow runs: one backend, on the link, and
 * nobody announces anything. The limits are generous; what was measured is in the log.
 */
const program = (name: string) => fileURLToPath(new URL(`${name}.ts`, import.meta.url));
const VIPS = ['192.0.2.100', '2001:db8:f::100'] as const;
const LIMIT_MS = 3000;

let lab: Lab;
let site: EdgeSite;
let forwarder: LabProcess;

test.before(async () => {
  lab = createLab();
  site = buildEdgeSite(lab);
  const [{ host, addresses }] = site.workers;
  host.sysctl({ 'ipv6/conf/all/keep_addr_on_down': 1 });
  // Whoever steals packets here must not hand them on.
  site.workers[1].host.sysctl({ 'ipv4/ip_forward': 0, 'ipv6/conf/all/forwarding': 0 });
  const server = host.start([process.execPath, program('traffic'), 'serve', host.name, '8080']);
  await server.prints(/LISTENING/);
  const file = `${lab.directory}/cluster.json`;
  writeFileSync(file, JSON.stringify({ web: { addresses: VIPS, port: 80, endpoints: addresses } }));
  const [link] = JSON.parse(site.edge.run(['ip', '-j', 'link', 'show', 'front']));
  site.router.ip(...VIPS.map((vip) => `neigh replace ${vip} lladdr ${link.address} dev front`));
  const settings = JSON.stringify({
    bpfDir: `${lab.bpffs}/edge`,
    runDir: `${lab.directory}/run`,
    interfaces: ['front', 'back'],
  });
  const command = [process.execPath, program('forwarder-process'), file, settings];
  forwarder = site.edge.start(command);
  await forwarder.prints(/"message":"Applied"/);
  await waitFor(async () => (await hops()).every(({ state }) => state === 'resolved'));
});

test.after.always(() => lab?.remove());

for (const [index, vip] of VIPS.entries()) {
  const family = index === 0 ? 'IPv4' : 'IPv6';

  test.serial(`${family}: a MAC address that changes in silence is followed`, async (t) => {
    const { host } = site.workers[0];
    const flow = await startFlow(vip, 3500);
    const mac = `02:00:00:00:ab:0${index}`;
    const startedMs = performance.now();
    host.ip(`link set eth0 address ${mac}`);
    await waitFor(async () => (await hops())[index]?.mac === mac);
    t.log(`in the maps after ${Math.round(performance.now() - startedMs)} ms`);
    const { longestGapMs, answeredBy } = await flow();
    t.log(`no answers for ${longestGapMs} ms`);
    t.true(longestGapMs < LIMIT_MS, `${longestGapMs} ms`);
    t.deepEqual(answeredBy, ['worker-1']);
  });

  test.serial(`${family}: a forged answer steals nothing while the host answers`, async (t) => {
    const [{ addresses }, { host: forger }] = site.workers;
    const before = (await hops())[index]?.mac;
    const flow = await startFlow(vip, 1800);
    const edge = site.edge.run(['ip', '-j', 'addr', 'show', 'back']);
    const [{ address: edgeMac, addr_info: held }] = JSON.parse(edge);
    const edgeAddress = held.filter((each: { local: string }) => !each.local.startsWith('fe80'))[
      index
    ].local;
    const claimed = addresses[index] as string;
    const args = ['eth0', claimed, edgeAddress, edgeMac, '50'];
    const { stdout, stderr } = await forger.finish([process.execPath, program('forger'), ...args]);
    t.regex(stdout, /Forged/, stderr);
    const { longestGapMs, answeredBy } = await flow();
    t.log(`no answers for ${longestGapMs} ms at most`);
    t.true(longestGapMs < 500, `${longestGapMs} ms`);
    t.deepEqual(answeredBy, ['worker-1']);
    t.is((await hops())[index]?.mac, before);
    await waitFor(async () => kernelMac(claimed) === before);
  });
}

test.serial('a host that is gone is said unreachable, and is used when it is back', async (t) => {
  const { host } = site.workers[0];
  const flows = await Promise.all(VIPS.map((vip) => startFlow(vip, 6500)));
  const downMs = performance.now();
  host.ip('link set eth0 down');
  await took(t, 'both said unreachable', downMs, 'unreachable');
  for (const { reason } of await hops()) t.regex(reason ?? '', /does not answer/);
  await sleep(1000);
  const upMs = performance.now();
  const routes = ['10.10.0.1', 'fd00:10::1'].map((via) => `route replace default via ${via}`);
  host.ip('link set eth0 up', ...routes);
  await took(t, 'both used again', upMs, 'resolved');
  for (const flow of flows) {
    const { longestGapMs, answeredBy } = await flow();
    t.log(`no answers for ${longestGapMs} ms`);
    t.true(longestGapMs < 1000 + 2 * LIMIT_MS);
    t.deepEqual(answeredBy, ['worker-1']);
  }
});

test.serial('what the administrator fixed is used as it is, and never overwritten', async (t) => {
  const [claimed] = site.workers[0].addresses;
  const fixed = '02:00:00:00:fe:fe';
  site.edge.ip(`neigh replace ${claimed} lladdr ${fixed} nud permanent dev back`);
  await waitFor(async () => (await hops())[0]?.mac === fixed);
  await sleep(1500);
  t.is((await hops())[0]?.mac, fixed);
  t.is(kernelMac(claimed), fixed);
  site.edge.ip(`neigh del ${claimed} dev back`);
  await waitFor(async () => (await hops())[0]?.mac === '02:00:00:00:ab:01');
  t.is(kernelMac(claimed), '02:00:00:00:ab:01');
});

async function took(t: ExecutionContext, what: string, fromMs: number, state: string) {
  await waitFor(async () => (await hops()).every((hop) => hop.state === state));
  const ms = performance.now() - fromMs;
  t.log(`${what} after ${Math.round(ms)} ms`);
  t.true(ms < LIMIT_MS, `${ms} ms`);
}

/** Starts a flow and waits for its first answer; the result is a function that waits for its end. */
async function startFlow(vip: string, durationMs: number): Promise<() => Promise<SteadyResult>> {
  const args = [program('steady-client'), vip, '80', String(durationMs)];
  const client = site.client.start([process.execPath, ...args]);
  await client.prints(/READY/);
  return async () => {
    await client.exited;
    return JSON.parse(client.output().split('READY\n')[1] as string);
  };
}

interface Hop {
  readonly state: string;
  readonly reason?: string;
  readonly mac: string | undefined;
}

/** How the backend is reached, by each of its addresses. */
async function hops(): Promise<readonly Hop[]> {
  const count = () => forwarder.output().match(/^STATUS .*\n/gm)?.length ?? 0;
  const before = count();
  process.kill(forwarder.pid, 'SIGUSR2');
  while (count() === before) await sleep(5);
  const last =
    forwarder
      .output()
      .match(/^STATUS .*\n/gm)
      ?.at(-1) ?? '';
  const status: ForwarderStatus = JSON.parse(last.slice('STATUS '.length));
  return site.workers[0].addresses.map((address) => {
    const hop = JSON.parse(status.reachability[address] ?? '{}');
    const mac: Mac | undefined = hop.destinationMac;
    return { ...hop, mac: mac === undefined ? undefined : formatMac(mac) };
  });
}

function kernelMac(address: string): string | undefined {
  const [entry] = JSON.parse(site.edge.run(['ip', '-j', 'neigh', 'show', address, 'dev', 'back']));
  return parseMac(entry?.lladdr ?? '') === undefined ? undefined : entry.lladdr;
}

async function waitFor(condition: () => Promise<boolean>): Promise<void> {
  const deadlineMs = performance.now() + 10_000;
  while (!(await condition())) {
    if (performance.now() > deadlineMs) throw new Error('What was waited for did not happen');
    await sleep(20);
  }
}
