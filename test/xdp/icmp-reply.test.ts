import test from 'ava';
import {
  addressBytes,
  encodeStruct,
  expectPacket,
  LOOPBACK,
  openDataplane,
  u32,
} from '../support/dataplane-fixture.ts';
import {
  FAMILIES,
  type Family,
  type NatWorld,
  natWorld,
  quoteOf,
  TO_BACKEND,
  TO_CLIENT,
  TRANSPORTS,
} from '../support/nat-world.ts';
import { icmp, ip, type PacketFields, udp } from '../support/packet.ts';

/** ICMP errors in the box's own name, or in that of the address a packet was for. */
const dataplane = openDataplane();
const REJECT = 1; // TG_CONFIG_REJECT_UNSERVED
test.beforeEach(() => dataplane.reset({ flags: REJECT }));

/** How all of them leave; IPv4 without fragments needs no identification, and RFC 1812 wants its precedence. */
const OWN = { id: 0, tos: 0xc0, ttl: 64 };
const own = (family: Family) => (family === 'IPv4' ? OWN : { ...OWN, tos: 0, flowLabel: 0 });

const TIME_EXCEEDED = { IPv4: { type: 11 }, IPv6: { type: 3 } };
const PORT = { IPv4: { type: 3, code: 3 }, IPv6: { type: 1, code: 4 } };
const tooBig = (family: Family, mtu: number) =>
  family === 'IPv4' ? { type: 3, code: 4, info: mtu } : { type: 2, code: 0, info: mtu };
/** All of a packet that an error may quote. */
const QUOTED = { IPv4: 576 - 28, IPv6: 1280 - 48 };

/** The error about `packet`, from `from` back to who sent it. */
function error(
  world: NatWorld,
  packet: Uint8Array,
  fields: Partial<PacketFields> & { from: string; type: number; code?: number; info?: number },
) {
  const payload = quoteOf(packet, QUOTED[world.family]);
  return icmp({
    info: 0,
    to: world.client,
    ...TO_CLIENT,
    ...own(world.family),
    payload,
    ...fields,
  });
}

/** What the box is called on the link that packets come by. */
function nameBox(world: NatWorld, mtu = 1500): void {
  const address = { [world.family === 'IPv4' ? 'ipv4' : 'ipv6']: addressBytes(world.box) };
  dataplane
    .map('interfaces')
    .update(u32(LOOPBACK), encodeStruct('tg_interface', { mtu, ...address }));
}

for (const family of FAMILIES) {
  for (const transport of TRANSPORTS) {
    const name = `${transport} over ${family}`;

    test.serial(`a TTL that is used up: time exceeded from the box, both ways (${name})`, (t) => {
      const world = natWorld(dataplane, family, transport);
      nameBox(world);
      const { box: from } = world;
      for (const ttl of [0, 1]) {
        const packet = world.request({ ttl, flags: 'S', payload: 'probe' });
        const expected = error(world, packet, { from, ...TIME_EXCEEDED[family] });
        expectPacket(t, dataplane.send(packet), 'tx', expected);
      }
      t.deepEqual(dataplane.flows(), []);
      world.open();
      const packet = world.answer({ ttl: 1 });
      const back = { from, to: world.backend, ...TO_BACKEND, ...TIME_EXCEEDED[family] };
      expectPacket(t, dataplane.send(packet), 'tx', error(world, packet, back));
      t.like(dataplane.counters(), { drop_ttl: 3, icmp_sent: 3 });
    });

    test.serial(
      `a packet that fills the way out to a backend goes, a larger one is told its MTU (${name})`,
      (t) => {
        const world = natWorld(dataplane, family, transport, { mtu: 1400 });
        const { vip: from } = world;
        const room = 1400 - (family === 'IPv4' ? 20 : 40) - (transport === 'TCP' ? 20 : 8);
        const large = world.request({ flags: 'S', payload: 'x'.repeat(room + 1) });
        const expected = error(world, large, { from, ...tooBig(family, 1400) });
        expectPacket(t, dataplane.send(large), 'tx', expected);
        t.deepEqual(dataplane.flows(), []);
        t.deepEqual(dataplane.counters(), { drop_too_big: 1, icmp_sent: 1 });
        const fits = { flags: 'S', payload: 'x'.repeat(room) };
        expectPacket(t, dataplane.send(world.request(fits)), 'tx', world.forwarded(fits));
        expectPacket(t, dataplane.send(large), 'tx', expected);
      },
    );

    test.serial(
      `a larger one than the way out to the client is told to the backend (${name})`,
      (t) => {
        dataplane.reset({ mtu_min: 1300 });
        const world = natWorld(dataplane, family, transport);
        world.open();
        const header = (family === 'IPv4' ? 20 : 40) + (transport === 'TCP' ? 20 : 8);
        const payload = 'x'.repeat(1401 - header);
        const returned = world.returned({ payload });
        expectPacket(t, dataplane.send(world.answer({ payload })), 'tx', returned);
        nameBox(world, 1400);
        const packet = world.answer({ payload });
        const fields = {
          from: world.nat,
          to: world.backend,
          ...TO_BACKEND,
          ...tooBig(family, 1400),
        };
        expectPacket(t, dataplane.send(packet), 'tx', error(world, packet, fields));
        nameBox(world, 1401);
        expectPacket(t, dataplane.send(packet), 'tx', returned);
      },
    );
  }

  test.serial(`errors quote as much as they may, and say MTUs of any size (${family})`, (t) => {
    const world = natWorld(dataplane, family, 'UDP', { mtu: 68 });
    for (const size of [69, 70, 71, 72, 500, 547, 548, 549, 1231, 1232, 1233, 1501, 8000]) {
      const payload = new Uint8Array(size).map((_, i) => i * 7);
      const packet = world.request({ payload });
      const expected = error(world, packet, { from: world.vip, ...tooBig(family, 68) });
      expectPacket(t, dataplane.send(packet), 'tx', expected);
    }
  });

  test.serial(`time exceeded comes from the VIP where the box has no address (${family})`, (t) => {
    const world = natWorld(dataplane, family, 'UDP');
    const packet = world.request({ ttl: 1 });
    const expected = error(world, packet, { from: world.vip, ...TIME_EXCEEDED[family] });
    expectPacket(t, dataplane.send(packet), 'tx', expected);
    const other = natWorld(dataplane, family === 'IPv4' ? 'IPv6' : 'IPv4', 'UDP');
    nameBox(other);
    expectPacket(t, dataplane.send(packet), 'tx', expected);
  });

  test.serial(
    `UDP to a port that nobody serves, or no backend takes: unreachable (${family})`,
    (t) => {
      const world = natWorld(dataplane, family, 'UDP');
      const vip = family === 'IPv4' ? world.vip : `[${world.vip}]`;
      const packet = world.request({ to: `${vip}:54`, payload: 'anybody?' });
      const fields = { from: world.vip, ...PORT[family] };
      expectPacket(t, dataplane.send(packet), 'tx', error(world, packet, fields));
      natWorld(dataplane, family, 'UDP', { active: false });
      const served = world.request();
      expectPacket(t, dataplane.send(served), 'tx', error(world, served, fields));
      t.deepEqual(dataplane.counters(), { drop_no_port: 1, drop_no_backend: 1, icmp_sent: 2 });
    },
  );

  test.serial(`a protocol that nobody serves is said to be none (${family})`, (t) => {
    const world = natWorld(dataplane, family, 'UDP');
    const packet = ip({ from: world.client, to: world.vip, payload: 'sctp' }, 132);
    const unknown =
      family === 'IPv4' ? { type: 3, code: 2 } : { type: 4, code: 1, info: 6 /* next header */ };
    expectPacket(
      t,
      dataplane.send(packet),
      'tx',
      error(world, packet, { from: world.vip, ...unknown }),
    );
  });

  test.serial(`VLAN tags stay on a packet's error (${family})`, (t) => {
    const world = natWorld(dataplane, family, 'UDP');
    for (const vlans of [[{ id: 7, priority: 3 }], [{ id: 8, service: true }, { id: 9 }]]) {
      const packet = world.request({ ttl: 1, vlans, payload: 'tagged' });
      const payload = quoteOf(packet.slice(vlans.length * 4));
      const fields = { from: world.vip, vlans, payload, ...TIME_EXCEEDED[family] };
      expectPacket(t, dataplane.send(packet), 'tx', error(world, packet, fields));
    }
  });

  test.serial(`what may not be answered is dropped in silence (${family})`, (t) => {
    const world = natWorld(dataplane, family, 'UDP');
    const sources =
      family === 'IPv4'
        ? [
            '0.0.0.0',
            '0.1.2.3',
            '169.254.0.9',
            world.vip,
            '127.0.0.1',
            '224.0.0.1',
            '239.1.1.1',
            '240.0.0.1',
            '255.255.255.255',
          ]
        : ['::', '::1', 'fe80::9', 'ff02::1', 'ffff::1', world.vip];
    for (const source of sources) {
      const from = source.includes(':') ? `[${source}]:9` : `${source}:9`;
      const packet = world.request({ from, ttl: 1 });
      expectPacket(t, dataplane.send(packet), 'drop', packet);
    }
    t.deepEqual(dataplane.counters(), { drop_ttl: sources.length });
  });

  test.serial(`without the setting, unserved ports and protocols are silent (${family})`, (t) => {
    dataplane.reset();
    const world = natWorld(dataplane, family, 'UDP', { active: false });
    const sctp = ip({ from: world.client, to: world.vip, payload: 'sctp' }, 132);
    for (const packet of [world.request(), sctp]) {
      expectPacket(t, dataplane.send(packet), 'drop', packet);
    }
    t.deepEqual(dataplane.counters(), { drop_no_backend: 1, drop_no_port: 1 });
  });
}

test.serial('IPv4 without "don\'t fragment" is told the MTU as well', (t) => {
  const world = natWorld(dataplane, 'IPv4', 'UDP', { mtu: 1400 });
  const packet = world.request({ payload: 'x'.repeat(1400) });
  packet[20] = 0; // flags
  packet[24] = (packet[24] ?? 0) + 0x40; // its checksum
  const expected = error(world, packet, { from: world.vip, ...tooBig('IPv4', 1400) });
  expectPacket(t, dataplane.send(packet), 'tx', expected);
});

test.serial(
  'an IPv6 header behind others is pointed at, and "no next header" is no problem',
  (t) => {
    const world = natWorld(dataplane, 'IPv6', 'UDP');
    const options = { header: 60, rest: new Uint8Array([0, 1, 4, 0, 0, 0, 0]) };
    const fields = { from: world.client, to: world.vip, payload: 'x' };
    for (const [extensions, pointer] of [
      [[options], 40],
      [[options, options], 48],
    ] as const) {
      const packet = ip({ ...fields, extensions }, 132);
      const expected = error(world, packet, { from: world.vip, type: 4, code: 1, info: pointer });
      expectPacket(t, dataplane.send(packet), 'tx', expected);
    }
    const none = ip({ ...fields, extensions: [options] }, 59);
    expectPacket(t, dataplane.send(none), 'drop', none);
  },
);

test.serial(
  'no error about a fragment to a port that nobody serves, an ICMP error or a broadcast',
  (t) => {
    const world = natWorld(dataplane, 'IPv4', 'UDP');
    const later = world.request({ to: `${world.vip}:54`, fragment: { offset: 9, more: false } });
    t.is(dataplane.send(later).verdict, 'drop');
    const about = quoteOf(world.request({ from: `${world.vip}:1`, to: `${world.client}:9` }));
    for (const [type, ttl] of [
      [3, 1],
      [3, 64],
      [99, 1],
    ] as const) {
      const packet = icmp({ from: world.client, to: world.vip, type, ttl, payload: about });
      expectPacket(t, dataplane.send(packet), 'drop', packet);
    }
    const broadcast = world.request({ ttl: 1, dstMac: 'ff:ff:ff:ff:ff:ff' });
    expectPacket(t, dataplane.send(broadcast), 'pass', broadcast);
    t.is(dataplane.counters()['icmp_sent'], undefined);
  },
);

test.serial('IPv4 options are quoted with the packet', (t) => {
  const world = natWorld(dataplane, 'IPv4', 'UDP');
  const ipOptions = new Uint8Array([7, 7, 4, 0, 0, 0, 0, 0]);
  const packet = world.request({ ttl: 1, ipOptions, payload: 'data' });
  const expected = error(world, packet, { from: world.vip, ...TIME_EXCEEDED.IPv4 });
  expectPacket(t, dataplane.send(packet), 'tx', expected);
});

test.serial('padding is not quoted', (t) => {
  const world = natWorld(dataplane, 'IPv4', 'UDP');
  const packet = world.request({ ttl: 1, payload: 'abc' });
  const padded = world.request({ ttl: 1, payload: 'abc', padding: 15 });
  const expected = error(world, packet, { from: world.vip, ...TIME_EXCEEDED.IPv4 });
  expectPacket(t, dataplane.send(padded), 'tx', expected);
});

test.serial('replies stop at their limit, and are counted as withheld', (t) => {
  dataplane.reset({ flags: REJECT, replies_per_s: 40 });
  const world = natWorld(dataplane, 'IPv4', 'UDP');
  const packet = udp({ from: `${world.client}:9`, to: `${world.vip}:54` });
  const verdicts = Array.from({ length: 100 }, () => dataplane.send(packet).verdict);
  const sent = verdicts.filter((verdict) => verdict === 'tx').length;
  // A quarter of a second's worth at once, each CPU; some more while the test takes its time.
  t.true(sent >= 10 && sent <= 60, `${sent}`);
  t.deepEqual(dataplane.counters(), {
    drop_no_port: 100,
    icmp_sent: sent,
    reply_withheld: 100 - sent,
  });
  dataplane.reset({ flags: REJECT, replies_per_s: 0 });
  natWorld(dataplane, 'IPv4', 'UDP');
  expectPacket(t, dataplane.send(packet), 'drop', packet);
});
