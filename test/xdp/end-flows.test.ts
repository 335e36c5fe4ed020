import { availableParallelism } from 'node:os';
import test from 'ava';
import { type AddressRange, parseRange } from '../../src/domain/prefix.ts';
import { dataplaneAbi, endFlows, packRanges, sweepFlows } from '../../src/system/bpf.ts';
import { NAT_V4, NAT_V6, openDataplane } from '../support/dataplane-fixture.ts';
import { invariantBreaches } from '../support/flow-invariants.ts';
import { tcp, udp } from '../support/packet.ts';
import { openReplay } from '../support/replay.ts';

const FLOWS = 4096;
const dataplane = openDataplane({ flows: FLOWS, reverse: 2 * FLOWS });
const { structs } = dataplaneAbi();
const VIP = '192.0.2.10';
const VIP6 = '2001:db8::10';

test.beforeEach(() => {
  dataplane.reset({ nat_port_last: 49999 });
  dataplane.server({ index: 1, vip: VIP, port: 80, protocol: 'tcp', ring: [1] });
  dataplane.server({ index: 2, vip: VIP, port: 443, protocol: 'tcp', ring: [2] });
  dataplane.server({ index: 3, vip: VIP6, port: 80, protocol: 'tcp', ring: [3] });
  dataplane.server({ index: 4, vip: VIP, port: 53, protocol: 'udp', ring: [4] });
  for (const index of [1, 2, 4])
    dataplane.backend({ index, address: `10.1.0.${index}`, port: 8080, server: index });
  dataplane.backend({ index: 3, address: 'fd01::3', port: 8080, server: 3 });
});

function ranges(...texts: readonly string[]): AddressRange[] {
  return texts.map((text) => parseRange(text) as AddressRange);
}

/** The servers, by index, and their only clients. */
function allow(servers: readonly number[], ...texts: readonly string[]) {
  return { servers, allowed: packRanges(ranges(...texts)) };
}

const open = (from: string, to = `${VIP}:80`) => dataplane.send(tcp({ from, to, flags: 'S' }));
const isAlive = (from: string, to = `${VIP}:80`) =>
  dataplane.send(tcp({ from, to, flags: 'A' })).verdict === 'tx';

test.serial('endFlows() ends the flows of refused clients, and nobody else’s', async (t) => {
  const clients = ['198.51.100.7:1000', '198.51.100.200:1000', '203.0.113.9:1000'];
  for (const from of clients) open(from);
  const ended = await endFlows(dataplane.object, [
    allow([1], '198.51.100.128/25', '203.0.113.0-203.0.113.9'),
  ]);
  t.is(ended, 1);
  t.deepEqual(
    clients.map((from) => isAlive(from)),
    [false, true, true],
  );
  t.deepEqual(invariantBreaches(dataplane), []);
});

test.serial('an ended flow is gone in both directions, and its NAT port is free', async (t) => {
  dataplane.reset({ nat_port_last: 40000 });
  dataplane.server({ index: 1, vip: VIP, port: 80, protocol: 'tcp', ring: [1] });
  dataplane.backend({ index: 1, address: '10.1.0.1', port: 8080, server: 1 });
  open('198.51.100.7:1000');
  const answer = tcp({ from: '10.1.0.1:8080', to: `${NAT_V4}:40000`, flags: 'SA' });
  t.is(dataplane.send(answer).verdict, 'tx');
  t.is(await endFlows(dataplane.object, [allow([1])]), 1);
  t.is(dataplane.send(answer).verdict, 'pass');
  t.false(isAlive('198.51.100.7:1000'));
  t.true(new Uint8Array(dataplane.map('reverse').mapped()).every((byte) => byte === 0));
  t.is(open('198.51.100.8:1000').verdict, 'tx', 'there is only this one port');
});

test.serial('flows of other servers stay, and each server has its own list', async (t) => {
  const [a, b] = ['198.51.100.7:1000', '203.0.113.9:1000'];
  const [from6, to6] = ['[2001:db8:1::7]:1000', `[${VIP6}]:80`];
  const query = udp({ from: a, to: `${VIP}:53`, payload: 'query' });
  for (const from of [a, b]) for (const port of [80, 443]) open(from, `${VIP}:${port}`);
  open(from6, to6);
  open('[2001:db8:2::7]:1000', to6);
  dataplane.send(query);
  const ended = await endFlows(dataplane.object, [
    allow([1], '198.51.100.0/24'),
    allow([3], '2001:db8:1::/48'),
    allow([4]),
  ]);
  t.is(ended, 3);
  t.deepEqual([isAlive(a), isAlive(b)], [true, false]);
  t.deepEqual([isAlive(a, `${VIP}:443`), isAlive(b, `${VIP}:443`)], [true, true]);
  t.deepEqual([isAlive(from6, to6), isAlive('[2001:db8:2::7]:1000', to6)], [true, false]);
  const back = tcp({ from: '[fd01::3]:8080', to: `[${NAT_V6}]:${natPortOf(3)}`, flags: 'SA' });
  t.is(dataplane.send(back).verdict, 'tx');
  t.is(dataplane.flows().filter(({ server }) => server === 4).length, 0);
  t.deepEqual(invariantBreaches(dataplane), []);
});

function natPortOf(server: number): number | undefined {
  return dataplane.flows().find((flow) => flow.server === server)?.natPort;
}

test.serial('the edges of ranges count in, whatever order and overlaps they have', async (t) => {
  const list = ranges('10.7.0.9-10.7.0.9', '10.7.0.1-10.7.0.3', '10.7.0.2-10.7.0.5');
  for (let host = 0; host <= 10; host++) open(`10.7.0.${host}:1000`);
  await endFlows(dataplane.object, [{ servers: [1], allowed: packRanges(list) }]);
  const left = Array.from({ length: 11 }, (_, host) => host).filter((host) =>
    isAlive(`10.7.0.${host}:1000`),
  );
  t.deepEqual(left, [1, 2, 3, 4, 5, 9]);
});

test.serial('endFlows() refuses servers and ranges that are not there', (t) => {
  t.throws(() => endFlows(dataplane.object, [allow([64])]), { code: 'EINVAL' });
});

const STREAM = tcp({ from: '100.64.0.0:1000', to: `${VIP}:80`, flags: 'S' });
const CPUS = [0, availableParallelism() - 1] as const;

test.serial('the table stays sound while two CPUs create flows that end and expire', async (t) => {
  const replays = CPUS.map(() => openReplay(dataplane.object));
  t.teardown(() => {
    for (const replay of replays) replay.close();
  });
  const packets = 400_000;
  // More clients than places: entries are reused, sets are full.
  for (const replay of replays) replay.load({ packet: STREAM, clients: 2 * FLOWS });
  let running = true;
  const runs = Promise.all(replays.map((replay, i) => replay.run(packets, CPUS[i] ?? 0))).finally(
    () => {
      running = false;
    },
  );
  let ended = 0;
  // Every second /24: half of the clients.
  const half = Array.from({ length: 16 }, (_, i) => `100.64.${2 * i}.0/24`);
  while (running) {
    dataplane.age(20);
    const [gone] = await Promise.all([
      endFlows(dataplane.object, [allow([1], ...half)]),
      sweepFlows(dataplane.object),
    ]);
    ended += gone;
  }
  await runs;
  t.true(ended > FLOWS);
  t.deepEqual(invariantBreaches(dataplane), []);
  await replays[0]?.run(2 * FLOWS, CPUS[0]);
  await endFlows(dataplane.object, [allow([1], ...half)]);
  const table = new Uint8Array(dataplane.map('flows').mapped());
  const thirdByte = (structs['tg_flow']?.offsets['client'] ?? 0) + 14;
  const left = dataplane.flows().map(({ index }) => table[index * 64 + thirdByte] ?? 1);
  t.true(left.length > 0);
  t.true(left.every((byte) => byte % 2 === 0));
  t.is(await endFlows(dataplane.object, [allow([1])]), left.length);
  t.deepEqual(invariantBreaches(dataplane), []);
  t.true(new Uint8Array(dataplane.map('reverse').mapped()).every((byte) => byte === 0));
});

test.serial('a flow ends once, though several look at the table at a time', async (t) => {
  const replay = openReplay(dataplane.object);
  t.teardown(() => replay.close());
  replay.load({ packet: STREAM, clients: FLOWS });
  for (let round = 0; round < 40; round++) {
    await replay.run(FLOWS, CPUS[0]);
    const flows = dataplane.flows().length;
    dataplane.age(31);
    const nobody = [allow([1])];
    const looks = [0, 1].map(() => endFlows(dataplane.object, nobody));
    const [swept, ...ended] = await Promise.all([sweepFlows(dataplane.object), ...looks]);
    t.is(
      ended.reduce((sum, each) => sum + each, swept.expired),
      flows,
    );
  }
});

test.serial('of ten thousand ranges each counts', async (t) => {
  // Every other address of 10.7.0.0 to 10.7.78.31.
  const text = (client: number) => `10.7.${client >> 8}.${client & 255}`;
  const list = Array.from({ length: 10_000 }, (_, i) => `${text(2 * i)}/32`);
  const clients = Array.from({ length: 250 }, (_, i) => (i * 7919) % 20_000);
  for (const client of clients) open(`${text(client)}:1000`);
  await endFlows(dataplane.object, [allow([1], ...list)]);
  for (const client of clients)
    t.is(isAlive(`${text(client)}:1000`), client % 2 === 0, text(client));
});
