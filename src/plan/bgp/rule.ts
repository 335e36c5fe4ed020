import { type Family, familyOf } from '../../domain/address.ts';
import type { BgpAdvertisement } from '../../domain/bgp/bgp-advertisement.ts';
import type { RouteAttributes } from '../../domain/bgp/bgp-route.ts';
import { type AddressRange, formatRange, shortestPrefixIn } from '../../domain/prefix.ts';
import { attributesOf, contradict } from './attributes.ts';
import { type Aliases, resolveCommunities } from './communities.ts';
import type { Fault } from './fault.ts';

/** A BGPAdvertisement as the routes by it are made. */
export interface BgpRule {
  readonly ad: BgpAdvertisement;
  /** Bits of the prefixes, and what is said of them, by family. */
  readonly length: Readonly<Record<Family, number>>;
  readonly attributes: Readonly<Record<Family, RouteAttributes>>;
}

/** `undefined` when a community is not known: a route without it could go where it must not. */
export function ruleOf(ad: BgpAdvertisement, aliases: Aliases): BgpRule | undefined {
  const communities = resolveCommunities(ad.communities, aliases);
  if (communities.unknown.length > 0) return undefined;
  return {
    ad,
    length: { 4: ad.aggregationLength, 6: ad.aggregationLengthV6 },
    attributes: { 4: attributesOf(ad, communities, 4), 6: attributesOf(ad, communities, 6) },
  };
}

/**
 * MetalLB's rule (`validateBGPAdvPerPool`): the announced prefix must not be shorter than every prefix
 * that the range consists of, or it would draw traffic for addresses of others.
 */
export function tooShort({ ad, length }: BgpRule, range: AddressRange): Fault | undefined {
  const family = familyOf(range.first);
  const shortest = shortestPrefixIn(range);
  if (length[family] >= shortest) return undefined;
  const field = family === 4 ? 'aggregationLength' : 'aggregationLengthV6';
  const value = family === 4 ? ad.aggregationLength : ad.aggregationLengthV6;
  return {
    field: `spec.${field}`,
    message: `"${value}" reaches beyond ${formatRange(range)}, which it is for`,
    remedy: `Use "${shortest}" or more, or leave that pool to another BGPAdvertisement`,
  };
}

/**
 * MetalLB's rule (`BGPAdvertisementsHaveCompatibleLocalPref`): two that may be for one route of a box must
 * agree. `undefined`: they do, or are for different prefixes or peers.
 */
export function conflict(rule: BgpRule, older: BgpRule, family: Family): Fault | undefined {
  if (rule.length[family] !== older.length[family]) return undefined;
  const [a, b] = [rule.ad.peers, older.ad.peers];
  if (a.length > 0 && b.length > 0 && !a.some((name) => b.includes(name))) return undefined;
  const what = contradict(rule.attributes[family], older.attributes[family]);
  if (what === '') return undefined;
  return {
    field: FIELDS[what],
    message: `BGPAdvertisement "${older.ad.name}" says otherwise of the same routes`,
    remedy:
      'Say the same in both, or have them differ in pools, peers, nodes or aggregation length',
  };
}

const FIELDS = {
  localPref: 'spec.localPref',
  med: 'metadata.annotations[tidegate.io/med]',
  prepend: 'metadata.annotations[tidegate.io/as-path-prepend]',
  nextHop: 'metadata.annotations[tidegate.io/next-hop]',
} as const;
