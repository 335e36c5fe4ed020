import test from 'ava';
import { dataplaneAbi, sweepFlows } from '../../src/system/bpf.ts';
import { NAT_V4, openDataplane } from '../support/dataplane-fixture.ts';
import { invariantBreaches } from '../support/flow-invariants.ts';
import { tcp, udp } from '../support/packet.ts';

const FLOWS = 4096;
const dataplane = openDataplane({ flows: FLOWS, reverse: 2 * FLOWS });
const { constants, structs } = dataplaneAbi();
const VIP = '192.0.2.10';

test.beforeEach(() => {
  dataplane.reset({ nat_port_last: 49999 });
  dataplane.server({ index: 1, vip: VIP, port: 80, protocol: 'tcp', ring: [1, 2] });
  dataplane.server({ index: 2, vip: VIP, port: 53, protocol: 'udp', ring: [3, 4, 5, 6] });
  for (let i = 1; i <= 6; i++)
    dataplane.backend({ index: i, address: `10.1.0.${i}`, port: 8080, server: i < 3 ? 1 : 2 });
});

function connect(port: number): number {
  const packet = tcp({ from: `198.51.100.7:${port}`, to: `${VIP}:80`, flags: 'S' });
  return dataplane.send(packet).packet[33] ?? 0;
}

function ask(port: number): number {
  const packet = udp({ from: `198.51.100.7:${port}`, to: `${VIP}:53`, payload: 'query' });
  return dataplane.send(packet).packet[33] ?? 0;
}

function setState(state: string): void {
  const table = new Uint8Array(dataplane.map('flows').mapped());
  for (const { index } of dataplane.flows())
    table[index * 64 + (structs['tg_flow']?.offsets['state'] ?? 0)] =
      constants[`TG_FLOW_${state}`] ?? 0;
}

test.serial('sweepFlows() counts live flows by server and backend', async (t) => {
  const expected = [0, 0, 0, 0, 0, 0, 0];
  for (let i = 0; i < 30; i++) {
    const [one, two] = [connect(1000 + i), ask(2000 + i)];
    expected[one] = (expected[one] ?? 0) + 1;
    expected[two] = (expected[two] ?? 0) + 1;
  }
  const swept = await sweepFlows(dataplane.object);
  t.is(swept.flows, 60);
  t.is(swept.expired, 0);
  t.deepEqual([...swept.flowsByServer.subarray(0, 3)], [0, 30, 30]);
  t.deepEqual([...swept.flowsByBackend.subarray(0, 7)], expected);
  t.is(swept.flowsByNatAddress[0], 60);
  t.is(swept.flowsByServer.length, dataplane.map('servers').maxEntries);
  t.is(swept.flowsByBackend.length, dataplane.map('backends').maxEntries);
});

const TIMEOUTS = [
  ['HALF_OPEN', 30],
  ['ESTABLISHED', 7200],
  ['CLOSING', 10],
  ['TIME_WAIT', 65],
  ['UDP', 30],
  ['UDP_STREAM', 120],
] as const;
for (const [state, seconds] of TIMEOUTS) {
  test.serial(`sweepFlows() frees ${state} flows after ${seconds} idle seconds`, async (t) => {
    for (let i = 0; i < 10; i++) connect(1000 + i);
    setState(state);
    dataplane.age(seconds - 1);
    t.is((await sweepFlows(dataplane.object)).expired, 0);
    dataplane.age(2);
    const swept = await sweepFlows(dataplane.object);
    t.is(swept.expired, 10);
    t.is(swept.flows, 0);
    t.deepEqual(dataplane.flows(), []);
    t.deepEqual(invariantBreaches(dataplane), []);
    t.true(new Uint8Array(dataplane.map('reverse').mapped()).every((byte) => byte === 0));
  });
}

test.serial('a swept flow is gone in both directions', async (t) => {
  connect(1000);
  const [flow] = dataplane.flows();
  dataplane.age(31);
  await sweepFlows(dataplane.object);
  const late = tcp({ from: `10.1.0.${flow?.backend}:8080`, to: `${NAT_V4}:${flow?.natPort}` });
  t.is(dataplane.send(late).verdict, 'pass');
  const packet = tcp({ from: '198.51.100.7:1000', to: `${VIP}:80`, flags: 'A' });
  t.is(dataplane.send(packet).verdict, 'drop');
});

test.serial('a sweep that a kill cut short is finished by the next one', async (t) => {
  connect(1000);
  const [flow] = dataplane.flows();
  const word = new BigUint64Array(dataplane.map('flows').mapped(), (flow?.index ?? 0) * 64, 1);
  const bytes = new DataView(word.buffer, word.byteOffset, 8);
  bytes.setUint32(structs['tg_flow']?.offsets['tag'] ?? 0, constants['TG_FLOW_SWEPT'] ?? 0, true);
  bytes.setUint8(structs['tg_flow']?.offsets['state'] ?? 0, constants['TG_FLOW_CLAIMED'] ?? 0);
  t.is((await sweepFlows(dataplane.object)).expired, 1);
  t.is(word[0], 0n);
  t.deepEqual(invariantBreaches(dataplane), []);
});

test.serial('sweepFlows() puts right how many flows of a backend are open', async (t) => {
  dataplane.backend({ index: 1, address: '10.1.0.1', port: 8080, server: 1, counted: true });
  const open = new BigUint64Array(dataplane.map('backend_flows').mapped());
  for (let i = 0; i < 20; i++) connect(1000 + i);
  const expected = dataplane.flows().filter(({ backend }) => backend === 1).length;
  t.is(Number(open[1]), expected, 'counted as they came');
  open[1] = 77n;
  await sweepFlows(dataplane.object);
  t.is(Number(open[1]), expected);
  setState('CLOSING');
  await sweepFlows(dataplane.object);
  t.is(Number(open[1]), 0, 'closing ones do not count');
});
