import test from 'ava';
import { dataplaneAbi } from '../../src/system/bpf.ts';
import { exhaustBudget } from '../support/budget.ts';
import { NAT_FIRST, NAT_V4, openDataplane } from '../support/dataplane-fixture.ts';
import { invariantBreaches } from '../support/flow-invariants.ts';
import { tcp, udp } from '../support/packet.ts';
import { openReplay } from '../support/replay.ts';

const dataplane = openDataplane();
const { constants } = dataplaneAbi();
const WAYS = constants['TG_FLOW_WAYS'] ?? 8;
const VIP = '192.0.2.10';
const VIP6 = '2001:db8::10';
/** Younger than this a handshake does not give way to a client that has not shown itself. */
const HANDSHAKE_S = 3;

test.beforeEach(() => setUp());
test.afterEach((t) => t.deepEqual(invariantBreaches(dataplane), []));

/** TCP 80 and UDP 53 of both families' VIPs; `vipFields` of the IPv4 ones, and of IPv6's TCP. */
function setUp(
  settings: Record<string, number> = {},
  vipFields: Record<string, number> = {},
): void {
  dataplane.reset(settings);
  const tcpPort = { port: 80, protocol: 'tcp', vipFields } as const;
  dataplane.server({ index: 1, vip: VIP, ring: [1], ...tcpPort });
  dataplane.server({ index: 2, vip: VIP, port: 53, protocol: 'udp', ring: [2], vipFields });
  dataplane.server({ index: 3, vip: VIP6, ring: [3], ...tcpPort });
  dataplane.server({ index: 4, vip: '192.0.2.20', port: 80, protocol: 'tcp', ring: [4] });
  dataplane.backend({ index: 1, address: '10.1.0.1', port: 8080, server: 1 });
  dataplane.backend({ index: 2, address: '10.1.0.2', port: 5353, server: 2 });
  dataplane.backend({ index: 3, address: 'fd01::3', port: 8080, server: 3 });
  dataplane.backend({ index: 4, address: '10.1.0.4', port: 8080, server: 4 });
}

function syn(from: string, to = `${VIP}:80`) {
  return dataplane.send(tcp({ from, to, flags: 'S', seq: 100 }));
}

function datagram(from: string) {
  return dataplane.send(udp({ from, to: `${VIP}:53`, payload: 'query' }));
}

/** The client's answer to a SYN-ACK. */
function acknowledge(from: string, synAck: Uint8Array) {
  const ack = new DataView(synAck.buffer, synAck.byteOffset).getUint32(38) + 1;
  return dataplane.send(tcp({ from, to: `${VIP}:80`, flags: 'A', seq: 101, ack }));
}

function answer(natPort: number | undefined, flags: string) {
  const to = `${NAT_V4}:${natPort}`;
  return dataplane.send(tcp({ from: '10.1.0.1:8080', to, flags, seq: 5000, ack: 101 }));
}

/** A whole handshake. */
function connect(from: string): void {
  const port = Number(from.split(':')[1]);
  syn(from);
  answer(dataplane.flows().find(({ clientPort }) => clientPort === port)?.natPort, 'SA');
  dataplane.send(tcp({ from, to: `${VIP}:80`, flags: 'A', seq: 101, ack: 5001 }));
}

function counter(name: string): number {
  return dataplane.counters()[name] ?? 0;
}

test.serial('a CPU opens so many flows a second for unknown clients, a quarter at once', (t) => {
  setUp({ new_flows_per_s: 400 });
  const started = process.hrtime.bigint();
  for (let i = 0; i < 300; i++) syn(`198.51.100.7:${1000 + i}`);
  const seconds = Number(process.hrtime.bigint() - started) / 1e9;
  const cpus = 2;
  t.is(counter('cookie_sent') + counter('flow_created'), 300);
  t.true(counter('flow_created') >= 100, `${counter('flow_created')}`);
  t.true(counter('flow_created') <= cpus * (101 + 400 * (seconds + 0.01)));
});

test.serial('without a budget no SYN gets a cookie', (t) => {
  setUp({ new_flows_per_s: 0 });
  exhaustBudget(dataplane);
  for (let i = 0; i < 100; i++) syn(`198.51.100.7:${1000 + i}`);
  t.is(counter('flow_created'), 100);
});

test.serial('over budget: established flows go on, new UDP is dropped, known UDP is not', (t) => {
  connect('198.51.100.7:1000');
  datagram('198.51.100.7:1001');
  exhaustBudget(dataplane);
  t.is(dataplane.send(tcp({ from: '198.51.100.7:1000', to: `${VIP}:80` })).verdict, 'tx');
  t.is(datagram('198.51.100.7:1001').verdict, 'tx');
  t.is(datagram('198.51.100.7:1002').verdict, 'drop');
  t.is(counter('drop_over_budget'), 1);
});

test.serial('over budget, a half-open flow still repeats its SYN', (t) => {
  syn('198.51.100.7:1000');
  exhaustBudget(dataplane);
  t.is(syn('198.51.100.7:1000').packet.subarray(30, 34).join('.'), '10.1.0.1');
  t.is(counter('cookie_sent'), 0);
});

test.serial(
  'over budget, only who may use the VIP gets a cookie, and only where one is served',
  (t) => {
    setUp({}, { acl: 7 });
    exhaustBudget(dataplane);
    t.is(syn('198.51.100.7:1000').verdict, 'drop');
    dataplane.server({ index: 1, vip: VIP, port: 80, protocol: 'tcp', ring: [] });
    t.is(syn('198.51.100.7:1000').verdict, 'drop');
    t.deepEqual(dataplane.counters(), { drop_source_range: 1, drop_no_backend: 1 });
  },
);

test.serial('a young handshake does not give way to a SYN, but to a cookie it does', (t) => {
  setUp({ flow_mask: WAYS - 1 });
  for (let i = 0; i < WAYS; i++) syn(`198.51.100.7:${1000 + i}`);
  const ports = () => dataplane.flows().map(({ clientPort }) => clientPort);
  const answered = syn('198.51.100.7:2000');
  t.is(answered.verdict, 'tx');
  t.false(ports().includes(2000));
  t.is(counter('cookie_sent'), 1);
  t.is(acknowledge('198.51.100.7:2000', answered.packet).verdict, 'tx');
  t.true(ports().includes(2000));
  dataplane.age(HANDSHAKE_S);
  syn('198.51.100.7:2001');
  t.true(ports().includes(2001));
  t.is(counter('flow_displaced'), 2);
});

test.serial('the same for the NAT ports that handshakes hold', (t) => {
  setUp({ nat_port_last: NAT_FIRST + 3 });
  for (let i = 0; i < 40 && dataplane.flows().length < 4; i++) syn(`198.51.100.7:${1000 + i}`);
  t.is(dataplane.flows().length, 4);
  const answered = syn('198.51.100.7:2000');
  t.is(dataplane.flows().length, 4);
  t.is(counter('flow_displaced'), 0);
  for (let i = 0; i < 20 && counter('cookie_returned') === 0; i++)
    acknowledge('198.51.100.7:2000', answered.packet);
  t.is(counter('flow_displaced'), 1);
  t.true(dataplane.flows().some(({ clientPort }) => clientPort === 2000));
});

test.serial('neither a SYN nor a cookie ever ends an established flow', (t) => {
  setUp({ flow_mask: WAYS - 1 });
  for (let i = 0; i < WAYS; i++) connect(`198.51.100.7:${1000 + i}`);
  dataplane.age(HANDSHAKE_S + 1);
  t.is(syn('198.51.100.7:2000').verdict, 'drop');
  exhaustBudget(dataplane);
  const { packet } = syn('198.51.100.7:2000');
  acknowledge('198.51.100.7:2000', packet);
  t.is(counter('drop_flow_table_full'), 2);
  t.is(counter('reset_sent'), 1);
  t.deepEqual(
    dataplane.flows().map(({ state }) => state),
    Array(WAYS).fill(constants['TG_FLOW_ESTABLISHED']),
  );
});

test.serial('UDP that is answered but not gone on with gives way, streams do not', (t) => {
  setUp({ flow_mask: WAYS - 1 });
  const reply = (index: number) => {
    const to = `${NAT_V4}:${dataplane.flows()[index]?.natPort}`;
    dataplane.send(udp({ from: '10.1.0.2:5353', to, payload: 'answer' }));
  };
  datagram('198.51.100.7:1000');
  reply(0);
  datagram('198.51.100.7:1000');
  for (let i = 1; i < WAYS; i++) datagram(`198.51.100.7:${1000 + i}`);
  for (let i = 0; i < WAYS; i++) reply(i);
  for (let i = 0; i < 20; i++) {
    dataplane.age(HANDSHAKE_S);
    t.is(datagram(`198.51.100.7:${2000 + i}`).verdict, 'tx');
  }
  const streams = dataplane
    .flows()
    .filter(({ state }) => state === constants['TG_FLOW_UDP_STREAM']);
  t.deepEqual(
    streams.map(({ clientPort }) => clientPort),
    [1000],
  );
});

test.serial("a VIP's limit holds for all CPUs together; over it a SYN may prove itself", (t) => {
  setUp({}, { new_flows_per_s: 50 });
  const answers = Array.from({ length: 80 }, (_, i) => syn(`198.51.100.7:${1000 + i}`).packet);
  const created = counter('flow_created');
  t.true(created >= 50 && created <= 60, `${created}`);
  t.is(counter('cookie_sent'), 80 - created);
  t.is(datagram('198.51.100.7:1').verdict, 'tx'); // a port of its own
  const last = answers.at(-1) ?? new Uint8Array();
  t.is(acknowledge('198.51.100.7:1079', last).verdict, 'tx');
  t.is(counter('cookie_returned'), 1);
});

test.serial(
  'forged SYNs use up no share of those who return their cookie; together they keep the limit',
  (t) => {
    setUp({}, { new_flows_per_s: 50 });
    for (let i = 0; i < 60; i++) syn(`198.51.100.9:${1000 + i}`);
    let opened = 0;
    for (let i = 0; i < 80; i++) {
      const from = `198.51.100.7:${1000 + i}`;
      const { packet } = syn(from);
      const before = counter('cookie_returned');
      acknowledge(from, packet);
      opened += counter('cookie_returned') - before;
    }
    t.true(opened >= 50 && opened <= 60, `${opened}`);
    t.true(counter('drop_vip_limit') >= 20);
    t.is(counter('reset_sent'), counter('drop_vip_limit'));
  },
);

test.serial('new UDP over the limit of its VIP is dropped', (t) => {
  setUp({}, { new_flows_per_s: 5 });
  for (let i = 0; i < 20; i++) datagram(`198.51.100.7:${1000 + i}`);
  t.true(counter('drop_vip_limit') >= 14);
  t.is(counter('drop_vip_limit') + counter('flow_created'), 20);
});

test.serial('a client over its limit gets nothing, the others everything', (t) => {
  setUp({}, { client_new_flows_per_s: 10 });
  for (let i = 0; i < 30; i++) syn(`198.51.100.7:${1000 + i}`);
  t.true(counter('drop_client_limit') >= 19, `${counter('drop_client_limit')}`);
  t.is(counter('flow_created') + counter('drop_client_limit'), 30);
  t.is(counter('cookie_sent'), 0);
  const before = counter('drop_client_limit');
  for (let i = 0; i < 200; i++) syn(`198.51.${100 + (i >> 7)}.${8 + (i & 127)}:1000`);
  t.is(counter('drop_client_limit'), before);
  syn('198.51.100.7:1000', '192.0.2.20:80'); // no limit there
  t.is(counter('drop_client_limit'), before);
});

test.serial('a client is a prefix, of the length in the settings', (t) => {
  const limit = { client_new_flows_per_s: 4 };
  const from = (third: number, i: number) => `198.51.${third}.${i}:1000`;
  setUp({ client_prefix4: 24 }, limit);
  for (let i = 0; i < 20; i++) syn(from(100, i));
  t.true(counter('drop_client_limit') >= 14);
  const before = counter('drop_client_limit');
  t.is(syn(from(101, 1)).verdict, 'tx');
  t.is(counter('drop_client_limit'), before);
  setUp({ client_prefix6: 64 }, limit);
  for (let i = 1; i < 20; i++) syn(`[2001:db8:1:1:${i}::7]:1000`, `[${VIP6}]:80`);
  t.true(counter('drop_client_limit') >= 14);
  t.is(syn('[2001:db8:1:2::7]:1000', `[${VIP6}]:80`).verdict, 'tx');
});

test.serial('a client over its limit has no use of cookies', (t) => {
  setUp({}, { client_new_flows_per_s: 3 });
  exhaustBudget(dataplane);
  const answers = Array.from({ length: 6 }, (_, i) => syn(`198.51.100.7:${1000 + i}`).packet);
  t.is(counter('cookie_sent'), 6);
  for (const [i, packet] of answers.entries()) acknowledge(`198.51.100.7:${1000 + i}`, packet);
  t.is(counter('cookie_returned'), 3);
  t.is(counter('drop_client_limit'), 3);
  t.is(counter('reset_sent'), 3);
  t.is(syn('198.51.100.7:2000').verdict, 'drop');
});

test.serial('a flood from a million sources locks out no client by its limit', async (t) => {
  setUp({}, { client_new_flows_per_s: 10 });
  const replay = openReplay(dataplane.object);
  t.teardown(() => replay.close());
  const packet = tcp({ from: '100.64.0.0:1000', to: `${VIP}:80`, flags: 'S' });
  replay.load({ packet, clients: 2 ** 20, step: 0x9e37_79b1 });
  await replay.run(100_000, 0);
  const before = counter('drop_client_limit');
  for (let i = 0; i < 250; i++) syn(`198.51.100.${i}:1000`);
  t.is(counter('drop_client_limit'), before);
});
