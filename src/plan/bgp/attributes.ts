import { type Address, type Family, familyOf } from '../../domain/address.ts';
import type { BgpAdvertisement } from '../../domain/bgp/bgp-advertisement.ts';
import { formatLargeCommunity, GRACEFUL_SHUTDOWN } from '../../domain/bgp/bgp-community.ts';
import type { RouteAttributes } from '../../domain/bgp/bgp-route.ts';
import { type ResolvedCommunities, sortLarge, sortNumbers } from './communities.ts';

/** What peers read where LOCAL_PREF is not said. */
const DEFAULT_LOCAL_PREF = 100;

/** What an advertisement says of routes of a family. */
export function attributesOf(
  ad: BgpAdvertisement,
  { communities, largeCommunities }: ResolvedCommunities,
  family: Family,
): RouteAttributes {
  return {
    communities,
    largeCommunities,
    extendedCommunities: sortNumbers(ad.extendedCommunities),
    localPref: ad.localPref,
    med: ad.med,
    prepend: ad.prepend,
    nextHop: ad.nextHops.find((address) => familyOf(address) === family),
  };
}

/** What two can contradict one another in. */
export type Contradiction = 'localPref' | 'med' | 'prepend' | 'nextHop';

/**
 * Whether two advertisements cannot be meant for one route. Of LOCAL_PREF that is MetalLB's rule, by
 * which not saying it differs from every value; of what MetalLB does not have, only saying two counts.
 */
export function contradict(a: RouteAttributes, b: RouteAttributes): Contradiction | '' {
  if (a.localPref !== b.localPref) return 'localPref';
  if (a.med !== undefined && b.med !== undefined && a.med !== b.med) return 'med';
  if (a.prepend > 0 && b.prepend > 0 && a.prepend !== b.prepend) return 'prepend';
  const differ = a.nextHop !== undefined && b.nextHop !== undefined && a.nextHop !== b.nextHop;
  return differ ? 'nextHop' : '';
}

/**
 * One route of two: all communities of both. Where they contradict one another, as those of several
 * Services under one prefix may, what a router would prefer.
 */
export function mergeAttributes(a: RouteAttributes, b: RouteAttributes): RouteAttributes {
  return {
    communities: sortNumbers([...a.communities, ...b.communities]),
    largeCommunities: sortLarge([...a.largeCommunities, ...b.largeCommunities]),
    extendedCommunities: sortNumbers([...a.extendedCommunities, ...b.extendedCommunities]),
    localPref: higherLocalPref(a.localPref, b.localPref),
    med: lower(a.med, b.med),
    prepend: lower(a.prepend || undefined, b.prepend || undefined) ?? 0,
    nextHop: lower(a.nextHop, b.nextHop),
  };
}

function higherLocalPref(a: number | undefined, b: number | undefined): number | undefined {
  const [first, second] = [a ?? DEFAULT_LOCAL_PREF, b ?? DEFAULT_LOCAL_PREF];
  if (first === second) return a ?? b;
  return first > second ? a : b;
}

function lower<T extends number | Address>(a: T | undefined, b: T | undefined): T | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return a < b ? a : b;
}

/** RFC 8326: peers are to prefer every other way, also those of the same AS that do not know it. */
export function leavingAttributes(attributes: RouteAttributes): RouteAttributes {
  const communities = sortNumbers([...attributes.communities, GRACEFUL_SHUTDOWN]);
  return { ...attributes, communities, localPref: 0 };
}

/** Equal for equal attributes. */
export function attributesText(attributes: RouteAttributes): string {
  const { localPref = '', med = '', prepend, nextHop = '' } = attributes;
  return [
    attributes.communities.join(),
    attributes.largeCommunities.map(formatLargeCommunity).join(),
    attributes.extendedCommunities.join(),
    localPref,
    med,
    prepend,
    nextHop,
  ].join('|');
}
