import { type Address, addressFromBigInt, type Family, familyOf } from '../../domain/address.ts';
import type { AddressRange } from '../../domain/prefix.ts';

/**
 * One range of a pool as a row of places that may be given. With `avoidBuggyIPs` the .0 and .255 of
 * every /24 have no place, so that neither search nor counting needs to step over them.
 */
export interface Lane {
  /** Unique among the lanes of one pool table. */
  readonly id: string;
  readonly family: Family;
  /** First and last place; `last` is below `first` when no address may be given. */
  readonly first: bigint;
  readonly last: bigint;
  readonly skipsBuggy: boolean;
}

/** Holds every address that is in no pool: those kept for holders of a pool that cannot be read. */
export const OUTSIDE: Lane = {
  id: 'outside',
  family: 6,
  first: 0n,
  last: (1n << 128n) - 1n,
  skipsBuggy: false,
};

export function laneOf(id: string, range: AddressRange, avoidBuggyIPs: boolean): Lane {
  const family = familyOf(range.first);
  const { first, last } = range;
  if (!avoidBuggyIPs || family === 6) return { id, family, first, last, skipsBuggy: false };
  const firstPlace = isBuggy(first) ? placeAfter(first) : densePlace(first);
  const lastPlace = isBuggy(last) ? placeAfter(last) - 1n : densePlace(last);
  return { id, family, first: firstPlace, last: lastPlace, skipsBuggy: true };
}

/** Where an address of this lane's range stands; `undefined` when it may not be given. */
export function placeOf(lane: Lane, address: Address): bigint | undefined {
  if (!lane.skipsBuggy) return address;
  return isBuggy(address) ? undefined : densePlace(address);
}

export function addressAt(lane: Lane, place: bigint): Address {
  if (!lane.skipsBuggy) return addressFromBigInt(place);
  return addressFromBigInt(((place / PER_24) << 8n) | ((place % PER_24) + 1n));
}

/** How many addresses the lane has to give. Never negative, as large as IPv6 needs. */
export function laneSize(lane: Lane): bigint {
  return lane.last < lane.first ? 0n : lane.last - lane.first + 1n;
}

/** Usable addresses of an IPv4 /24 without .0 and .255. */
const PER_24 = 254n;

function isBuggy(address: Address): boolean {
  const octet = address & 255n;
  return octet === 0n || octet === 255n;
}

function densePlace(address: Address): bigint {
  return (address >> 8n) * PER_24 + (address & 255n) - 1n;
}

/** The place of the next address that has one. */
function placeAfter(buggy: Address): bigint {
  const block = buggy >> 8n;
  return ((buggy & 255n) === 0n ? block : block + 1n) * PER_24;
}
