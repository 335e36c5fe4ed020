import test from 'ava';
import { formatAddress } from '../../src/domain/address.ts';
import { formatMac, type Mac } from '../../src/domain/mac.ts';
import {
  ALL_NODES,
  decodeNdp,
  encodeNdp,
  multicastMac,
  type NdpDrop,
  type NeighborAdvertisement,
  type NeighborSolicitation,
  solicitedNodeGroup,
  UNSPECIFIED,
} from '../../src/protocol/ndp.ts';
import { sealed, withByte, withOptions } from '../support/discovery-packets.ts';
import { address } from '../support/objects.ts';

const VIP = address('2001:db8::12:3456');
const MAC = 0x0200_0000_000a as Mac;

const SOLICITATION: NeighborSolicitation = {
  kind: 'solicitation',
  source: address('fe80::1'),
  destination: solicitedNodeGroup(VIP),
  target: VIP,
  sourceMac: MAC,
};

const ADVERTISEMENT: NeighborAdvertisement = {
  kind: 'advertisement',
  source: VIP,
  destination: address('fe80::1'),
  target: VIP,
  router: false,
  solicited: true,
  override: true,
  targetMac: MAC,
};

/** fe80::1 asks for 2001:db8::12:3456, the checksum left out. */
const WIRE =
  '6000000000203aff' +
  'fe800000000000000000000000000001' +
  'ff0200000000000000000001ff123456' +
  '8700000000000000' +
  '20010db8000000000000000000123456' +
  '010102000000000a';

test('solicitedNodeGroup() and multicastMac() follow RFC 4291 and RFC 2464', (t) => {
  t.is(formatAddress(solicitedNodeGroup(VIP)), 'ff02::1:ff12:3456');
  t.is(formatMac(multicastMac(solicitedNodeGroup(VIP))), '33:33:ff:12:34:56');
  t.is(formatMac(multicastMac(ALL_NODES)), '33:33:00:00:00:01');
});

test('encodeNdp() writes the solicitation of RFC 4861 §4.3', (t) => {
  const packet = encodeNdp(SOLICITATION);
  const hex = Buffer.from(packet).toString('hex');
  t.is(`${hex.slice(0, 84)}0000${hex.slice(88)}`, WIRE);
});

test('decodeNdp() reads what encodeNdp() wrote, and ignores padding', (t) => {
  const probe = { ...SOLICITATION, source: UNSPECIFIED, sourceMac: undefined };
  const unasked = { ...ADVERTISEMENT, destination: ALL_NODES, solicited: false, router: true };
  const unsure = { ...ADVERTISEMENT, override: false, targetMac: undefined };
  for (const message of [SOLICITATION, probe, ADVERTISEMENT, unasked, unsure]) {
    const packet = encodeNdp(message);
    t.deepEqual(decodeNdp(packet), { value: message });
    t.deepEqual(decodeNdp(Buffer.concat([packet, Buffer.alloc(7, 0xff)])), { value: message });
  }
});

test('decodeNdp() skips options it does not know, and takes the first of two MACs', (t) => {
  const nonce = '0e01aabbccddeeff';
  const packet = optioned(`${nonce}0101${'02000000000a'}0101${'02000000000b'}`);
  t.is((decodeNdp(packet).value as NeighborSolicitation).sourceMac, MAC);
});

/** The solicitation with these options instead of its own. */
function optioned(hex: string): Uint8Array {
  return withOptions(encodeNdp(SOLICITATION), 64, hex);
}

/** The solicitation with one byte set. */
function changed(offset: number, value: number): Uint8Array {
  return withByte(encodeNdp(SOLICITATION), offset, value);
}

const solicitation = encodeNdp(SOLICITATION);
const wrongChecksum = Uint8Array.from(solicitation);
wrongChecksum[43] = (wrongChecksum[43] ?? 0) ^ 1;
const mapped = Uint8Array.from(solicitation);
mapped.set(Buffer.from('00000000000000000000ffffc0000201', 'hex'), 8);
const mappedTarget = Uint8Array.from(solicitation);
mappedTarget.set(Buffer.from('00000000000000000000ffffc0000264', 'hex'), 48);
const PROBE = { ...SOLICITATION, source: UNSPECIFIED, sourceMac: undefined };

const BAD: readonly [what: string, packet: Uint8Array, reason: NdpDrop][] = [
  ['nothing', new Uint8Array(), 'shortIpv6'],
  ['a cut packet', solicitation.subarray(0, -1), 'shortIpv6'],
  ['IP version 4', changed(0, 0x45), 'notIpv6'],
  ['TCP', changed(6, 6), 'notIcmpv6'],
  ['a fragment', changed(6, 44), 'notIcmpv6'],
  ['no ICMP header at all', changed(5, 0), 'notNeighborMessage'],
  ['an echo request', changed(40, 128), 'notNeighborMessage'],
  ['a packet that was routed', changed(7, 254), 'hopLimit'],
  ['a group as source', changed(8, 0xff), 'sourceMulticast'],
  ['a message cut within the target', sealed(cut(solicitation, 23)), 'shortMessage'],
  ['a wrong checksum', wrongChecksum, 'checksum'],
  ['code 1', changed(41, 1), 'code'],
  ['a multicast target', changed(48, 0xff), 'targetMulticast'],
  ['an IPv4-mapped source', sealed(mapped), 'mappedAddress'],
  ['an IPv4-mapped target', sealed(mappedTarget), 'mappedAddress'],
  ['an option of length 0', changed(65, 0), 'option'],
  ['an option longer than the message', changed(65, 2), 'option'],
  ['half an option header', optioned('01'), 'option'],
  ['a MAC option of 16 bytes', optioned(`0102${'00'.repeat(14)}`), 'macOption'],
  ['a group as MAC', changed(66, 0x33), 'macOption'],
  ['a MAC of zeros', optioned(`0101${'00'.repeat(6)}`), 'macOption'],
  ['a probe to all nodes', encodeNdp({ ...PROBE, destination: ALL_NODES }), 'probeDestination'],
  ['a probe with a MAC', encodeNdp({ ...PROBE, sourceMac: MAC }), 'probeWithMac'],
  [
    'a solicited advertisement to all nodes',
    encodeNdp({ ...ADVERTISEMENT, destination: ALL_NODES }),
    'solicitedMulticast',
  ],
];

/** The packet with a message of only `length` bytes. */
function cut(packet: Uint8Array, length: number): Uint8Array {
  const short = Uint8Array.from(packet.subarray(0, 40 + length));
  new DataView(short.buffer).setUint16(4, length);
  return short;
}

for (const [what, packet, reason] of BAD) {
  test(`decodeNdp() drops ${what}: ${reason}`, (t) =>
    t.deepEqual(decodeNdp(packet), { drop: reason }));
}
