import test from 'ava';
import { NAT_V4, openDataplane, type ServerFields } from '../support/dataplane-fixture.ts';
import { tcp, udp } from '../support/packet.ts';

const dataplane = openDataplane({ flows: 8192, reverse: 16384 });
const VIP = '192.0.2.10';
const RING = Array.from({ length: 120 }, (_, i) => 1 + (i % 8));

test.beforeEach(() => setUp());

/** One TCP and one UDP server with eight backends each. */
function setUp(server: Partial<ServerFields> = {}, settings: Record<string, bigint> = {}): void {
  dataplane.reset(settings);
  const ring = RING;
  dataplane.server({ index: 1, vip: VIP, port: 80, protocol: 'tcp', ring, ...server });
  const udpRing = ring.map((backend) => backend + 8);
  dataplane.server({ index: 2, vip: VIP, port: 53, protocol: 'udp', ...server, ring: udpRing });
  for (let i = 1; i <= 16; i++) dataplane.backend(backend(i));
}

function backend(index: number) {
  return { index, address: `10.1.0.${index}`, port: 8080, server: index <= 8 ? 1 : 2 };
}

/** The backend that a connection from there gets; -1 when it gets none. */
function connect(from: string): number {
  const { verdict, packet } = dataplane.send(tcp({ from, to: `${VIP}:80`, flags: 'S' }));
  return verdict === 'tx' ? (packet[33] ?? 0) : -1;
}

function ask(from: string): number {
  const { verdict, packet } = dataplane.send(udp({ from, to: `${VIP}:53`, payload: 'query' }));
  return verdict === 'tx' ? (packet[33] ?? 0) : -1;
}

function clients(count: number): string[] {
  return Array.from({ length: count }, (_, i) => `198.51.${100 + (i >> 7)}.${i & 127}:${5000 + i}`);
}

test.serial(
  'all boxes choose alike: the choice depends on the packet, not on the secret seed',
  (t) => {
    const choices = [1n, 0xfeed_beef_dead_cafen].map((hash_seed) => {
      setUp({}, { hash_seed });
      return clients(50).map(connect);
    });
    t.deepEqual(choices[0], choices[1]);
  },
);

test.serial('connections spread over the ring, also from one client and from neighbours', (t) => {
  const from = {
    oneClient: (i: number) => `198.51.100.7:${10000 + i}`,
    neighbours: (i: number) => `198.51.100.${i % 256}:${10000 + (i >> 8)}`,
  };
  for (const client of Object.values(from)) {
    setUp();
    const counts = new Map<number, number>();
    for (let i = 0; i < 800; i++) {
      const chosen = connect(client(i));
      counts.set(chosen, (counts.get(chosen) ?? 0) + 1);
    }
    t.is(counts.size, 8);
    // 100 expected each; five standard deviations.
    for (const count of counts.values()) t.true(Math.abs(count - 100) < 47, `${count} of 800`);
  }
});

test.serial('with hashing by client alone, a client keeps its backend over ports', (t) => {
  setUp({ hashClientOnly: true });
  const chosen = [1, 2, 3, 4, 5, 6].map((port) => connect(`198.51.100.7:${port}`));
  t.is(new Set(chosen).size, 1);
  t.true(new Set(clients(100).map(connect)).size > 4);
});

test.serial(
  'with affinity, a client keeps its backend while the ring changes (TCP and UDP)',
  (t) => {
    setUp({ affinitySec: 600 });
    const first = connect('198.51.100.7:1001');
    const firstUdp = ask('198.51.100.7:1001');
    const others = RING.filter((index) => index !== first);
    dataplane.server({
      index: 1,
      vip: VIP,
      port: 80,
      protocol: 'tcp',
      ring: others,
      affinitySec: 600,
    });
    const othersUdp = RING.map((index) => index + 8).filter((index) => index !== firstUdp);
    dataplane.server({
      index: 2,
      vip: VIP,
      port: 53,
      protocol: 'udp',
      ring: othersUdp,
      affinitySec: 600,
    });
    for (let port = 2000; port < 2020; port++) {
      t.is(connect(`198.51.100.7:${port}`), first);
      t.is(ask(`198.51.100.7:${port}`), firstUdp);
    }
    t.not(connect('198.51.100.8:1001'), -1);
  },
);

test.serial('without affinity, nothing is remembered of a client', (t) => {
  connect('198.51.100.7:1001');
  t.deepEqual(dataplane.map('affinity').entries(), []);
});

test.serial(
  'affinity ends when the client was away for its timeout, and each new flow renews it',
  (t) => {
    const affinitySec = 600;
    const move = (ring: readonly number[]) =>
      dataplane.server({ index: 1, vip: VIP, port: 80, protocol: 'tcp', ring, affinitySec });
    move([1]);
    t.is(connect('198.51.100.7:1001'), 1);
    move([2]);
    forget(590);
    t.is(connect('198.51.100.7:1002'), 1);
    forget(590);
    t.is(connect('198.51.100.7:1003'), 1);
    forget(601);
    t.is(connect('198.51.100.7:1004'), 2);
  },
);

test.serial(
  "affinity does not hold to a backend that takes no new flows, or is another server's",
  (t) => {
    const affinitySec = 600;
    const away: ReadonlyArray<Parameters<typeof dataplane.backend>[0]> = [
      { ...backend(1), active: false },
      { ...backend(1), server: 2 },
    ];
    for (const changed of away) {
      setUp();
      dataplane.server({ index: 1, vip: VIP, port: 80, protocol: 'tcp', ring: [1], affinitySec });
      t.is(connect('198.51.100.7:1001'), 1);
      dataplane.backend(changed);
      dataplane.server({ index: 1, vip: VIP, port: 80, protocol: 'tcp', ring: [2], affinitySec });
      t.is(connect('198.51.100.7:1002'), 2);
      dataplane.backend(backend(1));
      t.is(connect('198.51.100.7:1003'), 2, 'and the new choice is remembered');
    }
  },
);

/** Port 80 on backends 1 to 4 and port 81 on 9 to 12, at the same endpoints. */
function servePorts(affinityGroup81: number): void {
  const common = { vip: VIP, protocol: 'tcp', affinitySec: 600 } as const;
  for (let i = 1; i <= 4; i++) {
    dataplane.backend({ ...backend(i), endpoint: 100 + i });
    dataplane.backend({ ...backend(i), index: 8 + i, server: 3, endpoint: 100 + i, port: 8081 });
  }
  dataplane.server({ ...common, index: 1, port: 80, ring: [1, 2, 3, 4], affinityGroup: 7 });
  const ring = [9, 10, 11, 12];
  dataplane.server({ ...common, index: 3, port: 81, ring, affinityGroup: affinityGroup81 });
}

function connect81(from: string): number {
  return dataplane.send(tcp({ from, to: `${VIP}:81`, flags: 'S' })).packet[33] ?? 0;
}

test.serial('affinity holds for all ports of a Service, and for none of another', (t) => {
  servePorts(7);
  for (const from of clients(40)) t.is(connect81(from), connect(from));
  t.is(dataplane.map('affinity').entries().length, 40);
  setUp();
  servePorts(8);
  const equal = clients(40).filter((from) => connect81(from) === connect(from));
  t.true(equal.length < 40);
  t.is(dataplane.map('affinity').entries().length, 80);
});

test.serial('answers do not depend on affinity or ring', (t) => {
  connect('198.51.100.7:1001');
  const [flow] = dataplane.flows();
  dataplane.server({ index: 1, vip: VIP, port: 80, protocol: 'tcp', ring: [] });
  const from = `10.1.0.${flow?.backend}:8080`;
  const packet = tcp({ from, to: `${NAT_V4}:${flow?.natPort}`, flags: 'SA' });
  t.is(dataplane.send(packet).verdict, 'tx');
});

/** Moves what is known of all clients into the past. */
function forget(seconds: number): void {
  for (const { key, value } of dataplane.map('affinity').entries()) {
    const view = new DataView(value.buffer, value.byteOffset);
    view.setBigUint64(8, view.getBigUint64(8, true) - BigInt(seconds) * 1_000_000_000n, true);
    dataplane.map('affinity').update(key, value);
  }
}
