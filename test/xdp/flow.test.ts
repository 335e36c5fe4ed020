import test from 'ava';
import { dataplaneAbi } from '../../src/system/bpf.ts';
import {
  NAT_FIRST,
  NAT_V4,
  openDataplane,
  u32,
  type Verdict,
} from '../support/dataplane-fixture.ts';
import { invariantBreaches } from '../support/flow-invariants.ts';
import { type PacketFields, tcp, udp } from '../support/packet.ts';
import { openReplay } from '../support/replay.ts';

const dataplane = openDataplane();
const { constants } = dataplaneAbi();
const VIP = '192.0.2.10';
const CLIENT = '198.51.100.7:50123';

/** How long a handshake is safe from SYNs of unknown clients. */
const HANDSHAKE_S = 3;

test.beforeEach(() => setUp());
test.afterEach((t) => t.deepEqual(invariantBreaches(dataplane), []));

/** TCP port 80 and UDP port 53 of one VIP; backends 1 and 2 serve TCP, 3 and 4 UDP. */
function setUp(settings: Record<string, number> = {}): void {
  dataplane.reset(settings);
  dataplane.server({ index: 1, vip: VIP, port: 80, protocol: 'tcp', ring: [1] });
  dataplane.server({ index: 2, vip: VIP, port: 53, protocol: 'udp', ring: [3] });
  dataplane.backend({ index: 1, address: '10.1.0.1', port: 8080, server: 1 });
  dataplane.backend({ index: 2, address: '10.1.0.2', port: 8080, server: 1 });
  dataplane.backend({ index: 3, address: '10.1.0.3', port: 5353, server: 2 });
  dataplane.backend({ index: 4, address: '10.1.0.4', port: 5353, server: 2 });
}

function serveTcpBy(...ring: number[]): void {
  dataplane.server({ index: 1, vip: VIP, port: 80, protocol: 'tcp', ring });
}

function serveUdpBy(...ring: number[]): void {
  dataplane.server({ index: 2, vip: VIP, port: 53, protocol: 'udp', ring });
}

function request(flags: string, from = CLIENT, ack = 0): Verdict {
  return dataplane.send(tcp({ from, to: `${VIP}:80`, flags, ack })).verdict;
}

function datagram(from = CLIENT): Verdict {
  return dataplane.send(udp({ from, to: `${VIP}:53`, payload: 'query' })).verdict;
}

/** An answer of the backend (10.1.0.N) that the only flow goes to. */
function answer(flags: string, seq = 5000): Verdict {
  const [flow] = dataplane.flows();
  const from = `10.1.0.${flow?.backend}:8080`;
  return dataplane.send(tcp({ from, to: `${NAT_V4}:${flow?.natPort}`, flags, seq })).verdict;
}

function backends(): number[] {
  return dataplane.flows().map((flow) => flow.backend);
}

test.serial('packets of a flow stay with its backend and NAT port when the ring changes', (t) => {
  request('S');
  request('A');
  const before = dataplane.flows();
  serveTcpBy(2);
  t.is(request('A'), 'tx');
  t.is(request('PA'), 'tx');
  t.is(dataplane.flows()[0]?.natPort, before[0]?.natPort);
  t.deepEqual(backends(), [1]);
  t.is(dataplane.counters()['flow_created'], 1);
});

for (const flags of ['A', 'PA', 'FA', 'R', 'RA', 'SA', 'SR', '']) {
  test.serial(`TCP "${flags}" that no flow knows is dropped and makes none`, (t) => {
    t.is(request(flags), 'drop');
    t.deepEqual(dataplane.counters(), { drop_no_flow: 1 });
    t.deepEqual(dataplane.flows(), []);
  });
}

/** What client (C) and backend (B) send, and the flow's state after it. */
const CONVERSATIONS: ReadonlyArray<readonly [string, string, string]> = [
  ['a SYN', 'C:S', 'HALF_OPEN'],
  ['a SYN that is repeated', 'C:S C:S', 'HALF_OPEN'],
  ['a SYN that is answered', 'C:S B:SA', 'HALF_OPEN'],
  ['a whole handshake', 'C:S B:SA C:A=5001', 'ESTABLISHED'],
  ['a handshake whose last segment was lost', 'C:S B:SA C:PA=5001', 'ESTABLISHED'],
  ['an ACK that nobody asked for', 'C:S C:A=1', 'HALF_OPEN'],
  ['an ACK of a sequence number that was guessed', 'C:S B:SA C:A=90000', 'HALF_OPEN'],
  ['a FIN from the client', 'C:S B:SA C:A=5001 C:FA=5001', 'ESTABLISHED'],
  ['a FIN from the backend', 'C:S B:SA C:A=5001 B:FA', 'ESTABLISHED'],
  ['a FIN from both', 'C:S B:SA C:A=5001 C:FA=5001 B:FA', 'CLOSING'],
  ['a FIN from both and the last ACK', 'C:S B:SA C:A=5001 B:FA C:FA=5002 B:A', 'TIME_WAIT'],
  ['a FIN from both, the backend first', 'C:S B:SA C:A=5001 B:FA C:FA=5002', 'TIME_WAIT'],
  ['a RST in TIME_WAIT', 'C:S B:SA C:A=5001 B:FA C:FA=5002 C:R', 'CLOSING'],
  ['a refused connection', 'C:S B:RA', 'CLOSING'],
  ['a reset by the client', 'C:S B:SA C:A=5001 C:R', 'CLOSING'],
  ['a reset by the client while data is under way', 'C:S B:SA C:A=5001 C:R B:PA', 'CLOSING'],
  ['a reset by the backend', 'C:S B:SA C:A=5001 B:R C:A=5001', 'CLOSING'],
  ['a forged reset, and the client goes on', 'C:S B:SA C:A=5001 C:R C:PA=5001', 'ESTABLISHED'],
  ['a forged reset, and the backend goes on', 'C:S B:SA C:A=5001 B:R B:PA', 'ESTABLISHED'],
  ['a SYN in an established flow', 'C:S B:SA C:A=5001 C:S', 'ESTABLISHED'],
];
for (const [name, conversation, state] of CONVERSATIONS) {
  test.serial(`after ${name} the flow is ${state} (${conversation})`, (t) => {
    for (const step of conversation.split(' ')) {
      const [, side, flags, ack] = /^(C|B):([A-Z]+)=?(\d*)$/.exec(step) ?? [];
      const verdict =
        side === 'C' ? request(flags ?? '', CLIENT, Number(ack)) : answer(flags ?? '');
      t.is(verdict, 'tx');
    }
    t.deepEqual(
      dataplane.flows().map((flow) => flow.state),
      [constants[`TG_FLOW_${state}`]],
    );
  });
}

test.serial('a client that tries again by another sequence number is known by that one', (t) => {
  const from = (fields: Partial<PacketFields>) =>
    dataplane.send(tcp({ from: CLIENT, to: `${VIP}:80`, ...fields }));
  const OTHER = 0x9000_0000;
  from({ flags: 'S', seq: 1000 });
  from({ flags: 'S', seq: OTHER });
  t.is(dataplane.flows()[0]?.clientSeq, OTHER + 1);
  answer('SA');
  from({ flags: 'S', seq: 7 }); // forged, too late
  from({ flags: 'A', seq: OTHER + 1, ack: 5001 });
  t.is(dataplane.flows()[0]?.clientSeq, OTHER + 1);
  from({ flags: 'R', seq: 1001 });
  t.is(dataplane.flows()[0]?.state, constants['TG_FLOW_ESTABLISHED'], 'not its own');
  from({ flags: 'R', seq: OTHER + 1 });
  t.is(dataplane.flows()[0]?.state, constants['TG_FLOW_CLOSING']);
});

test.serial('a SYN on a closed flow chooses again, with another NAT port', (t) => {
  request('S');
  answer('RA');
  const [closed] = dataplane.flows();
  serveTcpBy(2);
  t.is(request('S'), 'tx');
  const [fresh, ...others] = dataplane.flows();
  t.deepEqual(others, []);
  t.is(fresh?.index, closed?.index);
  t.is(fresh?.backend, 2);
  t.is(fresh?.state, constants['TG_FLOW_HALF_OPEN']);
  const late = tcp({ from: '10.1.0.1:8080', to: `${NAT_V4}:${closed?.natPort}` });
  t.is(dataplane.send(late).verdict, 'pass');
});

test.serial('a SYN repeated to a backend that went away chooses again', (t) => {
  request('S');
  dataplane.backend({ index: 1, address: '10.1.0.1', port: 8080, server: 1, active: false });
  serveTcpBy(2);
  t.is(request('S'), 'tx');
  t.deepEqual(backends(), [2]);
});

test.serial('an established flow stays with a backend that takes no new ones', (t) => {
  request('S');
  answer('SA');
  request('A', CLIENT, 5001);
  dataplane.backend({ index: 1, address: '10.1.0.1', port: 8080, server: 1, active: false });
  serveTcpBy(2);
  t.is(request('PA'), 'tx');
  t.is(answer('PA'), 'tx');
  t.is(request('S', '198.51.100.7:50124'), 'tx');
  t.deepEqual(backends().sort(), [1, 2]);
});

test.serial("a flow whose backend is another server's by now is nobody's", (t) => {
  request('S');
  dataplane.backend({ index: 1, address: '10.1.0.9', port: 9090, server: 7 });
  serveTcpBy(2);
  t.is(request('A'), 'drop');
  t.is(dataplane.counters()['drop_no_flow'], 1);
  t.is(request('S'), 'tx');
  t.true(backends().includes(2));
  setUp();
});

function udpAnswer(): Verdict {
  const to = `${NAT_V4}:${dataplane.flows()[0]?.natPort}`;
  return dataplane.send(udp({ from: '10.1.0.3:5353', to })).verdict;
}

test.serial('UDP is one-way until the client goes on after an answer', (t) => {
  datagram();
  datagram();
  t.is(dataplane.flows()[0]?.state, constants['TG_FLOW_UDP']);
  t.is(udpAnswer(), 'tx');
  t.is(dataplane.flows()[0]?.state, constants['TG_FLOW_UDP'], 'a forged client gets answers too');
  datagram();
  t.is(dataplane.flows()[0]?.state, constants['TG_FLOW_UDP_STREAM']);
});

test.serial('a client alone does not keep one-way UDP with its backend', (t) => {
  datagram();
  serveUdpBy(4);
  dataplane.age(20);
  t.is(datagram(), 'tx');
  dataplane.age(11);
  t.is(datagram(), 'tx');
  t.deepEqual(backends(), [4], 'after udp_s without an answer it chooses again');
});

test.serial('an answered UDP stream stays with its backend while the client goes on', (t) => {
  datagram();
  udpAnswer();
  serveUdpBy(4);
  for (let i = 0; i < 5; i++) {
    datagram();
    dataplane.age(29);
  }
  t.deepEqual(backends(), [3]);
});

test.serial('UDP moves at once when its backend is down, and stays while it drains', (t) => {
  const backend = { index: 3, address: '10.1.0.3', port: 5353, server: 2, active: false };
  datagram();
  serveUdpBy(4);
  dataplane.backend({ ...backend, keepsUdp: true });
  t.is(datagram(), 'tx');
  t.deepEqual(backends(), [3]);
  dataplane.backend(backend);
  t.is(datagram(), 'tx');
  t.deepEqual(backends(), [4]);
  t.is(dataplane.counters()['flow_created'], 2);
});

test.serial(
  'without a backend for new flows a packet is dropped: empty ring, or not active',
  (t) => {
    serveTcpBy();
    t.is(request('S'), 'drop');
    serveTcpBy(1);
    dataplane.backend({ index: 1, address: '10.1.0.1', port: 8080, server: 1, active: false });
    t.is(request('S'), 'drop');
    serveTcpBy(3); // another server's
    t.is(request('S'), 'drop');
    t.deepEqual(dataplane.counters(), { drop_no_backend: 3 });
    t.deepEqual(dataplane.flows(), []);
  },
);

/** A client's whole handshake; its flow is confirmed then. */
function connect(from: string): void {
  // With few NAT ports the tries may miss the one that is free, as for a client that tries again.
  while (request('S', from) === 'drop');
  const port = Number(from.split(':')[1]);
  const flow = dataplane.flows().find(({ clientPort }) => clientPort === port);
  const to = `${NAT_V4}:${flow?.natPort}`;
  dataplane.send(tcp({ from: `10.1.0.${flow?.backend}:8080`, to, flags: 'SA', seq: 5000 }));
  request('A', from, 5001);
}

const WAYS = constants['TG_FLOW_WAYS'] ?? 0;

test.serial('a full set of confirmed flows takes no new one, and keeps them', (t) => {
  setUp({ flow_mask: WAYS - 1 });
  for (let i = 0; i < WAYS; i++) connect(`198.51.100.7:${1000 + i}`);
  t.is(request('S', '198.51.100.7:2000'), 'drop');
  t.is(dataplane.counters()['drop_flow_table_full'], 1);
  for (let i = 0; i < WAYS; i++) t.is(request('A', `198.51.100.7:${1000 + i}`), 'tx');
});

test.serial('half-open flows give way to new ones, the oldest first; confirmed ones never', (t) => {
  setUp({ flow_mask: WAYS - 1 });
  connect('198.51.100.7:1000');
  request('S', '198.51.100.7:1001');
  dataplane.age(1);
  for (let i = 2; i < WAYS; i++) request('S', `198.51.100.7:${1000 + i}`);
  dataplane.age(HANDSHAKE_S);
  t.is(request('S', '198.51.100.7:2000'), 'tx');
  const ports = () => dataplane.flows().map(({ clientPort }) => clientPort);
  t.false(ports().includes(1001));
  t.is(ports().length, WAYS);
  for (let i = 0; i < 200; i++) {
    dataplane.age(HANDSHAKE_S);
    t.is(request('S', `198.51.100.7:${3000 + i}`), 'tx');
  }
  t.true(ports().includes(1000));
  t.is(request('PA', '198.51.100.7:1000'), 'tx');
  t.is(dataplane.counters()['flow_displaced'], 201);
});

test.serial('one-way UDP gives way as half-open TCP does, streams never', (t) => {
  setUp({ flow_mask: WAYS - 1 });
  datagram('198.51.100.7:1000');
  udpAnswer();
  datagram('198.51.100.7:1000');
  for (let i = 0; i < 30; i++) {
    dataplane.age(i < WAYS - 1 ? 0 : HANDSHAKE_S);
    t.is(datagram(`198.51.100.7:${2000 + i}`), 'tx');
  }
  t.true(dataplane.flows().some(({ clientPort }) => clientPort === 1000));
  t.is(dataplane.flows().length, WAYS);
});

test.serial('an expired entry makes place: its flow and its NAT port are gone', (t) => {
  setUp({ flow_mask: WAYS - 1 });
  request('S', '198.51.100.7:1000');
  const [old] = dataplane.flows();
  dataplane.age(31);
  for (let i = 1; i < WAYS; i++) request('S', `198.51.100.7:${1000 + i}`);
  t.is(request('S', '198.51.100.7:2000'), 'tx');
  const fresh = dataplane.flows().find((flow) => flow.index === old?.index);
  t.is(fresh?.clientPort, 2000);
  const late = tcp({ from: '10.1.0.1:8080', to: `${NAT_V4}:${old?.natPort}` });
  t.is(dataplane.send(late).verdict, 'pass');
});

test.serial('idle within its timeout, a confirmed entry is not given away', (t) => {
  setUp({ flow_mask: WAYS - 1 });
  for (let i = 0; i < WAYS; i++) connect(`198.51.100.7:${1000 + i}`);
  dataplane.age(7199);
  t.is(request('S', '198.51.100.7:2000'), 'drop');
});

test.serial('any packet of a flow keeps it from expiring, in either direction', (t) => {
  request('S');
  dataplane.age(25);
  answer('SA');
  dataplane.age(25);
  request('A', CLIENT, 5001);
  const [flow] = dataplane.flows();
  t.is(flow?.state, constants['TG_FLOW_ESTABLISHED']);
});

test.serial('when confirmed flows hold all NAT ports to a backend, a new one is dropped', (t) => {
  setUp({ nat_port_last: NAT_FIRST + 3 });
  for (let i = 0; i < 4; i++) connect(`198.51.100.7:${1000 + i}`);
  const ports = dataplane.flows().map((flow) => flow.natPort);
  t.deepEqual(ports.sort(), [NAT_FIRST, NAT_FIRST + 1, NAT_FIRST + 2, NAT_FIRST + 3]);
  t.is(request('S', '198.51.100.7:2000'), 'drop');
  t.true((dataplane.counters()['drop_nat_ports'] ?? 0) > 0);
  t.is(dataplane.flows().length, 4);
  t.is(datagram(), 'tx'); // another backend has all of its own
});

test.serial('half-open flows give their NAT ports to new ones, confirmed ones never', (t) => {
  setUp({ nat_port_last: NAT_FIRST + 3 });
  connect('198.51.100.7:1000');
  for (let i = 0; i < 300; i++) request('S', `198.51.100.7:${2000 + i}`);
  const flows = dataplane.flows();
  t.is(flows.length, 4);
  t.true(flows.some(({ clientPort }) => clientPort === 1000));
  t.is(request('PA', '198.51.100.7:1000'), 'tx');
  t.deepEqual(
    flows.map(({ natPort }) => natPort).sort(),
    [0, 1, 2, 3].map((i) => NAT_FIRST + i),
  );
});

test.serial('several NAT addresses carry as many times the flows to one backend', (t) => {
  setUp({ nat_port_last: NAT_FIRST + 3 });
  const natAddresses = [NAT_V4, '10.0.0.2', '10.0.0.3'];
  const backend = { index: 1, address: '10.1.0.1', port: 8080, server: 1, natAddresses };
  dataplane.backend(backend);
  const sources = new Map<string, string>();
  for (let i = 0; i < 12; i++) {
    const from = `198.51.100.7:${1000 + i}`;
    let sent = dataplane.send(tcp({ from, to: `${VIP}:80`, flags: 'S' }));
    for (let more = 0; sent.verdict === 'drop' && more < 100; more++) {
      sent = dataplane.send(tcp({ from, to: `${VIP}:80`, flags: 'S' }));
    }
    const { verdict, packet } = sent;
    t.is(verdict, 'tx');
    const source = `${packet.subarray(26, 30).join('.')}:${(packet[34] ?? 0) * 256 + (packet[35] ?? 0)}`;
    t.false(sources.has(source));
    sources.set(source, from);
    const answered = tcp({ from: '10.1.0.1:8080', to: source, flags: 'SA', seq: 5000 });
    const back = dataplane.send(answered);
    t.is(back.verdict, 'tx');
    t.is((back.packet[36] ?? 0) * 256 + (back.packet[37] ?? 0), 1000 + i);
    request('A', from, 5001);
  }
  t.is(sources.size, 12);
  t.is(request('S', '198.51.100.7:3000'), 'drop');
});

const SEQUENCES: ReadonlyArray<readonly [string, number, 'ESTABLISHED' | 'CLOSING']> = [
  ['exactly in place', 0, 'CLOSING'],
  ['a little ahead', 1000, 'CLOSING'],
  ['a little behind', -1000, 'CLOSING'],
  ['far ahead', 1 << 20, 'ESTABLISHED'],
  ['far behind', -(1 << 22), 'ESTABLISHED'],
  ['on the other side of the circle', 1 << 31, 'ESTABLISHED'],
];
for (const [name, distance, state] of SEQUENCES) {
  for (const side of ['client', 'backend'] as const) {
    test.serial(`a RST of the ${side} ${name}: the flow is ${state}`, (t) => {
      connect(CLIENT);
      const [flow] = dataplane.flows();
      const next = side === 'client' ? flow?.clientSeq : flow?.backendSeq;
      const seq = ((next ?? 0) + distance) >>> 0;
      const packet =
        side === 'client'
          ? tcp({ from: CLIENT, to: `${VIP}:80`, flags: 'R', seq })
          : tcp({ from: '10.1.0.1:8080', to: `${NAT_V4}:${flow?.natPort}`, flags: 'R', seq });
      t.is(dataplane.send(packet).verdict, 'tx', 'its receiver knows better');
      t.is(dataplane.flows()[0]?.state, constants[`TG_FLOW_${state}`]);
    });
  }
}

test.serial('sequence numbers are followed in steps and once a second', (t) => {
  connect(CLIENT);
  const start = dataplane.flows()[0]?.clientSeq ?? 0;
  const data = (offset: number) => {
    const seq = (start + offset) >>> 0;
    dataplane.send(
      tcp({ from: CLIENT, to: `${VIP}:80`, flags: 'PA', seq, ack: 5001, payload: 'x' }),
    );
    return (dataplane.flows()[0]?.clientSeq ?? 0) - start;
  };
  t.is(data(1000), 0, 'not yet');
  t.is(data(70_000), 70_001, 'a step further');
  dataplane.age(1);
  t.is(data(70_100), 70_101, 'a second later');
  t.is(data(50_000), 70_101, 'never back');
});

test.serial('NAT ports are drawn from the whole range, both ends included', (t) => {
  setUp({ nat_port_last: NAT_FIRST + 1 });
  const seen = new Set<number>();
  for (let i = 0; i < 40 && seen.size < 2; i++) {
    setUp({ nat_port_last: NAT_FIRST + 1 });
    request('S', `198.51.100.7:${1000 + i}`);
    seen.add(dataplane.flows()[0]?.natPort ?? 0);
  }
  t.deepEqual([...seen].sort(), [NAT_FIRST, NAT_FIRST + 1]);
});

test.serial(
  'a client that comes again has its NAT port again, also when its flow is forgotten',
  (t) => {
    for (let i = 0; i < 20; i++) {
      setUp();
      request('S');
      const [first] = dataplane.flows();
      answer('SA');
      request('A', CLIENT, 5001);
      answer('FA');
      request('FA', CLIENT, 5002);
      t.is(request('S'), 'tx', 'while the backend holds it in TIME_WAIT');
      t.is(dataplane.flows()[0]?.natPort, first?.natPort);
      setUp();
      request('S');
      t.is(dataplane.flows()[0]?.natPort, first?.natPort);
    }
  },
);

test.serial('the same client port to two VIPs on one backend makes two flows', (t) => {
  dataplane.server({ index: 5, vip: '192.0.2.20', port: 80, protocol: 'tcp', ring: [5] });
  dataplane.backend({ index: 5, address: '10.1.0.1', port: 8080, server: 5 });
  request('S');
  dataplane.send(tcp({ from: CLIENT, to: '192.0.2.20:80', flags: 'S' }));
  const [one, two] = dataplane.flows().sort((a, b) => a.server - b.server);
  t.not(one?.natPort, two?.natPort);
  for (const [flow, vip] of [
    [one, [192, 0, 2, 10]],
    [two, [192, 0, 2, 20]],
  ] as const) {
    const to = `${NAT_V4}:${flow?.natPort}`;
    const got = dataplane.send(tcp({ from: '10.1.0.1:8080', to, flags: 'SA' }));
    t.deepEqual([...got.packet.subarray(26, 30)], [...vip]);
  }
});

test.serial('the table and the reverse index are hashed with the secret seed', (t) => {
  const places = [1n, 2n, 3n, 4n].map((seed) => {
    dataplane.reset({ hash_seed: seed });
    dataplane.server({ index: 1, vip: VIP, port: 80, protocol: 'tcp', ring: [1] });
    dataplane.backend({ index: 1, address: '10.1.0.1', port: 8080, server: 1 });
    request('S');
    return dataplane.flows()[0]?.index;
  });
  t.true(new Set(places).size > 1);
});

test.serial(
  'one NAT address carries more than 64k flows when they go to several backends',
  async (t) => {
    const large = openDataplane({ flows: 262144, reverse: 524288 });
    const replay = openReplay(large.object);
    t.teardown(() => {
      replay.close();
      large.object.close();
    });
    large.reset({ nat_port_first: 1024, nat_port_last: 65535 });
    large.server({ index: 1, vip: VIP, port: 80, protocol: 'tcp', ring: [1, 2, 3, 4] });
    for (let i = 1; i <= 4; i++)
      large.backend({ index: i, address: `10.1.0.${i}`, port: 8080, server: 1 });
    const clients = 131072;
    const packet = tcp({ from: '100.64.0.0:1000', to: `${VIP}:80`, flags: 'S' });
    replay.load({ packet, clients });
    await replay.run(clients, 0);
    const counters = large.counters();
    const flows = large.flows();
    t.is(flows.length, (counters['flow_created'] ?? 0) - (counters['flow_displaced'] ?? 0));
    t.true(flows.length > clients * 0.97, `${flows.length} flows`);
    t.deepEqual(invariantBreaches(large), []);
    const pairs = new Set(flows.map((flow) => flow.backend * 65536 + flow.natPort));
    t.is(pairs.size, flows.length);
  },
);

test.serial('four NAT addresses carry more than 100,000 flows to one backend port', async (t) => {
  const large = openDataplane({ flows: 262144, reverse: 524288 });
  const replay = openReplay(large.object);
  t.teardown(() => {
    replay.close();
    large.object.close();
  });
  large.reset({ nat_port_first: 1024, nat_port_last: 32767 }); // forwarder.natPorts by default
  large.server({ index: 1, vip: VIP, port: 80, protocol: 'tcp', ring: [1] });
  const natAddresses = ['10.0.0.1', '10.0.0.2', '10.0.0.3', '10.0.0.4'];
  large.backend({ index: 1, address: '10.1.0.1', port: 8080, server: 1, natAddresses });
  const clients = 131072; // a few more than there are ports
  replay.load({ packet: tcp({ from: '100.64.0.0:1000', to: `${VIP}:80`, flags: 'S' }), clients });
  await replay.run(clients, 0);
  const flows = large.flows();
  t.true(flows.length > 100_000, `${flows.length} flows`);
  t.is(new Set(flows.map((flow) => flow.nat * 65536 + flow.natPort)).size, flows.length);
  t.deepEqual(invariantBreaches(large), []);
});

test.serial(
  'a claimed entry is seen by nobody, and keeps its tuple from being created again',
  (t) => {
    request('S');
    const [flow] = dataplane.flows();
    const bytes = dataplane.map('flows').lookup(u32(flow?.index ?? 0));
    const view = new DataView(bytes?.buffer ?? new ArrayBuffer(64));
    view.setUint8(5, constants['TG_FLOW_CLAIMED'] ?? 0);
    if (bytes) dataplane.map('flows').update(u32(flow?.index ?? 0), bytes);
    t.is(request('A'), 'drop');
    const late = tcp({ from: '10.1.0.1:8080', to: `${NAT_V4}:${flow?.natPort}` });
    t.is(dataplane.send(late).verdict, 'pass');
    t.is(request('S'), 'drop');
    t.is(dataplane.counters()['drop_contended'], 1);
    dataplane.reset();
  },
);
