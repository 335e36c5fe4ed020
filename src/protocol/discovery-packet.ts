import { type Address, familyOf } from '../domain/address.ts';
import { isMulticastMac, type Mac } from '../domain/mac.ts';
import { ByteReader, ByteWriter, type Decoded } from './bytes.ts';
import { internetChecksum, ipv6PseudoHeader } from './checksum.ts';

const IPV6_HEADER_SIZE = 40;
const NEXT_HEADER_ICMPV6 = 58;
/** A packet with less was forwarded by a router: it is not from this link (RFC 4861 §7.1). */
const HOP_LIMIT = 255;
const CHECKSUM_OFFSET = 2;

/** Link-layer address options (RFC 4861 §4.6.1). */
export const OPTION_SOURCE_MAC = 1;
export const OPTION_TARGET_MAC = 2;
export const MAC_OPTION_SIZE = 8;
/** Options are counted in units of 8 bytes. */
const OPTION_UNIT = 8;

/** An ICMPv6 message of neighbour discovery, with the addresses it travels under. */
export interface DiscoveryPacket {
  readonly source: Address;
  readonly destination: Address;
  /** From the type on; after decoding a view of the packet, with code 0 and a right checksum. */
  readonly message: Uint8Array;
}

export type DiscoveryPacketDrop =
  | 'shortIpv6'
  | 'notIpv6'
  | 'notIcmpv6'
  | 'mappedAddress'
  | 'notNeighborMessage'
  | 'hopLimit'
  | 'sourceMulticast'
  | 'shortMessage'
  | 'checksum'
  | 'code';

export function isMulticastAddress(address: Address): boolean {
  return address >> 120n === 0xffn;
}

/**
 * Reads an IPv6 packet (a frame's payload; what follows the packet is padding) that holds a message
 * of one of these types, which has a least size, and checks all that RFC 4861 §6.1 and §7.1 ask of
 * each. A message behind an extension header is not taken: neighbour discovery has no use for one,
 * and with a fragment header it must be ignored (RFC 6980 §5).
 */
export function decodeDiscovery(
  packet: Uint8Array,
  sizes: Readonly<Record<number, number>>,
): Decoded<DiscoveryPacket, DiscoveryPacketDrop> {
  const reader = new ByteReader(packet);
  if (reader.remaining < IPV6_HEADER_SIZE) return { drop: 'shortIpv6' };
  if (reader.u32() >>> 28 !== 6) return { drop: 'notIpv6' };
  const length = reader.u16();
  const nextHeader = reader.u8();
  const hopLimit = reader.u8();
  const source = reader.ipv6();
  const destination = reader.ipv6();
  if (nextHeader !== NEXT_HEADER_ICMPV6) return { drop: 'notIcmpv6' };
  // ::ffff:a.b.c.d never travels (RFC 4291 §2.5.5.2); inside it would be taken for an IPv4 address.
  if (familyOf(source) === 4 || familyOf(destination) === 4) return { drop: 'mappedAddress' };
  if (length > reader.remaining) return { drop: 'shortIpv6' };
  const message = reader.take(length);
  const [type = -1, code] = message;
  const size = sizes[type];
  if (size === undefined) return { drop: 'notNeighborMessage' };
  if (hopLimit !== HOP_LIMIT) return { drop: 'hopLimit' };
  // An answer would go to the whole group (RFC 4291 §2.7: never a source).
  if (isMulticastAddress(source)) return { drop: 'sourceMulticast' };
  if (length < size) return { drop: 'shortMessage' };
  const pseudoHeader = ipv6PseudoHeader(source, destination, length, NEXT_HEADER_ICMPV6);
  if (internetChecksum(pseudoHeader, message) !== 0) return { drop: 'checksum' };
  if (code !== 0) return { drop: 'code' };
  return { value: { source, destination, message } };
}

/** The IPv6 packet, with hop limit 255; the checksum is filled in. */
export function encodeDiscovery({ source, destination, message }: DiscoveryPacket): Uint8Array {
  const packet = new ByteWriter(IPV6_HEADER_SIZE + message.length)
    .u32(0x6000_0000)
    .u16(message.length)
    .u8(NEXT_HEADER_ICMPV6)
    .u8(HOP_LIMIT)
    .address(source)
    .address(destination)
    .bytes(message)
    .done();
  const body = packet.subarray(IPV6_HEADER_SIZE);
  const pseudoHeader = ipv6PseudoHeader(source, destination, body.length, NEXT_HEADER_ICMPV6);
  new DataView(body.buffer, body.byteOffset).setUint16(
    CHECKSUM_OFFSET,
    internetChecksum(pseudoHeader, body),
  );
  return packet;
}

/** Walks all options, whose lengths must fit; the first of `type` counts, others are skipped. */
export function readMacOption(
  reader: ByteReader,
  type: number,
): Decoded<{ readonly mac: Mac | undefined }, 'option' | 'macOption'> {
  let mac: Mac | undefined;
  while (reader.remaining > 0) {
    if (reader.remaining < 2) return { drop: 'option' };
    const kind = reader.u8();
    const rest = reader.u8() * OPTION_UNIT - 2;
    if (rest < 0 || rest > reader.remaining) return { drop: 'option' };
    const body = new ByteReader(reader.take(rest));
    if (kind !== type || mac !== undefined) continue;
    if (rest !== MAC_OPTION_SIZE - 2) return { drop: 'macOption' };
    mac = body.mac();
    if (mac === 0 || isMulticastMac(mac)) return { drop: 'macOption' };
  }
  return { value: { mac } };
}

export function writeMacOption(writer: ByteWriter, type: number, mac: Mac): void {
  writer
    .u8(type)
    .u8(MAC_OPTION_SIZE / OPTION_UNIT)
    .mac(mac);
}
