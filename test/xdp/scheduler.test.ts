import test from 'ava';
import { openDataplane, type Scheduler } from '../support/dataplane-fixture.ts';
import { tcp } from '../support/packet.ts';

const dataplane = openDataplane({ flows: 16384, reverse: 65536 });
const VIP = '192.0.2.10';

function setUp(scheduler: Scheduler, ring: readonly number[], admit: Record<number, number> = {}) {
  dataplane.reset({ nat_port_first: 1024, nat_port_last: 60000 });
  for (let index = 1; index <= 16; index++) writeBackend(index, { admit: admit[index] ?? 256 });
  serve(scheduler, ring);
}

function serve(scheduler: Scheduler, ring: readonly number[]): void {
  dataplane.server({ index: 1, vip: VIP, port: 80, protocol: 'tcp', scheduler, ring });
}

function writeBackend(index: number, fields: { admit?: number; active?: boolean } = {}): void {
  const endpoint = Math.imul(index, 0x9e3779b1) >>> 0;
  const address = `10.1.0.${index}`;
  dataplane.backend({ index, address, port: 80, server: 1, endpoint, counted: true, ...fields });
}

/** The backend of each client; 0 for none. */
function connect(count: number, first = 0): number[] {
  return Array.from({ length: count }, (_, i) => {
    const from = `198.51.${(first + i) >> 8}.${(first + i) & 255}:4000`;
    const { verdict, packet } = dataplane.send(tcp({ from, to: `${VIP}:80`, flags: 'S' }));
    return verdict === 'tx' ? (packet[33] ?? 0) : 0;
  });
}

function shares(chosen: readonly number[]): Map<number, number> {
  const counts = new Map<number, number>();
  for (const backend of chosen) counts.set(backend, (counts.get(backend) ?? 0) + 1);
  return counts;
}

/** `backend` must have `expected` of them, give or take five standard deviations. */
function near(chosen: readonly number[], backend: number, expected: number): boolean {
  const count = shares(chosen).get(backend) ?? 0;
  return Math.abs(count - expected) < 5 * Math.sqrt(expected) + 1;
}

test.serial('rendezvous shares out evenly', (t) => {
  setUp('rendezvous', [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  const chosen = connect(2000);
  for (let index = 1; index <= 10; index++) t.true(near(chosen, index, 200), `${index}`);
});

test.serial('rendezvous: one that leaves moves only its own clients, and gets them back', (t) => {
  setUp('rendezvous', [1, 2, 3, 4, 5]);
  const before = connect(1000);
  setUp('rendezvous', [1, 2, 4, 5]);
  const without = connect(1000);
  for (const [i, backend] of before.entries()) {
    if (backend === 3) t.not(without[i], 3);
    else t.is(without[i], backend);
  }
  setUp('rendezvous', [5, 3, 1, 4, 2]); // in any order
  t.deepEqual(connect(1000), before);
});

test.serial('rendezvous reads as many places as there are, up to all', (t) => {
  setUp('rendezvous', [7]);
  t.deepEqual([...shares(connect(50)).keys()], [7]);
  setUp('rendezvous', []);
  t.deepEqual(connect(1), [0]);
  const all = Array.from({ length: 16 }, (_, i) => i + 1);
  setUp('rendezvous', all);
  t.is(shares(connect(1000)).size, 16);
});

test.serial('round robin takes the places in turn, over and over', (t) => {
  setUp('round_robin', [1, 2, 1, 3]);
  const chosen = connect(40);
  for (let i = 4; i < 40; i++) t.is(chosen[i], chosen[i - 4]);
  t.deepEqual([...shares(chosen)].sort(), [
    [1, 20],
    [2, 10],
    [3, 10],
  ]);
});

test.serial('least connections fills up the one with fewer flows', (t) => {
  setUp('least', [1, 2]);
  connect(400);
  const [one = 0, two = 0] = openFlows();
  t.true(Math.abs(one - two) <= 1, `${one} and ${two}`);
  // Backend 2 loses all of its flows: new ones go there until it has caught up.
  new BigUint64Array(dataplane.map('backend_flows').mapped())[2] = 0n;
  t.deepEqual([...shares(connect(200, 400)).keys()], [2]);
});

function openFlows(): number[] {
  const counts = new BigUint64Array(dataplane.map('backend_flows').mapped());
  return [1, 2].map((index) => Number(counts[index]));
}

test.serial('a flow that closes does not count as open any more', (t) => {
  setUp('least', [1]);
  connect(3);
  t.is(openFlows()[0], 3);
  const [flow] = dataplane.flows();
  const from = '10.1.0.1:80';
  dataplane.send(
    tcp({ from, to: `10.0.0.1:${flow?.natPort}`, flags: 'RA', ack: flow?.clientSeq ?? 0 }),
  );
  t.is(openFlows()[0], 2);
});

for (const scheduler of ['rendezvous', 'hash'] as const) {
  test.serial(`${scheduler}: in slow start a backend takes its part, the rest goes on`, (t) => {
    const ring = scheduler === 'hash' ? [1, 2, 3, 4, 1, 2, 3, 4] : [1, 2, 3, 4];
    setUp(scheduler, ring);
    const before = connect(4000);
    setUp(scheduler, ring, { 4: 26 });
    const chosen = connect(4000);
    const taken = shares(chosen).get(4) ?? 0;
    t.true(taken > 50 && taken < 200, `${taken} of 4000 at a tenth of the share`);
    for (const [i, backend] of before.entries()) if (backend !== 4) t.is(chosen[i], backend);
    setUp(scheduler, ring, { 4: 128 });
    const half = connect(4000);
    for (const [i, backend] of chosen.entries()) if (backend === 4) t.is(half[i], 4);
  });
}

test.serial('a backend that alone is left takes everything, slow start or not', (t) => {
  setUp('rendezvous', [4], { 4: 1 });
  t.deepEqual([...shares(connect(200)).keys()], [4]);
});

test.serial('a closed backend that a ring still names is passed over where others are', (t) => {
  setUp('rendezvous', [1, 2]);
  writeBackend(1, { active: false });
  t.true(connect(100).every((backend) => backend === 0 || backend === 2));
});
