/** Cutting whole untagged packets into fragments, as a router or a sender would. */
import { checksum } from './packet.ts';

const ETHERNET = 14;
const IPV4 = 20;
const IPV6 = 40;
const FRAGMENT_HEADER = 44;
const MORE_IPV4 = 0x2000;

/** What a fragment holds of the IP payload, in bytes; all but the end in multiples of 8. */
export interface Piece {
  readonly from: number;
  readonly to: number;
}

/** The pieces of a payload, `size` bytes each but the last. */
export function pieces(length: number, size: number): Piece[] {
  const count = Math.ceil(length / size);
  return Array.from({ length: count }, (_, i) => ({
    from: i * size,
    to: Math.min(length, (i + 1) * size),
  }));
}

/** Fragments of `size` bytes of IP payload each, without IPv4 options or IPv6 extension headers. */
export function fragmentsOf(packet: Uint8Array, size: number, id: number): Uint8Array[] {
  const header = isIpv6(packet) ? IPV6 : IPV4;
  return pieces(packet.length - ETHERNET - header, size).map((piece) =>
    fragmentOf(packet, piece, id),
  );
}

export function fragmentOf(packet: Uint8Array, piece: Piece, id: number): Uint8Array {
  return isIpv6(packet) ? fragmentIpv6(packet, piece, id) : fragmentIpv4(packet, piece, id);
}

/** The identification of a fragment. */
export function fragmentId(fragment: Uint8Array): number {
  const view = new DataView(fragment.buffer, fragment.byteOffset, fragment.byteLength);
  return isIpv6(fragment) ? view.getUint32(ETHERNET + IPV6 + 4) : view.getUint16(ETHERNET + 4);
}

function fragmentIpv4(packet: Uint8Array, { from, to }: Piece, id: number): Uint8Array {
  const at = ETHERNET + IPV4;
  const bytes = joined(packet.subarray(0, at), packet.subarray(at + from, at + to));
  const view = new DataView(bytes.buffer);
  view.setUint16(ETHERNET + 2, IPV4 + to - from);
  view.setUint16(ETHERNET + 4, id);
  view.setUint16(ETHERNET + 6, (at + to < packet.length ? MORE_IPV4 : 0) | (from / 8));
  view.setUint16(ETHERNET + 10, 0);
  view.setUint16(ETHERNET + 10, checksum([bytes.subarray(ETHERNET, at)]));
  return bytes;
}

function fragmentIpv6(packet: Uint8Array, { from, to }: Piece, id: number): Uint8Array {
  const at = ETHERNET + IPV6;
  const header = new Uint8Array(8);
  const bytes = joined(packet.subarray(0, at), header, packet.subarray(at + from, at + to));
  const view = new DataView(bytes.buffer);
  view.setUint16(ETHERNET + 4, 8 + to - from);
  view.setUint8(at, view.getUint8(ETHERNET + 6));
  view.setUint8(ETHERNET + 6, FRAGMENT_HEADER);
  view.setUint16(at + 2, from | (at + to < packet.length ? 1 : 0));
  view.setUint32(at + 4, id);
  return bytes;
}

function isIpv6(packet: Uint8Array): boolean {
  return packet[12] === 0x86;
}

function joined(...parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}
