import { execFileSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import test, { type ExecutionContext } from 'ava';
import fc from 'fast-check';
import { dataplaneAbi, loadBpf } from '../../src/system/bpf.ts';
import {
  BACKEND_MAC,
  bpffs,
  EDGE_BACKEND_MAC,
  expectPacket,
  interfaceIndex,
  LOOPBACK,
  NAT_V4,
  NAT_V6,
  openDataplane,
  PASS_OBJECT,
  u32,
} from '../support/dataplane-fixture.ts';
import { CLIENT_MAC, EDGE_MAC, type PacketFields, tcp, udp } from '../support/packet.ts';

const dataplane = openDataplane();
test.beforeEach(() => dataplane.reset());

/** Macs of packets as they leave, and as backends send them. */
const TO_BACKEND = { srcMac: EDGE_BACKEND_MAC, dstMac: BACKEND_MAC };
const FROM_BACKEND = { srcMac: BACKEND_MAC, dstMac: EDGE_BACKEND_MAC };
const TO_CLIENT = { srcMac: EDGE_MAC, dstMac: CLIENT_MAC };

const WORLDS = {
  IPv4: {
    client: '198.51.100.7:50123',
    vip: '192.0.2.10',
    backend: '10.1.0.5',
    nat: (port: number) => `${NAT_V4}:${port}`,
    at: (address: string, port: number) => `${address}:${port}`,
  },
  IPv6: {
    client: '[2001:db8:77::7]:50123',
    vip: '2001:db8::10',
    backend: 'fd01::5',
    nat: (port: number) => `[${NAT_V6}]:${port}`,
    at: (address: string, port: number) => `[${address}]:${port}`,
  },
};
const PROTOCOLS = {
  TCP: { build: tcp, name: 'tcp', port: 80 },
  UDP: { build: udp, name: 'udp', port: 53 },
} as const;

/** One server with one backend, and the way there and back. */
function world(
  family: keyof typeof WORLDS,
  protocol: keyof typeof PROTOCOLS,
  backend: { readonly ifindex?: number; readonly mtu?: number; readonly reachable?: boolean } = {},
) {
  const { client, vip, backend: address, nat, at } = WORLDS[family];
  const { build, name, port } = PROTOCOLS[protocol];
  dataplane.backend({ index: 1, address, port: 8080, server: 1, ...backend });
  dataplane.server({ index: 1, vip, port, protocol: name, ring: [1] });
  const natPort = () => dataplane.flows()[0]?.natPort ?? 0;
  return {
    request: (fields: Partial<PacketFields> = {}) =>
      build({ from: client, to: at(vip, port), flags: 'S', ...fields }),
    forwarded: (fields: Partial<PacketFields> = {}) =>
      build({
        from: nat(natPort()),
        to: at(address, 8080),
        ttl: 63,
        flags: 'S',
        ...TO_BACKEND,
        ...fields,
      }),
    answer: (fields: Partial<PacketFields> = {}) =>
      build({
        from: at(address, 8080),
        to: nat(natPort()),
        flags: 'SA',
        ...FROM_BACKEND,
        ...fields,
      }),
    returned: (fields: Partial<PacketFields> = {}) =>
      build({
        from: at(vip, port),
        to: client,
        ttl: 63,
        flags: 'SA',
        ...TO_CLIENT,
        ...fields,
      }),
  };
}

for (const family of ['IPv4', 'IPv6'] as const) {
  for (const protocol of ['TCP', 'UDP'] as const) {
    const name = `${protocol} over ${family}`;

    test.serial(`a request goes to the backend and its answer to the client (${name})`, (t) => {
      const { request, forwarded, answer, returned } = world(family, protocol);
      expectPacket(t, dataplane.send(request()), 'tx', forwarded());
      expectPacket(t, dataplane.send(answer()), 'tx', returned());
      t.deepEqual(dataplane.counters(), { forwarded: 1, returned: 1, flow_created: 1 });
    });

    test.serial(`checksums are right for any payload, TTL and source port (${name})`, (t) => {
      fc.assert(
        fc.property(
          fc.uint8Array({ maxLength: 60 }),
          fc.integer({ min: 2, max: 255 }),
          fc.integer({ min: 1, max: 65535 }),
          (payload, ttl, port) => {
            dataplane.reset();
            const { request, forwarded, answer, returned } = world(family, protocol);
            const client = WORLDS[family].client.replace('50123', `${port}`);
            const there = dataplane.send(request({ payload, ttl, from: client }));
            expectPacket(t, there, 'tx', forwarded({ payload, ttl: ttl - 1 }));
            const back = dataplane.send(answer({ payload, ttl }));
            expectPacket(t, back, 'tx', returned({ payload, ttl: ttl - 1, to: client }));
          },
        ),
        { numRuns: 100 },
      );
    });
  }

  test.serial(`a UDP checksum that comes out as 0 is sent as 0xffff (${family})`, (t) => {
    const { request, forwarded } = world(family, 'UDP');
    const sent = dataplane.send(request({ payload: new Uint8Array(2) })).packet;
    const at = family === 'IPv4' ? 40 : 60;
    const payload = sent.slice(at, at + 2); // what is missing to a sum of 0xffff
    const got = dataplane.send(request({ payload }));
    t.deepEqual([...got.packet.subarray(at, at + 2)], [0xff, 0xff]);
    expectPacket(t, got, 'tx', forwarded({ payload }));
  });
}

test.serial(
  'a UDP datagram without checksum stays without (IPv4), and is malformed over IPv6',
  (t) => {
    const four = world('IPv4', 'UDP');
    const noChecksum = true;
    const got = dataplane.send(four.request({ noChecksum, payload: 'hi' }));
    expectPacket(t, got, 'tx', four.forwarded({ noChecksum, payload: 'hi' }));
    const back = dataplane.send(four.answer({ noChecksum, payload: 'ho' }));
    expectPacket(t, back, 'tx', four.returned({ noChecksum, payload: 'ho' }));
    dataplane.reset();
    const packet = world('IPv6', 'UDP').request({ noChecksum });
    expectPacket(t, dataplane.send(packet), 'drop', packet);
    t.deepEqual(dataplane.counters(), { drop_malformed: 1 });
  },
);

test.serial('a wrong checksum stays wrong, so that the backend sees it', (t) => {
  const { request, forwarded } = world('IPv4', 'TCP');
  const damaged = request({ payload: 'abcd' });
  damaged[57] = 'X'.charCodeAt(0);
  const got = dataplane.send(damaged);
  const expected = forwarded({ payload: 'abcd' });
  expected[57] = 'X'.charCodeAt(0);
  expectPacket(t, got, 'tx', expected);
});

test.serial('IPv4 options are kept', (t) => {
  const ipOptions = new Uint8Array([7, 7, 4, 0, 0, 0, 0, 0]); // record route
  const { request, forwarded } = world('IPv4', 'TCP');
  const got = dataplane.send(request({ ipOptions, payload: 'data' }));
  expectPacket(t, got, 'tx', forwarded({ ipOptions, payload: 'data' }));
});

test.serial('Ethernet padding is kept as it is', (t) => {
  const { request, forwarded } = world('IPv4', 'UDP');
  const got = dataplane.send(request({ payload: 'x', padding: 17 }));
  expectPacket(t, got, 'tx', forwarded({ payload: 'x', padding: 17 }));
});

test.serial('a jumbo packet in several buffers is forwarded', (t) => {
  const { request, forwarded } = world('IPv4', 'TCP', { mtu: 9000 });
  const payload = 'x'.repeat(8000);
  expectPacket(t, dataplane.send(request({ payload })), 'tx', forwarded({ payload }));
});

test.serial('a backend whose next hop is not resolved gets nothing, and no flow is made', (t) => {
  const { request } = world('IPv4', 'TCP', { reachable: false });
  const packet = request();
  expectPacket(t, dataplane.send(packet), 'drop', packet);
  t.deepEqual(dataplane.counters(), { drop_no_neighbour: 1 });
  t.deepEqual(dataplane.flows(), []);
});

test.serial('answers go to where the client was heard last', (t) => {
  const { request, answer, returned } = world('IPv4', 'TCP');
  const router = { srcMac: '02:00:00:00:00:c2', dstMac: '02:00:00:00:00:ee' };
  dataplane.send(request());
  dataplane.send(request(router));
  const swapped = { srcMac: router.dstMac, dstMac: router.srcMac };
  expectPacket(t, dataplane.send(answer()), 'tx', returned(swapped));
});

test.serial('an answer is only an answer when the whole tuple agrees', (t) => {
  const { request, answer } = world('IPv4', 'TCP');
  dataplane.send(request());
  const natPort = dataplane.flows()[0]?.natPort ?? 0;
  const strangers: Array<Partial<PacketFields>> = [
    { from: '10.1.0.6:8080' },
    { from: '10.1.0.5:8081' },
    { to: `10.0.0.2:${natPort}` },
    { to: `${NAT_V4}:${natPort === 40000 ? 40001 : natPort - 1}` },
  ];
  for (const fields of strangers) {
    const packet = answer(fields);
    expectPacket(t, dataplane.send(packet), 'pass', packet);
  }
  const datagram = udp({ from: '10.1.0.5:8080', to: `${NAT_V4}:${natPort}` });
  expectPacket(t, dataplane.send(datagram), 'pass', datagram);
});

test.serial('a flow keeps its NAT port, and its answers, when new flows get others', (t) => {
  const { request, forwarded, answer, returned } = world('IPv4', 'TCP');
  dataplane.send(request({ flags: 'S' }));
  const config = new DataView(dataplane.map('config').mapped());
  const { offsets } = dataplaneAbi().structs['tg_config'] ?? {};
  config.setUint16(offsets?.['nat_port_first'] ?? 0, 2000, true);
  config.setUint16(offsets?.['nat_port_last'] ?? 0, 2000, true);
  expectPacket(t, dataplane.send(answer()), 'tx', returned());
  expectPacket(t, dataplane.send(request()), 'tx', forwarded());
  dataplane.send(request({ from: '198.51.100.8:4000', flags: 'S' }));
  t.deepEqual(
    dataplane
      .flows()
      .map(({ natPort }) => natPort === 2000)
      .sort(),
    [false, true],
  );
});

test.serial('packets are counted for their server and backend', (t) => {
  const { request, answer } = world('IPv4', 'UDP');
  dataplane.send(request({ payload: 'x'.repeat(10) }));
  dataplane.send(request({ payload: 'x'.repeat(10) }));
  dataplane.send(answer({ payload: 'x'.repeat(72) }));
  const expected = {
    new_flows: 1,
    in_packets: 2,
    in_bytes: 2 * 38,
    out_packets: 1,
    out_bytes: 100,
    drops: 0,
  };
  t.deepEqual(dataplane.stats('server_stats', 1), expected);
  t.deepEqual(dataplane.stats('backend_stats', 1), expected);
});

test.serial('client and backend may be behind different interfaces', (t) => {
  const outside = frontInterface(t);
  const { request, forwarded, answer, returned } = world('IPv4', 'TCP');
  const unknown = dataplane.send(request(), outside);
  t.is(unknown.verdict, 'drop');
  t.deepEqual(dataplane.counters(), { drop_no_neighbour: 1, flow_created: 1 });
  for (const ifindex of [LOOPBACK, outside])
    dataplane.map('ports').update(u32(ifindex), u32(ifindex));
  expectPacket(t, dataplane.send(request(), outside), 'redirect', forwarded());
  expectPacket(t, dataplane.send(answer()), 'redirect', returned());
});

/** A device that packets can be said to come from: one with a program has receive queues. */
function frontInterface(t: ExecutionContext): number {
  const [name, peer, pins] = [
    `tgx${process.pid}a`,
    `tgx${process.pid}b`,
    `${bpffs()}/tgx-${process.pid}`,
  ];
  execFileSync('ip', ['link', 'add', name, 'type', 'veth', 'peer', 'name', peer]);
  execFileSync('ip', ['link', 'set', name, 'up']);
  const pass = loadBpf({ object: PASS_OBJECT, pinDir: undefined, maxEntries: {} });
  t.teardown(() => {
    pass.close();
    rmSync(pins, { recursive: true, force: true });
    execFileSync('ip', ['link', 'del', name]);
  });
  pass.attach(interfaceIndex(name), 'native', `${pins}/link`);
  return interfaceIndex(name);
}

test.serial(
  'nothing is forwarded before the settings are there, or with those of another layout',
  (t) => {
    const { request } = world('IPv4', 'TCP');
    const packet = request();
    dataplane.map('config').update(u32(0), new Uint8Array(dataplane.map('config').valueSize));
    expectPacket(t, dataplane.send(packet), 'pass', packet);
    t.deepEqual(dataplane.counters(), {});
  },
);
