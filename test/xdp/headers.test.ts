import test, { type ExecutionContext } from 'ava';
import {
  BACKEND_MAC,
  EDGE_BACKEND_MAC,
  expectPacket,
  NAT_V4,
  NAT_V6,
  openDataplane,
} from '../support/dataplane-fixture.ts';
import {
  CLIENT_MAC,
  EDGE_MAC,
  type Extension,
  ip,
  type PacketFields,
  tcp,
  udp,
} from '../support/packet.ts';

const dataplane = openDataplane();

test.beforeEach(() => {
  dataplane.reset();
  dataplane.backend({ index: 1, address: '10.1.0.5', port: 8080, server: 1 });
  dataplane.backend({ index: 2, address: 'fd01::5', port: 8080, server: 2 });
  dataplane.backend({ index: 3, address: 'fd01::5', port: 5353, server: 3 });
  dataplane.server({ index: 1, vip: '192.0.2.10', port: 80, protocol: 'tcp', ring: [1] });
  dataplane.server({ index: 2, vip: '2001:db8::10', port: 80, protocol: 'tcp', ring: [2] });
  dataplane.server({ index: 3, vip: '2001:db8::10', port: 53, protocol: 'udp', ring: [3] });
});

const V4 = { from: '198.51.100.7:50123', to: '192.0.2.10:80', flags: 'S', payload: 'data' };
const V6 = { from: '[2001:db8:77::7]:50123', to: '[2001:db8::10]:80', flags: 'S', payload: 'data' };
const TO_BACKEND = { srcMac: EDGE_BACKEND_MAC, dstMac: BACKEND_MAC, ttl: 63 };
const FROM_BACKEND = { srcMac: BACKEND_MAC, dstMac: EDGE_BACKEND_MAC };
const TO_CLIENT = { srcMac: EDGE_MAC, dstMac: CLIENT_MAC, ttl: 63 };
const natPort = () => dataplane.flows()[0]?.natPort ?? 0;

/** Forwarded as it is, but for what NAT changes; its answer alike. */
function expectBothWays(t: ExecutionContext, fields: Partial<PacketFields>): void {
  const six = fields.extensions !== undefined;
  const request = tcp({ ...(six ? V6 : V4), ...fields });
  const backend = six ? '[fd01::5]:8080' : '10.1.0.5:8080';
  const nat = () => `${six ? `[${NAT_V6}]` : NAT_V4}:${natPort()}`;
  const got = dataplane.send(request);
  const forwarded = { ...V4, from: nat(), to: backend, ...TO_BACKEND, ...fields };
  expectPacket(t, got, 'tx', tcp(forwarded));
  const { from: client, to: vip } = six ? V6 : V4;
  const answer = { from: backend, to: nat(), flags: 'SA', ...FROM_BACKEND, ...fields };
  const returned = { from: vip, to: client, flags: 'SA', ...TO_CLIENT, ...fields };
  expectPacket(t, dataplane.send(tcp(answer)), 'tx', tcp(returned));
  t.deepEqual(dataplane.counters(), { flow_created: 1, forwarded: 1, returned: 1 });
}

function expectDrop(t: ExecutionContext, packet: Uint8Array, reason: string): void {
  expectPacket(t, dataplane.send(packet), 'drop', packet);
  t.deepEqual(dataplane.counters(), { [`drop_${reason}`]: 1 });
  t.deepEqual(dataplane.flows(), []);
}

const bytes = (...values: number[]) => new Uint8Array(values);

const KEPT_OPTIONS: ReadonlyArray<readonly [string, Uint8Array]> = [
  ['record route', bytes(7, 7, 4, 0, 0, 0, 0, 0)],
  ['router alert', bytes(148, 4, 0, 0)],
  ['no operation only', bytes(1, 1, 1, 1)],
  ['an option behind no operation', bytes(1, 1, 148, 4, 0, 0, 1, 0)],
  ['as many as there is room for', new Uint8Array(40).fill(1)],
  ['an option of 40 bytes', bytes(68, 40, ...new Uint8Array(38))],
  ['nothing behind the end', bytes(0, 131, 3, 4)],
  ['an unknown option', bytes(200, 4, 9, 9)],
];
for (const [name, ipOptions] of KEPT_OPTIONS)
  test.serial(`IPv4 options are kept: ${name}`, (t) => expectBothWays(t, { ipOptions }));

const BAD_OPTIONS: ReadonlyArray<readonly [string, Uint8Array, string]> = [
  ['a loose source route', bytes(131, 7, 4, 10, 1, 0, 9, 0), 'source_route'],
  ['a strict source route', bytes(137, 7, 4, 10, 1, 0, 9, 0), 'source_route'],
  ['a source route behind others', bytes(1, 148, 4, 0, 0, 131, 3, 4), 'source_route'],
  ['an option of length 0', bytes(7, 0, 0, 0), 'malformed'],
  ['an option of length 1', bytes(7, 1, 0, 0), 'malformed'],
  ['an option longer than the header', bytes(7, 5, 0, 0), 'malformed'],
  ['an option whose length is in the TCP header', bytes(1, 1, 1, 7), 'malformed'],
];
for (const [name, ipOptions, reason] of BAD_OPTIONS)
  test.serial(`IPv4: ${name} is refused`, (t) => expectDrop(t, tcp({ ...V4, ipOptions }), reason));

test.serial('IPv4 options of packets to others are theirs', (t) => {
  const packet = tcp({ ...V4, to: '192.0.2.11:80', ipOptions: bytes(131, 3, 4, 0) });
  expectPacket(t, dataplane.send(packet), 'pass', packet);
});

/** A header of `units` times 8 bytes, padded as RFC 8200 has it. */
function padded(header: number, units: number): Extension {
  const rest = new Uint8Array(units * 8 - 1);
  rest.set([units - 1, 1, units * 8 - 4]);
  return { header, rest };
}

const HOP_BY_HOP = padded(0, 1);
const DESTINATION = padded(60, 1);
const ROUTED = { header: 43, rest: bytes(0, 4, 0, 0, 0, 0, 0) };
const ROUTING_0 = { header: 43, rest: bytes(0, 0, 0, 0, 0, 0, 0) };
const ROUTING = { header: 43, rest: bytes(2, 4, 1, 0, 0, 0, 0, ...new Uint8Array(16)) };
const WHOLE = { header: 44, rest: bytes(0, 0, 0, 0, 0, 0, 9) };

const KEPT_CHAINS: ReadonlyArray<readonly [string, readonly Extension[]]> = [
  ['hop-by-hop', [HOP_BY_HOP]],
  ['destination options', [DESTINATION]],
  ['a routing header that is done', [ROUTED]],
  ['a fragment header around the whole', [WHOLE]],
  ['all of them', [HOP_BY_HOP, DESTINATION, ROUTED, WHOLE, DESTINATION]],
  ['six', [HOP_BY_HOP, ...new Array<Extension>(5).fill(DESTINATION)]],
  ['256 bytes', [padded(60, 16), padded(60, 16)]],
];
for (const [name, extensions] of KEPT_CHAINS)
  test.serial(`IPv6 extension headers are kept: ${name}`, (t) => expectBothWays(t, { extensions }));

const BAD_CHAINS: ReadonlyArray<readonly [string, readonly Extension[], string]> = [
  ['routing type 0 (RFC 5095)', [ROUTING_0], 'source_route'],
  ['a routing header with segments left', [ROUTING], 'source_route'],
  ['hop-by-hop in another place', [DESTINATION, HOP_BY_HOP], 'malformed'],
  ['hop-by-hop twice', [HOP_BY_HOP, HOP_BY_HOP], 'malformed'],
  ['two fragment headers', [WHOLE, WHOLE], 'malformed'],
  ['seven headers', new Array<Extension>(7).fill(DESTINATION), 'extension'],
  ['264 bytes', [padded(60, 17), padded(60, 16)], 'extension'],
  [
    'a header longer than the packet',
    [{ header: 60, rest: bytes(9, 1, 4, 0, 0, 0, 0) }],
    'malformed',
  ],
  ['authentication', [{ header: 51, rest: new Uint8Array(11).fill(2, 0, 1) }], 'no_port'],
  ['encryption', [{ header: 50, rest: new Uint8Array(15) }], 'no_port'],
  ['no next header', [DESTINATION, { header: 59, rest: new Uint8Array(7) }], 'no_port'],
  ['mobility', [{ header: 135, rest: new Uint8Array(7) }], 'no_port'],
];
for (const [name, extensions, reason] of BAD_CHAINS)
  test.serial(`IPv6: ${name} is refused: drop_${reason}`, (t) =>
    expectDrop(t, tcp({ ...V6, extensions }), reason),
  );

test.serial('IPv6: a chain that ends with the packet is malformed', (t) => {
  const fields = { from: '2001:db8:77::7', to: '2001:db8::10', extensions: [DESTINATION] };
  expectDrop(t, ip({ ...fields, payload: new Uint8Array(7) }, 60), 'malformed');
});

test.serial('IPv6: a payload length of 0 is no jumbogram here (RFC 2675)', (t) => {
  const jumbo = { header: 0, rest: bytes(0, 0xc2, 4, 0, 1, 0, 0) };
  expectDrop(t, tcp({ ...V6, extensions: [jumbo], lie: { length: 0 } }), 'malformed');
});

test.serial('IPv6: a length that ends within the chain is malformed', (t) => {
  expectDrop(t, tcp({ ...V6, extensions: [DESTINATION], lie: { length: 7 } }), 'malformed');
});

test.serial('IPv6: what a chain leaves for the transport is checked', (t) => {
  expectDrop(t, tcp({ ...V6, extensions: [DESTINATION], lie: { length: 27 } }), 'malformed');
});

test.serial('IPv6: a UDP datagram behind a chain is forwarded, and needs its checksum', (t) => {
  const query = { ...V6, to: '[2001:db8::10]:53', extensions: [HOP_BY_HOP] };
  expectDrop(t, udp({ ...query, noChecksum: true }), 'malformed');
  const got = dataplane.send(udp(query));
  const from = `[${NAT_V6}]:${natPort()}`;
  expectPacket(t, got, 'tx', udp({ ...query, from, to: '[fd01::5]:5353', ...TO_BACKEND }));
});

test.serial('IPv6: headers of packets to others are theirs', (t) => {
  for (const extensions of [[ROUTING_0], [DESTINATION, HOP_BY_HOP], [padded(60, 60)]]) {
    const packet = tcp({ ...V6, to: '[2001:db8::11]:80', extensions });
    expectPacket(t, dataplane.send(packet), 'pass', packet);
  }
});
