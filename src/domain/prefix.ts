import {
  type Address,
  addressFromBigInt,
  compareAddresses,
  type Family,
  familyOf,
  formatAddress,
  parseAddress,
} from './address.ts';

/** A CIDR prefix. `base` has its host bits cleared; `length` counts in the family's own terms (0..32 or 0..128). */
export interface Prefix {
  readonly base: Address;
  readonly length: number;
}

/** An inclusive range of addresses of one family, `first` ≤ `last`. */
export interface AddressRange {
  readonly first: Address;
  readonly last: Address;
}

/** Reads `address/length`. Host bits are ignored, as MetalLB ignores them. A bare address is not a prefix. */
export function parsePrefix(text: string): Prefix | undefined {
  const slash = text.indexOf('/');
  if (slash < 0) return undefined;
  const address = parseAddress(text.slice(0, slash));
  const digits = text.slice(slash + 1);
  if (address === undefined || !/^(0|[1-9][0-9]{0,2})$/.test(digits)) return undefined;
  const length = Number(digits);
  if (length > bitsOf(familyOf(address))) return undefined;
  return prefixAround(address, length);
}

/** The prefix of a length that an address lies in. */
export function prefixAround(address: Address, length: number): Prefix {
  return { base: addressFromBigInt(address & ~hostMask(familyOf(address), length)), length };
}

export function formatPrefix(prefix: Prefix): string {
  return `${formatAddress(prefix.base)}/${prefix.length}`;
}

/** Reads a pool's entry: `address/length` or `first-last` (spaces around the dash allowed). */
export function parseRange(text: string): AddressRange | undefined {
  const prefix = parsePrefix(text.trim());
  if (prefix) return rangeOfPrefix(prefix);
  const [left, right, ...rest] = text.split('-');
  if (left === undefined || right === undefined || rest.length > 0) return undefined;
  const first = parseAddress(left.trim());
  const last = parseAddress(right.trim());
  if (first === undefined || last === undefined) return undefined;
  if (familyOf(first) !== familyOf(last) || compareAddresses(first, last) > 0) return undefined;
  return { first, last };
}

export function formatRange(range: AddressRange): string {
  return `${formatAddress(range.first)}-${formatAddress(range.last)}`;
}

export function rangeOfPrefix(prefix: Prefix): AddressRange {
  const last = prefix.base | hostMask(familyOf(prefix.base), prefix.length);
  return { first: prefix.base, last: addressFromBigInt(last) };
}

export function rangeContains(range: AddressRange, address: Address): boolean {
  return (
    familyOf(range.first) === familyOf(address) && address >= range.first && address <= range.last
  );
}

export function rangesOverlap(a: AddressRange, b: AddressRange): boolean {
  return a.first <= b.last && b.first <= a.last;
}

export function prefixContains(prefix: Prefix, address: Address): boolean {
  return rangeContains(rangeOfPrefix(prefix), address);
}

/** How many addresses; a bigint, since an IPv6 /64 does not fit a number. */
export function rangeSize(range: AddressRange): bigint {
  return range.last - range.first + 1n;
}

/** Length of the shortest prefix, the largest block, that lies in a range as a whole. */
export function shortestPrefixIn({ first, last }: AddressRange): number {
  const bits = bitsOf(familyOf(first));
  for (let length = 0; length < bits; length++) {
    const mask = hostMask(familyOf(first), length);
    const base = (first + mask) & ~mask;
    if (base + mask <= last) return length;
  }
  return bits;
}

function bitsOf(family: Family): number {
  return family === 4 ? 32 : 128;
}

function hostMask(family: Family, length: number): bigint {
  return (1n << BigInt(bitsOf(family) - length)) - 1n;
}
