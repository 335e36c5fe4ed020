import {
  type Address,
  addressFromBigInt,
  addressToWire,
  type Family,
  familyOf,
  ipv4,
} from '../../../domain/address.ts';
import type { Prefix } from '../../../domain/prefix.ts';
import type { ByteWriter } from '../../bytes.ts';

/**
 * Reads prefixes (RFC 4271 §4.3, RFC 4760 §5): a length in bits and as many octets as these take. Bits
 * beyond the length mean nothing. `undefined`: a length is too great, or one reaches beyond the end, so
 * that nobody knows what was meant (RFC 7606 §5.3). IPv6 prefixes inside `::ffff:0:0/96` are left out.
 */
export function decodePrefixes(bytes: Uint8Array, family: Family): Prefix[] | undefined {
  const longest = family === 4 ? 32 : 128;
  const prefixes: Prefix[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = bytes[at] as number;
    const next = at + 1 + octetsOf(length);
    if (length > longest || next > bytes.length) return undefined;
    const base = family === 4 ? readIpv4(bytes, at + 1, length) : readIpv6(bytes, at + 1, length);
    if (familyOf(base) === family) prefixes.push({ base, length });
    at = next;
  }
  return prefixes;
}

/** Octets that the prefix takes on the wire, its length included. */
export function prefixSize(prefix: Prefix): number {
  return 1 + octetsOf(prefix.length);
}

export function writePrefix(writer: ByteWriter, prefix: Prefix): void {
  const wire = addressToWire(prefix.base);
  writer.u8(prefix.length).bytes(wire.subarray(0, octetsOf(prefix.length)));
}

function octetsOf(length: number): number {
  return (length + 7) >> 3;
}

function readIpv4(bytes: Uint8Array, at: number, length: number): Address {
  return ipv4(readWord(bytes, at, length));
}

function readIpv6(bytes: Uint8Array, at: number, length: number): Address {
  let value = 0n;
  for (let word = 0; word < 4; word++) {
    const bits = Math.min(Math.max(length - word * 32, 0), 32);
    value = (value << 32n) | BigInt(readWord(bytes, at + word * 4, bits) >>> 0);
  }
  return addressFromBigInt(value);
}

/** The first `bits` of a 32-bit word whose further octets may not be there; the rest is 0. */
function readWord(bytes: Uint8Array, at: number, bits: number): number {
  let word = 0;
  for (let octet = 0; octet < octetsOf(bits); octet++)
    word |= (bytes[at + octet] as number) << (24 - octet * 8);
  return bits === 0 ? 0 : word & (-1 << (32 - bits));
}
