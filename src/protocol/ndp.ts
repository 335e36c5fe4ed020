import { type Address, addressFromBigInt, familyOf } from '../domain/address.ts';
import { isMulticastMac, type Mac } from '../domain/mac.ts';
import { ByteReader, ByteWriter, type Decoded } from './bytes.ts';
import { internetChecksum, ipv6PseudoHeader } from './checksum.ts';

const IPV6_HEADER_SIZE = 40;
const NEXT_HEADER_ICMPV6 = 58;
/** A packet with less was forwarded by a router: it is not from this link (RFC 4861 §7.1). */
const HOP_LIMIT = 255;

const SOLICITATION = 135;
const ADVERTISEMENT = 136;
const MESSAGE_SIZE = 24;
const CHECKSUM_OFFSET = 2;

const OPTION_SOURCE_MAC = 1;
const OPTION_TARGET_MAC = 2;
const MAC_OPTION_SIZE = 8;
/** Options are counted in units of 8 bytes. */
const OPTION_UNIT = 8;

const FLAG_ROUTER = 0x80;
const FLAG_SOLICITED = 0x40;
const FLAG_OVERRIDE = 0x20;

export const UNSPECIFIED = addressFromBigInt(0n);
/** ff02::1 */
export const ALL_NODES = addressFromBigInt((0xff02n << 112n) | 1n);
/** ff02::1:ff00:0, the first of the solicited-node groups (RFC 4291 §2.7.1). */
const SOLICITED_NODE = (0xff02n << 112n) | 0x1_ff00_0000n;

/** A Neighbor Solicitation (RFC 4861 §4.3) with the IPv6 addresses it travels under. */
export interface NeighborSolicitation {
  readonly kind: 'solicitation';
  /** `::` when the sender asks whether the target is free (duplicate address detection). */
  readonly source: Address;
  readonly destination: Address;
  readonly target: Address;
  /** Source link-layer address option. */
  readonly sourceMac: Mac | undefined;
}

/** A Neighbor Advertisement (RFC 4861 §4.4) with the IPv6 addresses it travels under. */
export interface NeighborAdvertisement {
  readonly kind: 'advertisement';
  readonly source: Address;
  readonly destination: Address;
  readonly target: Address;
  readonly router: boolean;
  readonly solicited: boolean;
  readonly override: boolean;
  /** Target link-layer address option. */
  readonly targetMac: Mac | undefined;
}

export type NeighborMessage = NeighborSolicitation | NeighborAdvertisement;

export type NdpDrop =
  | 'shortIpv6'
  | 'notIpv6'
  | 'notIcmpv6'
  | 'mappedAddress'
  | 'hopLimit'
  | 'sourceMulticast'
  | 'notNeighborMessage'
  | 'shortMessage'
  | 'code'
  | 'checksum'
  | 'targetMulticast'
  | 'option'
  | 'macOption'
  | 'probeDestination'
  | 'probeWithMac'
  | 'solicitedMulticast';

/** The group that a solicitation for this address is sent to (RFC 4291 §2.7.1). */
export function solicitedNodeGroup(address: Address): Address {
  return addressFromBigInt(SOLICITED_NODE | (address & 0xff_ffffn));
}

/** The Ethernet address of an IPv6 group (RFC 2464 §7). */
export function multicastMac(group: Address): Mac {
  return (0x3333_0000_0000 + Number(group & 0xffff_ffffn)) as Mac;
}

function isMulticastAddress(address: Address): boolean {
  return address >> 120n === 0xffn;
}

/**
 * Reads an IPv6 packet (a frame's payload; what follows the packet is padding) and checks all that
 * RFC 4861 §7.1 asks. A message behind an extension header is not taken: neighbour discovery has no
 * use for one, and with a fragment header it must be ignored (RFC 6980 §5).
 */
export function decodeNdp(packet: Uint8Array): Decoded<NeighborMessage, NdpDrop> {
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
  const type = message[0];
  if (type !== SOLICITATION && type !== ADVERTISEMENT) return { drop: 'notNeighborMessage' };
  if (hopLimit !== HOP_LIMIT) return { drop: 'hopLimit' };
  // An answer would go to the whole group (RFC 4291 §2.7: never a source).
  if (isMulticastAddress(source)) return { drop: 'sourceMulticast' };
  if (length < MESSAGE_SIZE) return { drop: 'shortMessage' };
  const pseudoHeader = ipv6PseudoHeader(source, destination, length, NEXT_HEADER_ICMPV6);
  if (internetChecksum(pseudoHeader, message) !== 0) return { drop: 'checksum' };
  return decodeMessage(message, source, destination);
}

function decodeMessage(
  message: Uint8Array,
  source: Address,
  destination: Address,
): Decoded<NeighborMessage, NdpDrop> {
  const reader = new ByteReader(message);
  const type = reader.u8();
  if (reader.u8() !== 0) return { drop: 'code' };
  reader.u16();
  const flags = reader.u8();
  reader.take(3);
  const target = reader.ipv6();
  if (isMulticastAddress(target)) return { drop: 'targetMulticast' };
  if (familyOf(target) === 4) return { drop: 'mappedAddress' };
  const solicitation = type === SOLICITATION;
  const option = readMacOption(reader, solicitation ? OPTION_SOURCE_MAC : OPTION_TARGET_MAC);
  if (option.drop) return option;
  const { mac } = option.value;
  if (solicitation) {
    const value = { kind: 'solicitation', source, destination, target, sourceMac: mac } as const;
    const drop = source === UNSPECIFIED ? probeDrop(value) : undefined;
    return drop ? { drop } : { value };
  }
  const solicited = (flags & FLAG_SOLICITED) !== 0;
  if (solicited && isMulticastAddress(destination)) return { drop: 'solicitedMulticast' };
  const router = (flags & FLAG_ROUTER) !== 0;
  const override = (flags & FLAG_OVERRIDE) !== 0;
  return {
    value: {
      kind: 'advertisement',
      source,
      destination,
      target,
      router,
      solicited,
      override,
      targetMac: mac,
    },
  };
}

/** What a probe from `::` must be (RFC 4861 §7.1.1). */
function probeDrop(probe: NeighborSolicitation): NdpDrop | undefined {
  if (probe.destination >> 24n !== SOLICITED_NODE >> 24n) return 'probeDestination';
  return probe.sourceMac === undefined ? undefined : 'probeWithMac';
}

/** Walks all options, whose lengths must fit; the first of `type` counts, others are skipped. */
function readMacOption(
  reader: ByteReader,
  type: number,
): Decoded<{ readonly mac: Mac | undefined }, NdpDrop> {
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

/** The IPv6 packet, with hop limit 255 and checksum. */
export function encodeNdp(message: NeighborMessage): Uint8Array {
  const { kind, source, destination, target } = message;
  const solicitation = kind === 'solicitation';
  const mac = solicitation ? message.sourceMac : message.targetMac;
  const length = MESSAGE_SIZE + (mac === undefined ? 0 : MAC_OPTION_SIZE);
  const writer = new ByteWriter(IPV6_HEADER_SIZE + length)
    .u32(0x6000_0000)
    .u16(length)
    .u8(NEXT_HEADER_ICMPV6)
    .u8(HOP_LIMIT)
    .address(source)
    .address(destination)
    .u8(solicitation ? SOLICITATION : ADVERTISEMENT)
    .u8(0)
    .u16(0)
    .u32((solicitation ? 0 : flagsOf(message)) * 0x100_0000)
    .address(target);
  if (mac !== undefined) {
    writer
      .u8(solicitation ? OPTION_SOURCE_MAC : OPTION_TARGET_MAC)
      .u8(MAC_OPTION_SIZE / OPTION_UNIT)
      .mac(mac);
  }
  const packet = writer.done();
  const body = packet.subarray(IPV6_HEADER_SIZE);
  const pseudoHeader = ipv6PseudoHeader(source, destination, length, NEXT_HEADER_ICMPV6);
  new DataView(body.buffer, body.byteOffset).setUint16(
    CHECKSUM_OFFSET,
    internetChecksum(pseudoHeader, body),
  );
  return packet;
}

function flagsOf(message: NeighborAdvertisement): number {
  return (
    (message.router ? FLAG_ROUTER : 0) |
    (message.solicited ? FLAG_SOLICITED : 0) |
    (message.override ? FLAG_OVERRIDE : 0)
  );
}
