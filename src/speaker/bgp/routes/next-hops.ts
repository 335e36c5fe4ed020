import { type Address, type Family, familyOf, isLinkLocal } from '../../../domain/address.ts';
import type { MpNextHop } from '../../../protocol/bgp/message.ts';
import type { OwnAddress } from '../place/own-addresses.ts';

/** This side as the next hop of prefixes of each family; `undefined`: it has none that would do. */
export interface NextHops {
  readonly 4: MpNextHop | undefined;
  readonly 6: MpNextHop | undefined;
}

export interface NextHopsOptions {
  /** This side's address of the session's connection. */
  readonly local: Address;
  /** IPv4 prefixes may have IPv6 next hops (RFC 8950). */
  readonly extendedNextHop: boolean;
  readonly own: readonly OwnAddress[];
}

/**
 * Next hop self: of the connection's own family its local address; of the other one an address of the
 * same interface. IPv4 over a link-local connection goes by the IPv6 next hop where both sides can,
 * since the interface needs no IPv4 address then.
 */
export function nextHopsOf({ local, extendedNextHop, own }: NextHopsOptions): NextHops {
  const ifindex = own.find(({ address }) => address === local)?.ifindex;
  const mates = own.filter((one) => one.ifindex === ifindex).map(({ address }) => address);
  if (familyOf(local) === 4) return { 4: alone(local), 6: sixth(mates) };
  const six = isLinkLocal(local) ? withLinkLocal(local, mates) : alone(local);
  const four = mates.find((address) => familyOf(address) === 4);
  const unnumbered = isLinkLocal(local) && extendedNextHop;
  return {
    4: four === undefined || unnumbered ? (extendedNextHop ? six : undefined) : alone(four),
    6: six,
  };
}

/** Which families a session has, and no next hop for. */
export function familiesWithoutNextHop(
  families: readonly Family[],
  nextHops: NextHops,
): readonly Family[] {
  return families.filter((family) => nextHops[family] === undefined);
}

function alone(global: Address): MpNextHop {
  return { global, linkLocal: undefined };
}

function sixth(mates: readonly Address[]): MpNextHop | undefined {
  const global = mates.find(isGlobal6);
  return global === undefined ? undefined : alone(global);
}

/** RFC 2545 §3; an interface without a global address has its link-local one alone. */
function withLinkLocal(linkLocal: Address, mates: readonly Address[]): MpNextHop {
  const global = mates.find(isGlobal6);
  return global === undefined ? alone(linkLocal) : { global, linkLocal };
}

function isGlobal6(address: Address): boolean {
  return familyOf(address) === 6 && !isLinkLocal(address);
}
