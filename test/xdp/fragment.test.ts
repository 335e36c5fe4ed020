import test, { type ExecutionContext } from 'ava';
import { dataplaneAbi } from '../../src/system/bpf.ts';
import {
  BACKEND_MAC,
  EDGE_BACKEND_MAC,
  expectPacket,
  NAT_V4,
  NAT_V6,
  openDataplane,
  readField,
} from '../support/dataplane-fixture.ts';
import { fragmentId, fragmentOf, fragmentsOf } from '../support/fragments.ts';
import { CLIENT_MAC, EDGE_MAC, icmp, type PacketFields, tcp, udp } from '../support/packet.ts';

const { structs, constants } = dataplaneAbi();
const dataplane = openDataplane({ flows: 8192, reverse: 16384 });

const FAMILIES = {
  IPv4: {
    client: '198.51.100.7:50123',
    vip: '192.0.2.10',
    backend: '10.1.0.5',
    at: (address: string, port: number) => `${address}:${port}`,
    nat: NAT_V4,
  },
  IPv6: {
    client: '[2001:db8:77::7]:50123',
    vip: '2001:db8::10',
    backend: 'fd01::5',
    at: (address: string, port: number) => `[${address}]:${port}`,
    nat: NAT_V6,
  },
} as const;
type Family = keyof typeof FAMILIES;

const TO_BACKEND = { srcMac: EDGE_BACKEND_MAC, dstMac: BACKEND_MAC, ttl: 63 };
const FROM_BACKEND = { srcMac: BACKEND_MAC, dstMac: EDGE_BACKEND_MAC };
const TO_CLIENT = { srcMac: EDGE_MAC, dstMac: CLIENT_MAC, ttl: 63 };
const LONG = Uint8Array.from({ length: 3000 }, (_, i) => i * 7);
const SIZE = 1024;

function world(family: Family, mtu = 1500) {
  const { client, vip, backend, at, nat } = FAMILIES[family];
  dataplane.reset();
  dataplane.backend({ index: 1, address: backend, port: 8080, server: 1, mtu });
  dataplane.backend({ index: 2, address: backend, port: 8080, server: 2, mtu });
  dataplane.server({ index: 1, vip, port: 53, protocol: 'udp', ring: [1] });
  dataplane.server({ index: 2, vip, port: 80, protocol: 'tcp', ring: [2] });
  const natAt = () => at(nat, dataplane.flows()[0]?.natPort ?? 0);
  return {
    request: (fields: Partial<PacketFields> = {}) =>
      udp({ from: client, to: at(vip, 53), payload: LONG, ...fields }),
    segment: (fields: Partial<PacketFields> = {}) =>
      tcp({ from: client, to: at(vip, 80), flags: 'S', payload: LONG, ...fields }),
    forwarded: (fields: Partial<PacketFields> = {}) =>
      udp({ from: natAt(), to: at(backend, 8080), payload: LONG, ...TO_BACKEND, ...fields }),
    answer: (fields: Partial<PacketFields> = {}) =>
      udp({ from: at(backend, 8080), to: natAt(), payload: LONG, ...FROM_BACKEND, ...fields }),
    returned: (fields: Partial<PacketFields> = {}) =>
      udp({ from: at(vip, 53), to: client, payload: LONG, ...TO_CLIENT, ...fields }),
  };
}

/** Sends fragments; each must leave as the whole packet's would, with one new identification. */
function expectFragments(
  t: ExecutionContext,
  sent: readonly Uint8Array[],
  expected: (id: number) => readonly Uint8Array[],
): number {
  const out = sent.map((fragment) => dataplane.send(fragment));
  const id = fragmentId(out[0]?.packet ?? new Uint8Array());
  const wanted = expected(id);
  t.is(out.length, wanted.length);
  for (const [i, got] of out.entries()) expectPacket(t, got, 'tx', wanted[i] ?? new Uint8Array());
  return id;
}

/** Moves all notes into the past. */
function ageNotes(seconds: number): void {
  const notes = dataplane.map('fragments');
  for (const { key, value } of notes.entries()) {
    const view = new DataView(value.buffer, value.byteOffset);
    const at = structs['tg_fragment']?.offsets['noted_s'] ?? 0;
    view.setUint32(at, readField('tg_fragment', 'noted_s', value) - seconds, true);
    notes.update(key, value);
  }
}

for (const family of ['IPv4', 'IPv6'] as const) {
  test.serial(`a datagram in fragments is forwarded both ways (${family})`, (t) => {
    const { request, forwarded, answer, returned } = world(family);
    const there = expectFragments(t, fragmentsOf(request(), SIZE, 77), (id) =>
      fragmentsOf(forwarded(), SIZE, id),
    );
    const back = expectFragments(t, fragmentsOf(answer(), SIZE, 77), (id) =>
      fragmentsOf(returned(), SIZE, id),
    );
    t.false(there === 77 && back === 77);
    t.deepEqual(dataplane.counters(), { flow_created: 1, forwarded: 3, returned: 3 });
    const stats = dataplane.stats('server_stats', 1);
    t.like(stats, { new_flows: 1, in_packets: 3, out_packets: 3 });
    t.is(stats['in_bytes'], 3008 + 3 * (family === 'IPv4' ? 20 : 48));
  });

  test.serial(`behind the first, fragments may come in any order (${family})`, (t) => {
    const { request, forwarded } = world(family);
    const order = [0, 2, 1];
    const sent = fragmentsOf(request(), SIZE, 77);
    const pick = (list: readonly Uint8Array[]) => order.map((i) => list[i] ?? new Uint8Array());
    expectFragments(t, pick(sent), (id) => pick(fragmentsOf(forwarded(), SIZE, id)));
  });

  test.serial(`clients with one identification get one each (${family})`, (t) => {
    const { request } = world(family);
    const ids = new Set<number>();
    for (let i = 0; i < 500; i++) {
      const last = family === 'IPv4' ? `198.51.100.${i % 250}` : `[2001:db8:77::${i % 250}]`;
      const from = `${last}:${2000 + i}`;
      const [first, second] = fragmentsOf(request({ from }), 1440, i < 250 ? 77 : 78);
      const got = dataplane.send(first ?? new Uint8Array());
      const rest = dataplane.send(second ?? new Uint8Array());
      t.is(fragmentId(rest.packet), fragmentId(got.packet));
      ids.add(fragmentId(got.packet));
    }
    t.is(ids.size, 500);
  });

  test.serial(
    `a copy of the first fragment keeps the identification, for a while (${family})`,
    (t) => {
      const [first = new Uint8Array()] = fragmentsOf(world(family).request(), SIZE, 77);
      const id = fragmentId(dataplane.send(first).packet);
      t.is(fragmentId(dataplane.send(first).packet), id);
      ageNotes(3);
      t.not(fragmentId(dataplane.send(first).packet), id);
    },
  );

  test.serial(`overlapping fragments go on as they came (${family})`, (t) => {
    const { request, forwarded } = world(family);
    const overlapping = [
      { from: 0, to: 1024 },
      { from: 512, to: 1536 },
      { from: 1024, to: 2048 },
      { from: 2000, to: 3008 },
    ];
    const cut = (packet: Uint8Array, id: number) =>
      overlapping.map((piece) => fragmentOf(packet, piece, id));
    expectFragments(t, cut(request(), 77), (id) => cut(forwarded(), id));
  });

  test.serial(`a fragment before its first one is held, and goes on after it (${family})`, (t) => {
    const { request, forwarded } = world(family);
    const [first, second] = fragmentsOf(request(), SIZE, 77);
    if (first === undefined || second === undefined) return t.fail();
    expectPacket(t, dataplane.send(second), 'drop', second);
    t.deepEqual(dataplane.counters(), { fragment_held: 1 });
    const id = fragmentId(dataplane.send(first).packet);
    const expected = fragmentsOf(forwarded(), SIZE, id)[1] ?? new Uint8Array();
    expectPacket(t, dataplane.send(second), 'tx', expected);
  });

  test.serial(`a note is forgotten when receivers have given up (${family})`, (t) => {
    const [first, second] = fragmentsOf(world(family).request(), SIZE, 77);
    dataplane.send(first ?? new Uint8Array());
    ageNotes((constants['TG_FRAGMENT_LIFETIME_S'] ?? 0) + 1);
    t.is(dataplane.send(second ?? new Uint8Array()).verdict, 'drop');
    t.is(dataplane.counters()['fragment_held'], 1);
  });

  test.serial(`fragments carry the tags of the way (${family})`, (t) => {
    const { request, answer } = world(family);
    const tagged = (packet: Uint8Array) =>
      new Uint8Array(
        Buffer.concat([packet.subarray(0, 12), Uint8Array.of(0x81, 0, 0, 7), packet.subarray(12)]),
      );
    for (const fragment of fragmentsOf(request(), SIZE, 77))
      t.is(dataplane.send(tagged(fragment)).packet.length, fragment.length);
    for (const fragment of fragmentsOf(answer(), SIZE, 78)) {
      const got = dataplane.send(fragment).packet;
      t.is(got.length, fragment.length + 4);
      t.deepEqual([...got.subarray(12, 16)], [0x81, 0, 0, 7]);
    }
  });

  test.serial(`a fragment whose TTL is used up, or too large, is dropped (${family})`, (t) => {
    const { request } = world(family, 1200);
    const whole = request();
    dataplane.send(fragmentOf(whole, { from: 0, to: 1024 }, 77));
    const large = fragmentOf(whole, { from: 1024, to: 2600 }, 77);
    expectPacket(t, dataplane.send(large), 'drop', large);
    const late = fragmentOf(request({ ttl: 1 }), { from: 1024, to: 2048 }, 77);
    expectPacket(t, dataplane.send(late), 'drop', late);
    t.like(dataplane.counters(), { drop_too_big: 1, drop_ttl: 1 });
  });

  test.serial(`what hides its ports or flags is dropped (${family})`, (t) => {
    const { request, segment } = world(family);
    const hiding = [
      fragmentOf(request(), { from: 0, to: 0 }, 77),
      fragmentOf(segment(), { from: 0, to: 8 }, 78), // RFC 1858, section 3
      fragmentOf(segment(), { from: 0, to: 16 }, 78),
      fragmentOf(segment(), { from: 8, to: 32 }, 78), // RFC 3128
    ];
    for (const packet of hiding) expectPacket(t, dataplane.send(packet), 'drop', packet);
    t.deepEqual(dataplane.counters(), { drop_fragment: hiding.length });
  });

  test.serial(
    `a fragment that would end beyond the largest packet is malformed (${family})`,
    (t) => {
      const packet = fragmentOf(world(family).request(), { from: 0, to: 1024 }, 77);
      new DataView(packet.buffer).setUint16(
        family === 'IPv4' ? 20 : 56,
        family === 'IPv4' ? 0x1fff : 0xfff8,
      );
      expectPacket(t, dataplane.send(packet), 'drop', packet);
      t.deepEqual(dataplane.counters(), { drop_malformed: 1 });
    },
  );

  test.serial(`fragments of other protocols, and to others, are not ours (${family})`, (t) => {
    const { request, answer } = world(family);
    const { client, vip, at } = FAMILIES[family];
    const bare = (text: string) => text.replace(/:\d+$/, '').replace(/[[\]]/g, '');
    const ping = icmp({
      from: bare(client),
      to: vip,
      type: family === 'IPv4' ? 8 : 128,
      payload: LONG,
    });
    for (const fragment of fragmentsOf(ping, SIZE, 77))
      expectPacket(t, dataplane.send(fragment), 'drop', fragment);
    t.deepEqual(dataplane.counters(), { drop_fragment: 3 });
    const strangers = [
      ...fragmentsOf(
        request({ to: at(family === 'IPv4' ? '192.0.2.11' : '2001:db8::11', 53) }),
        SIZE,
        77,
      ),
      ...fragmentsOf(answer(), SIZE, 77),
    ];
    for (const fragment of strangers) expectPacket(t, dataplane.send(fragment), 'pass', fragment);
  });
}

test.serial('a UDP first fragment must not be longer than its datagram', (t) => {
  const { request } = world('IPv4');
  const packet = fragmentOf(request({ lie: { udpLength: 1023 } }), { from: 0, to: 1024 }, 77);
  expectPacket(t, dataplane.send(packet), 'drop', packet);
  t.deepEqual(dataplane.counters(), { drop_fragment: 1 });
});

test.serial('a UDP checksum is none in fragments, too (IPv4), and missed in IPv6', (t) => {
  const { request, forwarded } = world('IPv4');
  expectFragments(t, fragmentsOf(request({ noChecksum: true }), SIZE, 77), (id) =>
    fragmentsOf(forwarded({ noChecksum: true }), SIZE, id),
  );
  const packet = fragmentOf(world('IPv6').request({ noChecksum: true }), { from: 0, to: 1024 }, 77);
  expectPacket(t, dataplane.send(packet), 'drop', packet);
});

test.serial('a fragment header around a whole packet is only a header (RFC 6946)', (t) => {
  const { request, forwarded } = world('IPv6', 9000);
  const whole = (packet: Uint8Array) => fragmentOf(packet, { from: 0, to: 3008 }, 77);
  expectPacket(t, dataplane.send(whole(request())), 'tx', whole(forwarded()));
  t.deepEqual(dataplane.map('fragments').entries(), []);
});

test.serial('a chain of IPv6 headers must end within the first fragment (RFC 7112)', (t) => {
  const { request, forwarded } = world('IPv6');
  const extensions = [{ header: 60, rest: new Uint8Array([1, 1, 12, ...new Uint8Array(12)]) }];
  const cut = fragmentOf(request({ extensions }), { from: 0, to: 8 }, 77);
  expectPacket(t, dataplane.send(cut), 'drop', cut);
  t.deepEqual(dataplane.counters(), { drop_fragment: 1 });
  expectFragments(t, fragmentsOf(request({ extensions }), SIZE, 78), (id) =>
    fragmentsOf(forwarded({ extensions }), SIZE, id),
  );
});

test.serial('later IPv6 fragments may say another protocol (RFC 8200, section 4.5)', (t) => {
  const [first, second] = fragmentsOf(world('IPv6').request(), SIZE, 77);
  if (first === undefined || second === undefined) return t.fail();
  dataplane.send(first);
  second[54] = 6;
  t.is(dataplane.send(second).verdict, 'tx');
});

test.serial('IPv4 fragments of two protocols with one identification are two datagrams', (t) => {
  const { request, segment } = world('IPv4');
  const [datagram = new Uint8Array()] = fragmentsOf(request(), SIZE, 77);
  const [first, second] = fragmentsOf(segment(), SIZE, 77);
  dataplane.send(datagram);
  t.is(dataplane.send(second ?? new Uint8Array()).verdict, 'drop');
  dataplane.send(first ?? new Uint8Array());
  t.is(dataplane.send(second ?? new Uint8Array()).verdict, 'tx');
});

test.serial('when the table is full the oldest notes go, and nothing else happens', (t) => {
  const { request } = world('IPv4');
  const datagrams = Array.from({ length: 4096 }, (_, id) => fragmentsOf(request(), 1440, id));
  for (const [first] of datagrams) t.is(dataplane.send(first ?? new Uint8Array()).verdict, 'tx');
  t.is(dataplane.send(datagrams[0]?.[1] ?? new Uint8Array()).verdict, 'drop');
  t.is(dataplane.send(datagrams.at(-1)?.[1] ?? new Uint8Array()).verdict, 'tx');
  t.is(dataplane.flows().length, 1);
});

test.serial('a flood of fragments without a first one is dropped when the ring is full', (t) => {
  const { request } = world('IPv4');
  for (let id = 0; id < 1000; id++)
    t.is(dataplane.send(fragmentOf(request(), { from: 1024, to: 2048 }, id)).verdict, 'drop');
  const { fragment_held = 0, drop_fragment_early = 0 } = dataplane.counters();
  t.is(fragment_held + drop_fragment_early, 1000);
  t.true(drop_fragment_early >= 1000 - (constants['TG_HELD_RING_BYTES'] ?? 0) / 2048);
});

test.serial('a jumbo fragment without a first one is not held', (t) => {
  const { request } = world('IPv4', 9000);
  const packet = fragmentOf(request(), { from: 800, to: 3008 }, 77);
  expectPacket(t, dataplane.send(packet), 'drop', packet);
  t.deepEqual(dataplane.counters(), { drop_fragment_early: 1 });
});
