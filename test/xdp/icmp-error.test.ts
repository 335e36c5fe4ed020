import test from 'ava';
import { dataplaneAbi } from '../../src/system/bpf.ts';
import { encodeStruct, expectPacket, openDataplane, u32 } from '../support/dataplane-fixture.ts';
import { aboutAnswer, aboutRequest, anyError, ICMP_ERRORS } from '../support/icmp-errors.ts';
import {
  at,
  FAMILIES,
  FROM_BACKEND,
  natWorld,
  quoteOf,
  TO_CLIENT,
  TRANSPORTS,
} from '../support/nat-world.ts';
import { icmp, tcp } from '../support/packet.ts';

/**
 * ICMP errors about packets of a flow. From the client's side they come to the VIP and quote what
 * we returned; from the backend's side they come to the NAT address and quote what we forwarded.
 */
const dataplane = openDataplane();
test.beforeEach(() => dataplane.reset());

for (const family of FAMILIES) {
  for (const transport of TRANSPORTS) {
    for (const [name, error] of ICMP_ERRORS[family]) {
      test.serial(`${name} reaches who sent the packet (${transport} over ${family})`, (t) => {
        const world = natWorld(dataplane, family, transport);
        world.open();
        const before = dataplane.flows();
        dataplane.age(1);
        const { sent, got } = aboutAnswer(world, error);
        expectPacket(t, dataplane.send(sent()), 'tx', got());
        const back = aboutRequest(world, error);
        expectPacket(t, dataplane.send(back.sent()), 'tx', back.got());
        t.like(dataplane.counters(), { icmp_forwarded: 1, icmp_returned: 1 });
        t.deepEqual(dataplane.flows(), before);
        t.is(dataplane.counters()['forwarded'], transport === 'TCP' ? 2 : 1);
      });
    }

    test.serial(`checksums are right however much is quoted (${transport} over ${family})`, (t) => {
      const world = natWorld(dataplane, family, transport);
      world.open();
      const error = anyError(family);
      const header = family === 'IPv4' ? 20 : 40;
      for (let bytes = header + 8; bytes <= header + 24; bytes++) {
        // Half of TCP's checksum cannot be made right, and stays as it is.
        if (transport === 'TCP' && bytes === header + 17) continue;
        const { sent, got } = aboutAnswer(world, error, bytes);
        expectPacket(t, dataplane.send(sent()), 'tx', got());
        const back = aboutRequest(world, error, bytes);
        expectPacket(t, dataplane.send(back.sent()), 'tx', back.got());
      }
    });
  }

  test.serial(`less than eight bytes of the transport say nothing (${family})`, (t) => {
    const world = natWorld(dataplane, family, 'TCP');
    world.open();
    const error = anyError(family);
    for (let bytes = 0; bytes < (family === 'IPv4' ? 28 : 48); bytes++) {
      const packet = aboutAnswer(world, error, bytes).sent({ padding: 20 });
      expectPacket(t, dataplane.send(packet), 'drop', packet);
      const back = aboutRequest(world, error, bytes).sent({ padding: 20 });
      expectPacket(t, dataplane.send(back), 'pass', back);
      t.like(dataplane.counters(), { drop_malformed: bytes + 1, passed: bytes + 1 });
    }
  });

  test.serial(
    `a TCP sequence number that cannot be the flow's is not believed (${family})`,
    (t) => {
      const world = natWorld(dataplane, family, 'TCP');
      world.open();
      const error = anyError(family);
      const router = { from: world.outerRouter, to: world.vip, ...error };
      const inner = { from: world.innerRouter, to: world.nat, ...FROM_BACKEND, ...error };
      const MiB = 2 ** 20;
      // Seen from the last one noted: 5001 of the backend, 1001 of the client.
      for (const [ahead, good] of [
        [0, true],
        [MiB / 4, true],
        [MiB, false],
        [2 ** 31, false],
        [-64 * MiB, true],
        [-65 * MiB, false],
      ] as const) {
        const about = quoteOf(world.returned({ seq: (5001 + ahead) >>> 0 }));
        t.is(dataplane.send(icmp({ ...router, payload: about })).verdict, good ? 'tx' : 'drop');
        const aboutOther = quoteOf(world.forwarded({ seq: (1001 + ahead) >>> 0 }));
        t.is(dataplane.send(icmp({ ...inner, payload: aboutOther })).verdict, good ? 'tx' : 'pass');
      }
      t.is(dataplane.counters()['drop_icmp_unmatched'], 3);
    },
  );

  test.serial(
    `a SYN that is refused on the way is told, its answer before it came not (${family})`,
    (t) => {
      const world = natWorld(dataplane, family, 'TCP');
      const error = anyError(family);
      dataplane.send(world.request({ flags: 'S', seq: 1000 }));
      const syn = { flags: 'S', seq: 1000 };
      const sent = icmp({
        from: world.innerRouter,
        to: world.nat,
        payload: quoteOf(world.forwarded(syn)),
        ...FROM_BACKEND,
        ...error,
      });
      const got = icmp({
        from: world.vip,
        to: world.client,
        payload: quoteOf(world.request({ ...syn, ttl: 63 })),
        ttl: 63,
        ...TO_CLIENT,
        ...error,
      });
      expectPacket(t, dataplane.send(sent), 'tx', got);
      const early = aboutAnswer(world, error).sent();
      expectPacket(t, dataplane.send(early), 'drop', early);
      t.is(dataplane.counters()['drop_icmp_unmatched'], 1);
    },
  );

  test.serial(`numbers of a flow that a SYN cookie opened are shifted (${family})`, (t) => {
    const world = natWorld(dataplane, family, 'TCP');
    world.open();
    const shift = 0x1000_0000;
    proxied(shift);
    const error = anyError(family);
    const seen = { seq: 5001 + shift, ack: 1001, payload: 'data' };
    const sent = icmp({
      from: world.outerRouter,
      to: world.vip,
      payload: quoteOf(world.returned(seen)),
      ...error,
    });
    expectPacket(t, dataplane.send(sent), 'tx', aboutAnswer(world, error).got());
    const asked = { seq: 1001, ack: 5001 + shift, payload: 'data', ttl: 63 };
    const got = icmp({
      from: world.vip,
      to: world.client,
      payload: quoteOf(world.request(asked)),
      ttl: 63,
      ...TO_CLIENT,
      ...error,
    });
    expectPacket(t, dataplane.send(aboutRequest(world, error).sent()), 'tx', got);
  });

  test.serial(`an error is about the packets of one flow only (${family})`, (t) => {
    const world = natWorld(dataplane, family, 'UDP');
    world.open();
    const error = anyError(family);
    const { client, vip, backend, nat } = world;
    const natPort = world.natPort();
    const outside = { from: world.outerRouter, to: vip, ...error };
    const inside = { from: world.innerRouter, to: nat, ...FROM_BACKEND, ...error };
    const strangers = [
      { from: at(vip, 54), to: at(client, 50123) },
      { from: at(vip, 53), to: at(client, 50124) },
      { from: at(vip, 53), to: at(backend, 50123) },
      { from: at(client, 53), to: at(client, 50123) },
    ];
    for (const fields of strangers) {
      const packet = icmp({ ...outside, payload: quoteOf(world.returned(fields)) });
      expectPacket(t, dataplane.send(packet), 'drop', packet);
    }
    const asTcp = tcp({ from: at(vip, 53), to: at(client, 50123) });
    const packet = icmp({ ...outside, payload: quoteOf(asTcp) });
    expectPacket(t, dataplane.send(packet), 'drop', packet);
    t.is(dataplane.counters()['drop_icmp_unmatched'], 5);

    for (const fields of [
      { from: at(nat, natPort + 1) },
      { to: at(backend, 8081) },
      { to: at(client, 8080) },
      { from: at(vip, natPort) },
    ]) {
      const stranger = icmp({ ...inside, payload: quoteOf(world.forwarded(fields)) });
      expectPacket(t, dataplane.send(stranger), 'pass', stranger);
    }
    t.is(dataplane.counters()['passed'], 4);
  });

  test.serial(`an error keeps VLAN tags as its flow's packets have them (${family})`, (t) => {
    const world = natWorld(dataplane, family, 'UDP');
    const vlans = [{ id: 7 }];
    dataplane.send(world.request({ vlans }));
    dataplane.send(world.answer());
    const error = anyError(family);
    const { sent, got } = aboutAnswer(world, error);
    expectPacket(t, dataplane.send(sent({ vlans })), 'tx', got());
    const back = aboutRequest(world, error);
    expectPacket(t, dataplane.send(back.sent()), 'tx', back.got({ vlans }));
  });

  test.serial(
    `an error whose TTL is used up goes no further, and nobody is told (${family})`,
    (t) => {
      const world = natWorld(dataplane, family, 'TCP');
      world.open();
      const error = anyError(family);
      for (const about of [aboutAnswer, aboutRequest]) {
        const packet = about(world, error).sent({ ttl: 1 });
        expectPacket(t, dataplane.send(packet), 'drop', packet);
      }
      t.is(dataplane.counters()['drop_ttl'], 2);
    },
  );
}

test.serial('a wrong ICMP checksum stays wrong, for its receiver to see', (t) => {
  for (const family of FAMILIES) {
    const world = natWorld(dataplane, family, 'TCP');
    world.open();
    const error = anyError(family);
    const { sent, got } = aboutAnswer(world, error);
    const [damaged, expected] = [sent(), got()];
    for (const packet of [damaged, expected]) packet[packet.length - 1] = 0xff;
    expectPacket(t, dataplane.send(damaged), 'tx', expected);
    dataplane.reset();
  }
});

test.serial('errors that end hosts do not act upon stay dropped', (t) => {
  for (const [family, types] of [
    ['IPv4', [4, 5]],
    ['IPv6', [5, 100, 127]],
  ] as const) {
    const world = natWorld(dataplane, family, 'TCP');
    world.open();
    for (const type of types) {
      const packet = aboutAnswer(world, { type, code: 1 }).sent();
      expectPacket(t, dataplane.send(packet), 'drop', packet);
      const back = aboutRequest(world, { type, code: 1 }).sent();
      expectPacket(t, dataplane.send(back), 'pass', back);
    }
  }
  t.is(dataplane.counters()['drop_icmp'], 5);
});

/** Marks the only flow as opened by a SYN cookie. */
function proxied(shift: number): void {
  const { constants, structs } = dataplaneAbi();
  const [flow] = dataplane.flows();
  const index = flow?.index ?? 0;
  const flows = new Uint8Array(dataplane.map('flows').mapped());
  const at = index * (structs['tg_flow']?.size ?? 0) + (structs['tg_flow']?.offsets['flags'] ?? 0);
  flows[at] = (flow?.flags ?? 0) | (constants['TG_FLOW_PROXIED'] ?? 0);
  dataplane.map('offsets').update(u32(index), encodeStruct('tg_offset', { sequence: shift }));
}
