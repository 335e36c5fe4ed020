import type { Address } from '../domain/address.ts';
import { isMulticastMac, type Mac } from '../domain/mac.ts';
import { ByteReader, ByteWriter, type Decoded } from './bytes.ts';

const HARDWARE_ETHERNET = 1;
const PROTOCOL_IPV4 = 0x0800;
const MAC_SIZE = 6;
const IPV4_SIZE = 4;
const PACKET_SIZE = 28;

const REQUEST = 1;
const REPLY = 2;

/** An ARP packet for IPv4 over Ethernet (RFC 826). */
export interface ArpPacket {
  readonly operation: 'request' | 'reply';
  readonly senderMac: Mac;
  /** 0.0.0.0 in a probe (RFC 5227 §2.1.1). */
  readonly senderAddress: Address;
  readonly targetMac: Mac;
  readonly targetAddress: Address;
}

export type ArpDrop = 'shortArp' | 'notEthernet' | 'notIpv4' | 'operation' | 'senderMac';

/** Reads the payload of a frame of type 0x0806; what follows the packet is padding. */
export function decodeArp(payload: Uint8Array): Decoded<ArpPacket, ArpDrop> {
  const reader = new ByteReader(payload);
  if (reader.remaining < PACKET_SIZE) return { drop: 'shortArp' };
  const hardware = reader.u16();
  const protocol = reader.u16();
  const macSize = reader.u8();
  const addressSize = reader.u8();
  if (hardware !== HARDWARE_ETHERNET || macSize !== MAC_SIZE) return { drop: 'notEthernet' };
  if (protocol !== PROTOCOL_IPV4 || addressSize !== IPV4_SIZE) return { drop: 'notIpv4' };
  const operation = reader.u16();
  if (operation !== REQUEST && operation !== REPLY) return { drop: 'operation' };
  const senderMac = reader.mac();
  // Nobody can be answered at a group address or at none.
  if (senderMac === 0 || isMulticastMac(senderMac)) return { drop: 'senderMac' };
  return {
    value: {
      operation: operation === REQUEST ? 'request' : 'reply',
      senderMac,
      senderAddress: reader.ipv4(),
      targetMac: reader.mac(),
      targetAddress: reader.ipv4(),
    },
  };
}

export function encodeArp(packet: ArpPacket): Uint8Array {
  return new ByteWriter(PACKET_SIZE)
    .u16(HARDWARE_ETHERNET)
    .u16(PROTOCOL_IPV4)
    .u8(MAC_SIZE)
    .u8(IPV4_SIZE)
    .u16(packet.operation === 'request' ? REQUEST : REPLY)
    .mac(packet.senderMac)
    .address(packet.senderAddress)
    .mac(packet.targetMac)
    .address(packet.targetAddress)
    .done();
}
