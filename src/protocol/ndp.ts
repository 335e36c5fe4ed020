import { type Address, addressFromBigInt, familyOf } from '../domain/address.ts';
import type { Mac } from '../domain/mac.ts';
import { ByteReader, ByteWriter, type Decoded } from './bytes.ts';
import {
  type DiscoveryPacketDrop,
  decodeDiscovery,
  encodeDiscovery,
  isMulticastAddress,
  MAC_OPTION_SIZE,
  OPTION_SOURCE_MAC,
  OPTION_TARGET_MAC,
  readMacOption,
  writeMacOption,
} from './discovery-packet.ts';

const SOLICITATION = 135;
const ADVERTISEMENT = 136;
const MESSAGE_SIZE = 24;
const SIZES = { [SOLICITATION]: MESSAGE_SIZE, [ADVERTISEMENT]: MESSAGE_SIZE };

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
  | DiscoveryPacketDrop
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

/** Reads an IPv6 packet and checks all that RFC 4861 §7.1 asks. */
export function decodeNdp(packet: Uint8Array): Decoded<NeighborMessage, NdpDrop> {
  const discovery = decodeDiscovery(packet, SIZES);
  if (discovery.drop) return discovery;
  const { message, source, destination } = discovery.value;
  return decodeMessage(message, source, destination);
}

function decodeMessage(
  message: Uint8Array,
  source: Address,
  destination: Address,
): Decoded<NeighborMessage, NdpDrop> {
  const reader = new ByteReader(message);
  const type = reader.u8();
  reader.take(3);
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

/** The IPv6 packet, with hop limit 255 and checksum. */
export function encodeNdp(message: NeighborMessage): Uint8Array {
  const { kind, source, destination, target } = message;
  const solicitation = kind === 'solicitation';
  const mac = solicitation ? message.sourceMac : message.targetMac;
  const writer = new ByteWriter(MESSAGE_SIZE + (mac === undefined ? 0 : MAC_OPTION_SIZE))
    .u8(solicitation ? SOLICITATION : ADVERTISEMENT)
    .u8(0)
    .u16(0)
    .u32((solicitation ? 0 : flagsOf(message)) * 0x100_0000)
    .address(target);
  if (mac !== undefined)
    writeMacOption(writer, solicitation ? OPTION_SOURCE_MAC : OPTION_TARGET_MAC, mac);
  return encodeDiscovery({ source, destination, message: writer.done() });
}

function flagsOf(message: NeighborAdvertisement): number {
  return (
    (message.router ? FLAG_ROUTER : 0) |
    (message.solicited ? FLAG_SOLICITED : 0) |
    (message.override ? FLAG_OVERRIDE : 0)
  );
}
