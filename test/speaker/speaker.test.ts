import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import type { Host } from '../../lab/host.ts';
import { createLab, type Lab } from '../../lab/lab.ts';
import type { LabProcess } from '../../lab/process.ts';
import { type LedgerWriter, openLedger } from '../../src/system/ledger.ts';
import { encodeServing } from '../../src/system/reports.ts';
import { watchLedger } from '../../src/system/watch-ledger.ts';
import { vipServing } from '../support/objects.ts';

const FIXTURE = fileURLToPath(new URL('./speaker.fixture.ts', import.meta.url));
const V4 = '192.0.2.100';
const V6 = '2001:db8:f::100';
const MAC = '02:00:00:00:00:ed';

interface Scene {
  readonly lab: Lab;
  readonly edge: Host;
  readonly neighbour: Host;
  readonly forwarder: LedgerWriter;
  start(): Promise<LabProcess>;
  /** What the forwarder reports of both VIPs. */
  report(servable: boolean): Promise<void>;
}

/** An edge box whose forwarder serves two VIPs, and a neighbour on the same wire. */
async function buildScene(t: ExecutionContext, servable = true): Promise<Scene> {
  const lab = createLab();
  t.teardown(lab.remove);
  const edge = lab.host('edge', 'forwards');
  const neighbour = lab.host('neighbour');
  lab.cable(
    { host: edge, name: 'front', addresses: ['192.0.2.2/24', '2001:db8:f::2/64'] },
    { host: neighbour, name: 'eth0', addresses: ['192.0.2.1/24', '2001:db8:f::1/64'] },
  );
  edge.ip(`link set front address ${MAC}`);
  const runDir = `${lab.directory}/run`;
  const forwarder = await openLedger(`${runDir}/forwarder.ledger`, { durable: false });
  t.teardown(() => forwarder.close());
  const report = (servable: boolean) =>
    forwarder.put([V4, V6].map((vip) => [vip, encodeServing(serving(vip, servable))] as const));
  await report(servable);
  async function start() {
    const command = [process.execPath, FIXTURE, runDir, 'front', V4, V6];
    const speaker = edge.start(command);
    await speaker.prints(/^started/m);
    return speaker;
  }
  return { lab, edge, neighbour, forwarder, start, report };
}

function serving(vip: string, servable: boolean) {
  return vipServing(vip, {
    service: `default/s${vip}`,
    servable,
    usableBackends: servable ? 1 : 0,
    reason: servable ? '' : 'noEndpoints',
  });
}

function neighbourEntry(host: Host, vip: string): string {
  return host.run(['ip', 'neigh', 'show', vip]);
}

test('neighbours find VIPs by ARP and neighbour discovery, whatever way they ask', async (t) => {
  const { neighbour, start } = await buildScene(t);
  const speaker = await start();
  neighbour.ip('neigh flush all');
  for (const vip of [V4, V6]) {
    // Nobody answers the ping; but to send it, the kernel resolves the VIP.
    await neighbour.finish(['ping', '-c1', '-W1', vip]);
    t.regex(neighbourEntry(neighbour, vip), new RegExp(`lladdr ${MAC} (ref 1 used .*)?REACHABLE`));
  }
  const arping = neighbour.run(['arping', '-I', 'eth0', '-c2', '-w3', V4]);
  t.regex(arping, new RegExp(`Unicast reply from ${V4} \\[${MAC.toUpperCase()}\\]`));
  t.regex(arping, /Received 2 response/);
  t.regex(neighbour.run(['ndisc6', '-m', '-r1', '-w1000', V6, 'eth0']), new RegExp(MAC, 'i'));
  const probe = await neighbour.finish(['arping', '-D', '-I', 'eth0', '-c1', '-w1', V4]);
  t.is(probe.code, 1, `a probe finds the address taken: ${probe.stdout}`);
  const other = await neighbour.finish(['arping', '-I', 'eth0', '-c1', '-w1', '192.0.2.101']);
  t.is(other.code, 1, `an address that is not announced is not answered: ${other.stdout}`);
  process.kill(speaker.pid, 'SIGUSR2');
  const [, text = ''] = await speaker.prints(/counters (.*)/);
  const counters = Object.fromEntries(JSON.parse(text));
  t.true(counters[V4].requestsReceived >= 4, text);
  t.is(counters[V4].responsesSent, counters[V4].requestsReceived);
  t.true(counters[V6].requestsReceived >= 2, text);
  t.is(counters[V4].conflicts, 0);
});

test('a takeover is announced in a burst, and MLD reports the group', async (t) => {
  const { neighbour, start } = await buildScene(t);
  const dump = neighbour.start(['tcpdump', '-l', '-n', '-e', '-vv', '-i', 'eth0', 'arp or ip6']);
  await dump.prints(/listening on/);
  await start();
  const rounds = new RegExp(`(ethertype ARP[^\\n]*Reply ${V4} is-at ${MAC}[\\s\\S]*){3}`);
  await dump.prints(rounds);
  const advert = `neighbor advertisement.*tgt is ${V6}, Flags \\[override\\]`;
  await dump.prints(new RegExp(`(${advert}[\\s\\S]*){3}`));
  const output = dump.output();
  t.regex(output, new RegExp(`${MAC} > ff:ff:ff:ff:ff:ff.*Request who-has ${V4}.*tell ${V4}`));
  t.regex(output, new RegExp(`${MAC} > 33:33:00:00:00:01.*\\(hlim 255[\\s\\S]*?${V6} > ff02::1:`));
  t.regex(output, /multicast listener report v2.*gaddr ff02::1:ff00:100 to_ex/);
  t.regex(output, /\[icmp6 sum ok\]/);
  t.notRegex(output, /bad icmp6 cksum/);
  await dump.stop();
});

test('a host that configures the VIP sees that it is taken', async (t) => {
  const { neighbour, start } = await buildScene(t);
  await start();
  neighbour.sysctl({ 'ipv6/conf/eth0/accept_dad': 1 });
  neighbour.ip(`addr add ${V6}/64 dev eth0`);
  neighbour.ip('addr add 2001:db8:f::101/64 dev eth0');
  const settled = (vip: string, state: string) =>
    `until ip -o -6 addr show dev eth0 | grep ' ${vip}/' | ${state}; do sleep 0.02; done`;
  const script = `${settled(V6, 'grep -q dadfailed')}; echo taken
    ${settled('2001:db8:f::101', 'grep -qv tentative')}; echo free`;
  await neighbour.start(['sh', '-c', script]).prints(/taken\nfree/);
  t.pass();
});

test('a withdrawn VIP is not answered any more, and its group is left', async (t) => {
  const { edge, neighbour, start, report } = await buildScene(t);
  const speaker = await start();
  const members = () => edge.run(['cat', '/proc/net/igmp6']).match(/ff000100 /g)?.length ?? 0;
  t.is(members(), 1);
  neighbour.run(['arping', '-I', 'eth0', '-c1', '-w1', V4]);
  await report(false);
  await speaker.prints(new RegExp(`No longer announcing .*${V6}.*noEndpoints`));
  const asked = ['arping', '-I', 'eth0', '-c1', '-w1', V4];
  t.regex((await neighbour.finish(asked)).stdout, /Received 0 response/);
  t.not((await neighbour.finish(['ndisc6', '-m', '-r1', '-w300', V6, 'eth0'])).code, 0);
  t.is(members(), 0);
  await report(true);
  await speaker.prints(new RegExp(`(info Announcing \\{"vip":"${V6}[\\s\\S]*){2}`));
  neighbour.run(['arping', '-I', 'eth0', '-c1', '-w1', V4]);
  await speaker.stop();
  t.regex(
    speaker.output(),
    /stopped .*"announced":false,"interfaces":\[\],"peers":\[\],"reason":"speakerStopped"/,
  );
  t.regex((await neighbour.finish(asked)).stdout, /Received 0 response/);
});

test('a speaker that was killed announces at once when it is back', async (t) => {
  const { lab, neighbour, start } = await buildScene(t);
  const first = await start();
  // The report is written a moment after what it tells of.
  const report = watchLedger(`${lab.directory}/run/speaker.ledger`, () => {});
  while (report.entries.size < 2) await sleep(5);
  report.close();
  await first.stop('SIGKILL');
  const asked = ['arping', '-I', 'eth0', '-c1', '-w1', V4];
  t.is((await neighbour.finish(asked)).code, 1);
  const second = await start();
  neighbour.run(asked);
  // What a killed one reported stays true, so nothing has changed for anybody.
  t.notRegex(second.output(), /info Announcing \{/);
});

test('only one speaker runs on a box', async (t) => {
  const { start } = await buildScene(t);
  const first = await start();
  await t.throwsAsync(start(), { message: new RegExp(`process ${first.pid} holds it`) });
});

test('an interface that returns, or has another MAC, announces anew', async (t) => {
  const { edge, neighbour, start } = await buildScene(t);
  const speaker = await start();
  neighbour.run(['arping', '-I', 'eth0', '-c1', '-w1', V4]);
  edge.ip('link set front down');
  await speaker.prints(/No longer announcing on an interface/);
  t.regex(speaker.output(), new RegExp(`No longer announcing .*${V4}.*noInterface`));
  edge.ip('link set front address 02:00:00:00:00:ee', 'link set front up');
  await speaker.prints(/(Announcing on an interface[\s\S]*){2}/);
  for (const vip of [V4]) {
    neighbour.ip('neigh flush all');
    await neighbour.finish(['ping', '-c1', '-W1', vip]);
    t.regex(neighbourEntry(neighbour, vip), /lladdr 02:00:00:00:00:ee/);
  }
});

test('a VIP that another host claims is defended, and the claim is told', async (t) => {
  const { neighbour, start } = await buildScene(t);
  const speaker = await start();
  const dump = neighbour.start(['tcpdump', '-l', '-n', '-i', 'eth0', '-Q', 'in', 'arp or ip6']);
  await dump.prints(/listening on/);
  await speaker.prints(/started/);
  neighbour.ip(`addr add ${V4}/24 dev eth0`, `addr add ${V6}/64 dev eth0 nodad`);
  neighbour.run(['arping', '-U', '-I', 'eth0', '-c2', '-s', V4, V4]);
  await speaker.prints(new RegExp(`claims an announced address.*"vip":"${V4}".*"claimant"`));
  t.is(speaker.output().match(/claims an announced address/g)?.length, 1);
  await dump.prints(new RegExp(`Reply ${V4} is-at ${MAC}`));
});
