import test from 'ava';
import fc from 'fast-check';
import { dataplaneAbi } from '../../src/system/bpf.ts';
import { expectPacket, openDataplane } from '../support/dataplane-fixture.ts';
import { at, FAMILIES, type NatWorld, natWorld, TO_CLIENT } from '../support/nat-world.ts';
import { ip, type PacketFields, tcp } from '../support/packet.ts';

/** TCP resets of our own: RFC 9293, section 3.10.7.1. */
const dataplane = openDataplane();
const { constants } = dataplaneAbi();
const REJECT = constants['TG_CONFIG_REJECT_UNSERVED'] ?? 0;
const UNKNOWN = constants['TG_CONFIG_RESET_UNKNOWN'] ?? 0;
const CLOSING = constants['TG_FLOW_CLOSING'] ?? 0;
test.beforeEach(() => dataplane.reset({ flags: REJECT | UNKNOWN }));

/** The reset that answers a segment to the VIP's port. */
function reset(world: NatWorld, port: number, fields: Partial<PacketFields>): Uint8Array {
  return tcp({
    from: at(world.vip, port),
    to: at(world.client, 50123),
    id: 0,
    flowLabel: 0,
    window: 0,
    ttl: 64,
    ...TO_CLIENT,
    ...fields,
  });
}

/** What comes to a port that nobody serves, and the numbers of the reset. */
const SEGMENTS: ReadonlyArray<readonly [string, Partial<PacketFields>, Partial<PacketFields>]> = [
  ['SYN', { flags: 'S', seq: 1000, ack: 0 }, { flags: 'RA', seq: 0, ack: 1001 }],
  [
    'SYN with data',
    { flags: 'S', seq: 1000, ack: 7, payload: 'fast' },
    { flags: 'RA', seq: 0, ack: 1005 },
  ],
  ['data without ACK', { flags: 'P', seq: 9, payload: 'abc' }, { flags: 'RA', seq: 0, ack: 12 }],
  ['FIN without ACK', { flags: 'F', seq: 2 ** 32 - 1 }, { flags: 'RA', seq: 0, ack: 0 }],
  ['no flag at all', { flags: '', seq: 44 }, { flags: 'RA', seq: 0, ack: 44 }],
  ['ACK', { flags: 'A', seq: 1001, ack: 5001 }, { flags: 'R', seq: 5001, ack: 0 }],
  [
    'data',
    { flags: 'PA', seq: 1001, ack: 2 ** 32 - 1, payload: 'GET /' },
    { flags: 'R', seq: 2 ** 32 - 1, ack: 0 },
  ],
  ['SYN-ACK', { flags: 'SA', seq: 1001, ack: 77 }, { flags: 'R', seq: 77, ack: 0 }],
  ['FIN', { flags: 'FA', seq: 1001, ack: 5001 }, { flags: 'R', seq: 5001, ack: 0 }],
];

for (const family of FAMILIES) {
  for (const [name, segment, answer] of SEGMENTS) {
    test.serial(`${name} to a port that nobody serves is reset (${family})`, (t) => {
      const world = natWorld(dataplane, family, 'TCP');
      const packet = world.request({ to: at(world.vip, 81), ...segment });
      expectPacket(t, dataplane.send(packet), 'tx', reset(world, 81, answer));
      t.deepEqual(dataplane.counters(), { drop_no_port: 1, reset_sent: 1 });
    });
  }

  test.serial(`a connection that no flow knows is reset, by setting (${family})`, (t) => {
    const world = natWorld(dataplane, family, 'TCP');
    const packet = world.request({ seq: 1001, ack: 5001, payload: 'hello' });
    const expected = reset(world, 80, { flags: 'R', seq: 5001, ack: 0 });
    expectPacket(t, dataplane.send(packet), 'tx', expected);
    t.deepEqual(dataplane.counters(), { drop_no_flow: 1, reset_sent: 1 });
    dataplane.reset({ flags: REJECT });
    natWorld(dataplane, family, 'TCP');
    expectPacket(t, dataplane.send(packet), 'drop', packet);
    t.deepEqual(dataplane.counters(), { drop_no_flow: 1 });
  });

  test.serial(`a SYN to a port without backends is refused, by setting (${family})`, (t) => {
    const world = natWorld(dataplane, family, 'TCP', { active: false });
    const packet = world.request({ flags: 'S', seq: 1000 });
    const expected = reset(world, 80, { flags: 'RA', seq: 0, ack: 1001 });
    expectPacket(t, dataplane.send(packet), 'tx', expected);
    t.deepEqual(dataplane.counters(), { drop_no_backend: 1, reset_sent: 1 });
    dataplane.reset({ flags: UNKNOWN });
    natWorld(dataplane, family, 'TCP', { active: false });
    expectPacket(t, dataplane.send(packet), 'drop', packet);
  });

  test.serial(`a reset never answers a reset (${family})`, (t) => {
    const world = natWorld(dataplane, family, 'TCP');
    for (const port of [80, 81]) {
      for (const flags of ['R', 'RA', 'SR']) {
        const packet = world.request({ to: at(world.vip, port), flags });
        expectPacket(t, dataplane.send(packet), 'drop', packet);
      }
    }
    t.deepEqual(dataplane.counters(), { drop_no_flow: 3, drop_no_port: 3 });
  });

  test.serial(`a reset has neither options nor padding, and its VLAN tags (${family})`, (t) => {
    const world = natWorld(dataplane, family, 'TCP');
    const vlans = [{ id: 7, priority: 2 }];
    const extra =
      family === 'IPv4'
        ? { ipOptions: new Uint8Array([1, 1, 1, 0]) }
        : { extensions: [{ header: 60, rest: new Uint8Array([0, 1, 4, 0, 0, 0, 0]) }] };
    const packet = world.request({
      flags: 'S',
      seq: 5,
      to: at(world.vip, 81),
      vlans,
      padding: 9,
      ...extra,
    });
    const expected = reset(world, 81, { flags: 'RA', seq: 0, ack: 6, vlans });
    expectPacket(t, dataplane.send(packet), 'tx', expected);
  });

  test.serial(`a source that is nobody's or everybody's gets no reset (${family})`, (t) => {
    const world = natWorld(dataplane, family, 'TCP');
    const sources =
      family === 'IPv4' ? ['0.0.0.0', '127.0.0.1', '224.0.0.1'] : ['::', '::1', 'ff02::1'];
    for (const source of sources) {
      const packet = world.request({ from: at(source, 9), to: at(world.vip, 81), flags: 'S' });
      expectPacket(t, dataplane.send(packet), 'drop', packet);
    }
    t.deepEqual(dataplane.counters(), { drop_no_port: 3 });
  });

  test.serial(
    `a dead backend's client is reset, and its next SYN finds another (${family})`,
    (t) => {
      const dead = { active: false, dead: true, counted: true };
      const world = natWorld(dataplane, family, 'TCP', { counted: true }, { resetDead: true });
      world.open();
      natWorld(dataplane, family, 'TCP', dead, { resetDead: true });
      const packet = world.request({ seq: 1001, ack: 5001, payload: 'still there?' });
      const expected = reset(world, 80, { flags: 'R', seq: 5001, ack: 0 });
      expectPacket(t, dataplane.send(packet), 'tx', expected);
      t.is(dataplane.flows()[0]?.state, CLOSING);
      t.is(openFlows(), 0);
      t.like(dataplane.counters(), { drop_backend_dead: 1, reset_sent: 1 });
      expectPacket(t, dataplane.send(packet), 'tx', expected);
      t.is(openFlows(), 0);

      const address = family === 'IPv4' ? '10.1.0.6' : 'fd01::6';
      natWorld(dataplane, family, 'TCP', { index: 2, address }, { resetDead: true, ring: [2] });
      natWorld(dataplane, family, 'TCP', dead, { resetDead: true, ring: [2] });
      const again = { flags: 'S', seq: 9000 };
      const got = dataplane.send(world.request(again));
      expectPacket(t, got, 'tx', world.forwarded({ ...again, to: at(address, 8080) }));
      t.is(dataplane.flows()[0]?.backend, 2);
    },
  );

  test.serial(
    `a dead backend's flows are left alone without the Service's wish (${family})`,
    (t) => {
      const world = natWorld(dataplane, family, 'TCP');
      world.open();
      natWorld(dataplane, family, 'TCP', { active: false, dead: true });
      const fields = { seq: 1001, ack: 5001 };
      expectPacket(t, dataplane.send(world.request(fields)), 'tx', world.forwarded(fields));
    },
  );

  test.serial(`a client's own reset still goes to a dead backend (${family})`, (t) => {
    const world = natWorld(dataplane, family, 'TCP', {}, { resetDead: true });
    world.open();
    natWorld(dataplane, family, 'TCP', { active: false, dead: true }, { resetDead: true });
    const fields = { seq: 1001, flags: 'R' };
    expectPacket(t, dataplane.send(world.request(fields)), 'tx', world.forwarded(fields));
  });

  test.serial(`a flow whose reset is withheld stays as it is (${family})`, (t) => {
    dataplane.reset({ replies_per_s: 0 });
    const world = natWorld(dataplane, family, 'TCP', {}, { resetDead: true });
    world.open();
    const before = dataplane.flows();
    natWorld(dataplane, family, 'TCP', { active: false, dead: true }, { resetDead: true });
    const packet = world.request({ seq: 1001, ack: 5001 });
    expectPacket(t, dataplane.send(packet), 'drop', packet);
    t.deepEqual(dataplane.flows(), before);
    t.like(dataplane.counters(), { drop_backend_dead: 1, reply_withheld: 1 });
  });
}

test.serial('whatever TCP bytes come to an unserved port: a whole reset, or silence', (t) => {
  const worlds = FAMILIES.map((family) => natWorld(dataplane, family, 'TCP'));
  fc.assert(
    fc.property(
      fc.constantFrom(...worlds),
      fc.uint8Array({ maxLength: 60 }),
      fc.boolean(),
      (world, payload, whole) => {
        const { client: from, vip: to } = world;
        const segment = tcp({ from: at(from, 1), to: at(to, 81), payload }).slice(
          world.family === 'IPv4' ? 34 : 54,
        );
        const bytes = whole ? segment : payload;
        const got = dataplane.send(ip({ from, to, payload: bytes }, 6));
        t.true(got.verdict === 'tx' || got.verdict === 'drop', got.verdict);
        if (got.verdict !== 'tx') return;
        t.is(got.packet.length, world.family === 'IPv4' ? 54 : 74);
      },
    ),
    { numRuns: 1000 },
  );
});

/** Flows of backend 1 that are open, as the scheduler `least` sees them. */
function openFlows(): number {
  return Number(new BigInt64Array(dataplane.map('backend_flows').mapped())[1]);
}
