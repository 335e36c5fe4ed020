import { type Address, addressToWire } from '../domain/address.ts';

/**
 * The Internet checksum (RFC 1071) over these parts as if they stood one after another; each part but
 * the last must have an even length. 0 over a message that holds a right checksum.
 */
export function internetChecksum(...parts: readonly Uint8Array[]): number {
  let sum = 0;
  for (const part of parts) {
    const view = new DataView(part.buffer, part.byteOffset, part.byteLength);
    const even = part.length & ~1;
    for (let at = 0; at < even; at += 2) sum += view.getUint16(at);
    if (even < part.length) sum += view.getUint8(even) << 8;
  }
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

/** The pseudo-header that ICMPv6, TCP and UDP over IPv6 checksum along (RFC 8200 §8.1). */
export function ipv6PseudoHeader(
  source: Address,
  destination: Address,
  length: number,
  nextHeader: number,
): Uint8Array {
  const header = new Uint8Array(40);
  header.set(addressToWire(source), 0);
  header.set(addressToWire(destination), 16);
  new DataView(header.buffer).setUint32(32, length);
  header[39] = nextHeader;
  return header;
}
