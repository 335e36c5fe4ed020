import { type Address, addressFromBigInt, isLinkLocal } from '../domain/address.ts';
import type { Mac } from '../domain/mac.ts';
import { ByteReader, ByteWriter, type Decoded } from './bytes.ts';
import {
  type DiscoveryPacketDrop,
  decodeDiscovery,
  encodeDiscovery,
  MAC_OPTION_SIZE,
  OPTION_SOURCE_MAC,
  readMacOption,
  writeMacOption,
} from './discovery-packet.ts';
import { UNSPECIFIED } from './ndp.ts';

const SOLICITATION = 133;
const ADVERTISEMENT = 134;
const SOLICITATION_SIZE = 8;
const ADVERTISEMENT_SIZE = 16;
const SIZES = { [SOLICITATION]: SOLICITATION_SIZE, [ADVERTISEMENT]: ADVERTISEMENT_SIZE };

/** ff02::2 */
export const ALL_ROUTERS = addressFromBigInt((0xff02n << 112n) | 2n);

/** A Router Solicitation (RFC 4861 §4.1): routers are asked to advertise themselves now. */
export interface RouterSolicitation {
  readonly kind: 'solicitation';
  /** May be `::`. */
  readonly source: Address;
  readonly destination: Address;
  readonly sourceMac: Mac | undefined;
}

/**
 * A Router Advertisement (RFC 4861 §4.2) that tells who is there and nothing else: hop limit and
 * timers are left to the hosts, there are no prefixes. Options of others' are not read.
 */
export interface RouterAdvertisement {
  readonly kind: 'advertisement';
  /** Link-local. */
  readonly source: Address;
  readonly destination: Address;
  /** 0: not to be used as a default router. */
  readonly lifetimeSec: number;
  readonly sourceMac: Mac | undefined;
}

export type RouterMessage = RouterSolicitation | RouterAdvertisement;

export type RouterMessageDrop =
  | DiscoveryPacketDrop
  | 'option'
  | 'macOption'
  /** An advertisement from an address that is not link-local (RFC 4861 §6.1.2). */
  | 'sourceNotLinkLocal'
  /** A solicitation from `::` with a link-layer address (RFC 4861 §6.1.1). */
  | 'unspecifiedWithMac';

/** Reads an IPv6 packet and checks all that RFC 4861 §6.1 asks. */
export function decodeRouterMessage(packet: Uint8Array): Decoded<RouterMessage, RouterMessageDrop> {
  const discovery = decodeDiscovery(packet, SIZES);
  if (discovery.drop) return discovery;
  const { source, destination, message } = discovery.value;
  const advertises = message[0] === ADVERTISEMENT;
  if (advertises && !isLinkLocal(source)) return { drop: 'sourceNotLinkLocal' };
  const reader = new ByteReader(message);
  // Type, code, checksum; the hop limit and flags of an advertisement, four bytes of nothing else.
  reader.take(6);
  const lifetimeSec = reader.u16();
  if (advertises) reader.take(ADVERTISEMENT_SIZE - SOLICITATION_SIZE);
  const option = readMacOption(reader, OPTION_SOURCE_MAC);
  if (option.drop) return option;
  const { mac: sourceMac } = option.value;
  if (advertises)
    return { value: { kind: 'advertisement', source, destination, lifetimeSec, sourceMac } };
  if (source === UNSPECIFIED && sourceMac !== undefined) return { drop: 'unspecifiedWithMac' };
  return { value: { kind: 'solicitation', source, destination, sourceMac } };
}

/** The IPv6 packet, with hop limit 255 and checksum. */
export function encodeRouterMessage(message: RouterMessage): Uint8Array {
  const { source, destination, sourceMac } = message;
  const advertises = message.kind === 'advertisement';
  const size = advertises ? ADVERTISEMENT_SIZE : SOLICITATION_SIZE;
  const writer = new ByteWriter(size + (sourceMac === undefined ? 0 : MAC_OPTION_SIZE))
    .u8(advertises ? ADVERTISEMENT : SOLICITATION)
    .u8(0)
    .u32(0)
    .u16(advertises ? message.lifetimeSec : 0);
  if (advertises) writer.u32(0).u32(0);
  if (sourceMac !== undefined) writeMacOption(writer, OPTION_SOURCE_MAC, sourceMac);
  return encodeDiscovery({ source, destination, message: writer.done() });
}
