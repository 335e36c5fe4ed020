import { type Address, familyOf } from '../../domain/address.ts';
import type { OwnAddress } from './place/own-addresses.ts';

/** Where a router ID comes from, for the log: nobody likes to guess. */
export interface ChosenRouterId {
  /** Not zero (RFC 6286 §2.1). */
  readonly routerId: number;
  readonly origin: 'settings' | 'address' | 'name';
}

/**
 * The router ID of this box: that of the settings, else its lowest IPv4 address, else (an IPv6-only box)
 * one that is made from its name, so that it stays the same and differs from the other boxes'.
 */
export function chooseRouterId(
  settings: Address | undefined,
  own: readonly OwnAddress[],
  node: string,
): ChosenRouterId {
  if (settings !== undefined) return { routerId: low32(settings), origin: 'settings' };
  const address = own.find((one) => familyOf(one.address) === 4)?.address;
  if (address !== undefined) return { routerId: low32(address), origin: 'address' };
  return { routerId: hashOf(node) || 1, origin: 'name' };
}

function low32(address: Address): number {
  return Number(address & 0xffff_ffffn);
}

/** FNV-1a with a final mix, 32 bits. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) hash = Math.imul(hash ^ byte, 0x01000193);
  hash ^= hash >>> 15;
  hash = Math.imul(hash, 0x2c1b3c6d);
  return (hash ^ (hash >>> 13)) >>> 0;
}
