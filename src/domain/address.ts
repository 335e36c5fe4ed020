/**
 * IP addresses as one number space.
 *
 * An `Address` is a 128-bit integer. IPv4 addresses are held as their IPv4-mapped IPv6 form
 * (`::ffff:a.b.c.d`, RFC 4291 §2.5.5.2), so both families compare, sort, hash and do range
 * arithmetic alike, and the 16 bytes of an address are the 16 bytes the BPF maps use.
 * An IPv4-mapped IPv6 address is therefore the IPv4 address, and is written as one (as MetalLB does).
 */
export type Address = bigint & { readonly __brand: 'Address' };

/** IP family number as people say it. */
export type Family = 4 | 6;

const MAPPED = 0xffff_0000_0000n;
const MAX = (1n << 128n) - 1n;

/** The address with this 128-bit value. Throws `RangeError` outside 0..2^128-1. */
export function addressFromBigInt(value: bigint): Address {
  if (value < 0n || value > MAX) throw new RangeError(`Address value ${value} is outside 128 bits`);
  return value as Address;
}

/** The IPv4 address with this 32-bit value, for example `0x7f000001`. */
export function ipv4(value: number): Address {
  return (MAPPED | BigInt(value >>> 0)) as Address;
}

export function familyOf(address: Address): Family {
  return address >> 32n === 0xffffn ? 4 : 6;
}

/**
 * Reads an address in the strict textual forms that `node:net` accepts, without a zone.
 * Leading zeros, hexadecimal or short IPv4 forms are refused (`undefined`), never guessed at.
 */
export function parseAddress(text: string): Address | undefined {
  const v4 = parseIPv4(text);
  if (v4 !== undefined) return ipv4(v4);
  return text.includes(':') ? parseIPv6(text) : undefined;
}

/** Canonical text: dotted quad for IPv4, RFC 5952 for IPv6. */
export function formatAddress(address: Address): string {
  return familyOf(address) === 4 ? formatIPv4(Number(address & 0xffff_ffffn)) : formatIPv6(address);
}

/** The 16 bytes in network order (IPv4-mapped for IPv4). */
export function addressToBytes(address: Address): Uint8Array {
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, address >> 64n);
  view.setBigUint64(8, address & 0xffff_ffff_ffff_ffffn);
  return bytes;
}

/** Reads 4 bytes as IPv4 or 16 bytes as IPv6 in network order. Throws `RangeError` for other lengths. */
export function addressFromBytes(bytes: Uint8Array): Address {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length === 4) return ipv4(view.getUint32(0));
  if (bytes.length !== 16)
    throw new RangeError(`An address has 4 or 16 bytes, not ${bytes.length}`);
  return ((view.getBigUint64(0) << 64n) | view.getBigUint64(8)) as Address;
}

/** The bytes as they stand on the wire for the address's own family: 4 or 16. */
export function addressToWire(address: Address): Uint8Array {
  const bytes = addressToBytes(address);
  return familyOf(address) === 4 ? bytes.subarray(12) : bytes;
}

/** Total order by number; IPv4 addresses stand together. */
export function compareAddresses(a: Address, b: Address): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** True for addresses no host may own: unspecified, loopback, multicast, IPv4 broadcast and 0/8. */
export function isUnusableAsVip(address: Address): boolean {
  if (familyOf(address) === 4) {
    const first = Number((address >> 24n) & 0xffn);
    return first === 0 || first === 127 || first >= 224;
  }
  return address <= 1n || address >> 120n === 0xffn;
}

/** True for IPv6 link-local addresses (fe80::/10). */
export function isLinkLocal(address: Address): boolean {
  return address >> 118n === 0x3fan;
}

function parseIPv4(text: string): number | undefined {
  let value = 0;
  let octet = -1;
  let octets = 0;
  for (let i = 0; i <= text.length; i++) {
    const code = i < text.length ? text.charCodeAt(i) : 46;
    if (code === 46) {
      if (octet < 0 || ++octets > 4) return undefined;
      value = value * 256 + octet;
      octet = -1;
    } else {
      if (code < 48 || code > 57 || octet === 0) return undefined;
      octet = octet < 0 ? code - 48 : octet * 10 + code - 48;
      if (octet > 255) return undefined;
    }
  }
  return octets === 4 ? value : undefined;
}

function parseIPv6(text: string): Address | undefined {
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const head = parseGroups(halves[0] ?? '', halves.length === 1);
  const tail = halves.length === 2 ? parseGroups(halves[1] ?? '', true) : [];
  if (head === undefined || tail === undefined) return undefined;
  const missing = 8 - head.length - tail.length;
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined;
  let value = 0n;
  for (const group of head) value = (value << 16n) | BigInt(group);
  value <<= BigInt(16 * missing);
  for (const group of tail) value = (value << 16n) | BigInt(group);
  return value as Address;
}

/** Groups of one side of `::`; an embedded IPv4 tail counts as two and may only end the address. */
function parseGroups(text: string, endsAddress: boolean): number[] | undefined {
  if (text === '') return [];
  const groups: number[] = [];
  const parts = text.split(':');
  for (const [index, part] of parts.entries()) {
    if (/^[0-9a-fA-F]{1,4}$/.test(part)) {
      groups.push(Number.parseInt(part, 16));
      continue;
    }
    const v4 = endsAddress && index === parts.length - 1 ? parseIPv4(part) : undefined;
    if (v4 === undefined) return undefined;
    groups.push(v4 >>> 16, v4 & 0xffff);
  }
  return groups.length <= 8 ? groups : undefined;
}

function formatIPv4(value: number): string {
  return `${value >>> 24}.${(value >>> 16) & 255}.${(value >>> 8) & 255}.${value & 255}`;
}

function formatIPv6(address: Address): string {
  const groups: number[] = [];
  for (let shift = 112n; shift >= 0n; shift -= 16n)
    groups.push(Number((address >> shift) & 0xffffn));
  const run = longestZeroRun(groups);
  const hex = (part: number[]) => part.map((group) => group.toString(16)).join(':');
  if (run.length < 2) return hex(groups);
  return `${hex(groups.slice(0, run.start))}::${hex(groups.slice(run.start + run.length))}`;
}

function longestZeroRun(groups: number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  let start = 0;
  for (let i = 0; i <= groups.length; i++) {
    if (groups[i] === 0) continue;
    if (i - start > best.length) best = { start, length: i - start };
    start = i + 1;
  }
  return best;
}
