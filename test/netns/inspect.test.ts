import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { addPod, buildEdgeSite, type EdgeSite, type Pod } from '../../lab/edge-site.ts';
import { createLab, type Lab } from '../../lab/lab.ts';
import { type Box, createBox, POOL, serve, serviceManifest, tcpFrom, until } from './box.ts';

/** Looking inside a box that forwards real connections, with the tools that people have. */
const VIP = '192.0.2.100';

let lab: Lab;
let site: EdgeSite;
let pods: readonly Pod[];
let box: Box;

test.before(async () => {
  lab = createLab();
  site = buildEdgeSite(lab);
  pods = site.workers.map((worker, index) => addPod(lab, worker, `pod-${index + 1}`, 11 + index));
  for (const { host, name } of pods) await serve(host, name, 8080);
  box = createBox(lab, site);
  box.write('pool', POOL);
  box.write('web', serviceManifest('web', pods, { address: VIP }));
  await box.start();
  await until(`${VIP} answers`, async () => (await connect(1)).good === 1);
});

test.after.always(() => lab?.remove());

function connect(connections: number) {
  return tcpFrom(site.client, { host: VIP, port: 80, connections, parallel: 5, bytes: 2000 });
}

/** What tcpdump says of the file, a line a packet. */
function dump(file: string): string[] {
  return site.edge.run(['tcpdump', '-nn', '-r', file]).trim().split('\n');
}

async function isCapturing(): Promise<boolean> {
  const { stdout } = await site.edge.finish([
    ...['curl', '-s', '--unix-socket', `${lab.directory}/run/admin/${INSTANCE}.sock`],
    'http://box/metrics',
  ]);
  return /^tidegate_capture_running 1$/m.test(stdout);
}

const INSTANCE = 'controller+speaker+forwarder';

test.serial(
  'tcpdump reads a capture: the SYN to the VIP, and the SYN to the backend',
  async (t) => {
    const file = `${lab.directory}/web.pcapng`;
    const capturing = box.ask('capture', '--vip', `${VIP}:80`, '--seconds', '3', '-w', file);
    await until('it captures', isCapturing);
    t.deepEqual((await connect(5)).failures, []);
    const { code, stderr } = await capturing;
    t.is(code, 0, stderr);
    t.regex(stderr, /^packets \d\d+, lost 0\n$/);
    const lines = dump(file);
    const count = (pattern: RegExp) => lines.filter((line) => pattern.test(line)).length;
    t.is(count(/ > 192\.0\.2\.100\.80: Flags \[S\]/), 5);
    t.is(count(/ > 10\.244\.\d\.\d+\.8080: Flags \[S\]/), 5);
    t.is(count(/ 10\.244\.\d\.\d+\.8080 > .*Flags \[S\.\]/), 5);
    t.is(count(/ 192\.0\.2\.100\.80 > .*Flags \[S\.\]/), 5);
    t.false(await isCapturing());
  },
);

test.serial('a capture ends when its reader goes, and the next may begin', async (t) => {
  const file = `${lab.directory}/gone.pcapng`;
  const socket = `${lab.directory}/run/admin/${INSTANCE}.sock`;
  const reader = site.edge.start([
    ...['curl', '-s', '-o', file, '--unix-socket', socket],
    `http://box/v1/capture?vip=${VIP}&seconds=600`,
  ]);
  await until('it captures', isCapturing);
  const second = await box.ask('capture', '--vip', VIP, '-w', `${file}.2`);
  t.is(second.code, 1);
  t.regex(second.stderr, /Another capture is running/);
  await reader.stop('SIGKILL');
  await until('it stopped', async () => !(await isCapturing()));
  t.pass();
});

test.serial('a forwarder that is killed while it captures starts without', async (t) => {
  const file = `${lab.directory}/killed.pcapng`;
  const capturing = box.ask('capture', '--vip', VIP, '--seconds', '600', '-w', file);
  await until('it captures', isCapturing);
  await box.stop('SIGKILL');
  await connect(5);
  await capturing;
  await box.start();
  t.false(await isCapturing());
  t.deepEqual((await connect(5)).failures, []);
  const again = box.ask('capture', '--vip', VIP, '--count', '1', '-w', file);
  await until('it captures', isCapturing);
  await connect(1);
  t.is((await again).code, 0);
  t.true(dump(file).length >= 1);
});

test.serial('a trace through the running forwarder says what then happens', async (t) => {
  const counted = async () => (await box.ask('flows', '--count')).stdout;
  const before = await counted();
  const packet = ['--from', '203.0.113.9:5000', '--to', `${VIP}:80`, '--in', 'front'];
  const traced = await box.ask('trace', ...packet);
  t.is(traced.code, 0, traced.stderr);
  t.regex(traced.stdout, /For the VIP 192\.0\.2\.100 TCP 80; new flows go to /);
  t.regex(traced.stdout, /The choice falls on 10\.244\.\d\.1[12]:8080\n/);
  t.regex(traced.stdout, /\nOut: .* > 10\.244\.\d\.1[12]:8080: TCP \[S\], ttl 63/);
  t.is(await counted(), before);
  const unserved = await box.ask('trace', '--from', '203.0.113.9', '--to', `${VIP}:81`, '--udp');
  t.not(unserved.code, 5, unserved.stdout);
  const foreign = await box.ask('trace', '--from', '203.0.113.9', '--to', '198.51.100.1:81');
  t.is(foreign.code, 5, foreign.stdout);
});

test.serial('a captured conversation can be traced', async (t) => {
  const file = `${lab.directory}/again.pcapng`;
  const capturing = box.ask('capture', '--vip', VIP, '--seconds', '2', '-w', file);
  await until('it captures', isCapturing);
  await connect(1);
  await capturing;
  t.true(readFileSync(file).length > 0);
  const { stdout } = await box.ask('trace', '--pcap', file, '--json');
  const [first] = JSON.parse(stdout).items;
  t.is(first.outcome, 'forwarded');
});

test.serial('top shows the traffic of the moment', async (t) => {
  const asked: Promise<unknown>[] = [];
  const load = setInterval(() => asked.push(connect(20)), 300);
  try {
    await sleep(300);
    const { stdout, stderr } = await box.ask('top', '--once', '--json');
    t.is(stderr, '');
    const [busiest] = JSON.parse(stdout).items;
    t.like(busiest, { service: 'default/web', address: VIP, port: 80 });
    t.true(busiest.packets > 50 && busiest.newFlows > 5, stdout);
  } finally {
    clearInterval(load);
    await Promise.all(asked);
  }
});
