import { internetChecksum } from '../../src/protocol/checksum.ts';

/** Packets of neighbour and router discovery that say what no encoder writes, all with a right checksum. */

const IPV6_HEADER = 40;
const CHECKSUM_AT = IPV6_HEADER + 2;

/** Its checksum made right, in place. */
export function sealed(packet: Uint8Array): Uint8Array {
  const view = new DataView(packet.buffer, packet.byteOffset, packet.length);
  view.setUint16(CHECKSUM_AT, 0);
  const pseudoHeader = new Uint8Array(8);
  new DataView(pseudoHeader.buffer).setUint32(0, packet.length - IPV6_HEADER);
  pseudoHeader[7] = 58;
  const sum = internetChecksum(
    packet.subarray(8, IPV6_HEADER),
    pseudoHeader,
    packet.subarray(IPV6_HEADER),
  );
  view.setUint16(CHECKSUM_AT, sum);
  return packet;
}

/** The packet with one byte set. */
export function withByte(packet: Uint8Array, offset: number, value: number): Uint8Array {
  return sealed(Uint8Array.from(packet).fill(value, offset, offset + 1));
}

/** The packet with these options from `at` on, instead of its own. */
export function withOptions(packet: Uint8Array, at: number, hex: string): Uint8Array {
  const changed = Buffer.concat([packet.subarray(0, at), Buffer.from(hex, 'hex')]);
  changed.writeUInt16BE(changed.length - IPV6_HEADER, 4);
  return sealed(changed);
}
