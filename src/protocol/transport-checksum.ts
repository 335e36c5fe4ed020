import { type Address, addressToWire, familyOf } from '../domain/address.ts';
import { internetChecksum, ipv6PseudoHeader } from './checksum.ts';

/** Of TCP or UDP; the message's own checksum field must be 0 (RFC 9293 §3.1, RFC 768, RFC 8200 §8.1). */
export function transportChecksum(
  source: Address,
  destination: Address,
  protocol: number,
  message: Uint8Array,
): number {
  if (familyOf(destination) === 6) {
    const header = ipv6PseudoHeader(source, destination, message.length, protocol);
    return internetChecksum(header, message);
  }
  const header = new Uint8Array(12);
  header.set(addressToWire(source), 0);
  header.set(addressToWire(destination), 4);
  header[9] = protocol;
  new DataView(header.buffer).setUint16(10, message.length);
  return internetChecksum(header, message);
}
