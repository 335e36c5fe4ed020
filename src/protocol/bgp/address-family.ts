import type { Family } from '../../domain/address.ts';

/** Address family numbers (IANA) that are spoken here. */
export const AFI = { ipv4: 1, ipv6: 2 } as const;

/** RFC 4760 §6: NLRI for unicast forwarding. */
export const SAFI_UNICAST = 1;

export function afiOf(family: Family): number {
  return family === 4 ? AFI.ipv4 : AFI.ipv6;
}

/** The family whose unicast routes this pair names; `undefined` for every other pair. */
export function familyOfPair(afi: number, safi: number): Family | undefined {
  if (safi !== SAFI_UNICAST) return undefined;
  return afi === AFI.ipv4 ? 4 : afi === AFI.ipv6 ? 6 : undefined;
}
