import test, { type ExecutionContext } from 'ava';
import { dataplaneAbi } from '../../src/system/bpf.ts';
import { be16, expectPacket, NAT_V4, NAT_V6, openDataplane } from '../support/dataplane-fixture.ts';
import { invariantBreaches } from '../support/flow-invariants.ts';
import { fragmentsOf } from '../support/fragments.ts';
import { createMutator } from '../support/mutate.ts';
import { type Extension, icmp, tcp, udp, type Vlan } from '../support/packet.ts';
import { packetSums } from '../support/packet-sums.ts';

const { structs } = dataplaneAbi();
const dataplane = openDataplane({ flows: 65_536, reverse: 131_072 });
const ROUNDS = 20_000;
const LONGER = 64;

const OPTIONS = new Uint8Array([7, 7, 4, 0, 0, 0, 0, 1]);
const PADDING: Extension = { header: 60, rest: new Uint8Array([0, 1, 4, 0, 0, 0, 0]) };
const ROUTE: Extension = { header: 43, rest: new Uint8Array([0, 4, 0, 0, 0, 0, 0]) };
const TAGS: readonly Vlan[] = [
  { id: 100, service: true },
  { id: 7, priority: 5 },
];

const V4 = { from: '198.51.100.7:50123', payload: 'some data' };
const V6 = { from: '[2001:db8:77::7]:50123', payload: 'some data' };

function setUp(): void {
  // What it says itself has tests of its own: no errors, and room, so that it sends no cookies.
  dataplane.reset({ replies_per_s: 0, nat_port_first: 10_000, nat_port_last: 59_999 });
  const servers = [
    ['192.0.2.10', '10.1.0.5', 80, 'tcp'],
    ['192.0.2.10', '10.1.0.5', 53, 'udp'],
    ['2001:db8::10', 'fd01::5', 80, 'tcp'],
    ['2001:db8::10', 'fd01::5', 53, 'udp'],
  ] as const;
  servers.forEach(([vip, address, port, protocol], i) => {
    dataplane.backend({ index: i + 1, address, port: 8080 + i, server: i + 1 });
    dataplane.server({ index: i + 1, vip, port, protocol, ring: [i + 1] });
  });
  // One of each family behind a VLAN.
  const memory = new Uint8Array(dataplane.map('backends').mapped());
  const { size = 0, offsets } = structs['tg_backend'] ?? {};
  for (const index of [1, 4]) memory.set(be16(9), index * size + (offsets?.['vlan'] ?? 0));
}

/** Packets of every kind there is, to the VIPs and to the NAT ports they were given. */
function seeds(): Uint8Array[] {
  const requests = [
    tcp({ ...V4, to: '192.0.2.10:80', flags: 'S' }),
    tcp({ ...V4, to: '192.0.2.10:80', flags: 'S', vlans: TAGS, ipOptions: OPTIONS }),
    udp({ ...V4, to: '192.0.2.10:53', padding: 7 }),
    udp({ ...V4, to: '192.0.2.10:53', noChecksum: true, vlans: TAGS.slice(1) }),
    tcp({ ...V6, to: '[2001:db8::10]:80', flags: 'S' }),
    tcp({ ...V6, to: '[2001:db8::10]:80', flags: 'S', extensions: [PADDING, ROUTE, PADDING] }),
    udp({ ...V6, to: '[2001:db8::10]:53', vlans: TAGS, extensions: [PADDING] }),
    icmp({ from: '198.51.100.7', to: '192.0.2.10', type: 8, payload: 'ping' }),
    icmp({ from: '2001:db8:77::7', to: '2001:db8::10', type: 128, vlans: TAGS }),
  ];
  for (const request of requests) dataplane.send(request);
  const answers = dataplane.flows().map(({ backend, natPort }) => {
    const six = backend > 2;
    const from = six ? `[fd01::5]:${8079 + backend}` : `10.1.0.5:${8079 + backend}`;
    const to = six ? `[${NAT_V6}]:${natPort}` : `${NAT_V4}:${natPort}`;
    return (backend % 2 ? tcp : udp)({ from, to, flags: 'SA', payload: 'an answer' });
  });
  const long = { payload: new Uint8Array(100).fill(0x5a) };
  const fragments = [
    udp({ ...V4, to: '192.0.2.10:53', ...long }),
    udp({ ...V6, to: '[2001:db8::10]:53', ...long }),
    tcp({ ...V4, to: '192.0.2.10:80', flags: 'S', ...long }),
  ].flatMap((whole) => fragmentsOf(whole, 48, 77));
  return [...requests, ...answers, ...fragments];
}

/** What holds of every packet, however broken. */
function check(t: ExecutionContext, packet: Uint8Array): string {
  const got = dataplane.send(packet);
  const hex = Buffer.from(packet).toString('hex');
  t.not(got.verdict, 'aborted', hex);
  if (got.verdict !== 'tx') {
    expectPacket(t, got, got.verdict, packet);
    return got.verdict;
  }
  const before = packetSums(packet);
  const after = packetSums(got.packet);
  if (before === undefined || after === undefined) {
    t.fail(hex);
    return 'unreadable';
  }
  const tagBytes = 4 * (after.tags - before.tags);
  t.is(got.packet.length, packet.length + tagBytes, hex);
  const { header, transport, size } = before;
  const echo = after.ttl === 64 && before.rest === after.rest;
  t.true(after.ttl === before.ttl - 1 || echo, hex);
  t.like(after, { header, transport, size, rest: before.rest }, hex);
  return 'tx';
}

test.serial('every kind of packet is forwarded whole', (t) => {
  setUp();
  for (const packet of seeds()) {
    t.is(check(t, packet), 'tx', Buffer.from(packet).toString('hex'));
    t.is((packetSums(packet)?.header ?? 1) % 0xffff, 0);
  }
  t.deepEqual(invariantBreaches(dataplane), []);
});

test.serial('damaged packets are left alone or forwarded whole, and keep the table sound', (t) => {
  setUp();
  const originals = seeds();
  const { mutate, random } = createMutator(20_261_121);
  const verdicts = new Map<string, number>();
  for (let round = 0; round < ROUNDS; round++) {
    const original = originals[random(originals.length)] ?? new Uint8Array();
    const into = new Uint8Array(original.length + LONGER);
    const length = Math.max(mutate(original, into), 14);
    const verdict = check(t, into.slice(0, length));
    verdicts.set(verdict, (verdicts.get(verdict) ?? 0) + 1);
  }
  for (const verdict of ['tx', 'drop', 'pass']) t.true((verdicts.get(verdict) ?? 0) > ROUNDS / 50);
  t.deepEqual(invariantBreaches(dataplane), []);
});
