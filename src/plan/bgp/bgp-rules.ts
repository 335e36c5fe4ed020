import type { Address, Family } from '../../domain/address.ts';
import type { BgpPeer } from '../../domain/bgp/bgp-peer.ts';
import type { RouteAttributes } from '../../domain/bgp/bgp-route.ts';
import { sessionFamilies } from '../../domain/bgp/session-families.ts';
import type { Labels, ObjectKey } from '../../domain/object.ts';
import type { Snapshot } from '../../domain/snapshot.ts';
import { byPool, matchesAny } from '../announcing/by-pool.ts';
import type { WithholdReason } from '../announcing/reasons.ts';
import { arrange, ownAds, type RuleSet } from './arrange.ts';
import { leavingAttributes, mergeAttributes } from './attributes.ts';
import type { Aliases } from './communities.ts';
import type { ByPeer, Interner } from './intern.ts';
import { type BgpRule, conflict } from './rule.ts';

/** What a Service is announced by, in one family. */
export interface Offer {
  /** Empty when it can be announced. */
  readonly reason: WithholdReason;
  /** Keys of the advertisements. */
  readonly advertisements: readonly ObjectKey[];
  /** Prefixes around each of its addresses. */
  readonly paths: readonly OfferedPath[];
}

export interface OfferedPath {
  readonly length: number;
  /** Never empty. */
  readonly byPeer: ByPeer;
}

export interface BgpRules {
  /** `pool` is the pool of the address by the Service's status, for want of a better. */
  offerFor(address: Address, family: Family, pool: string, service: Labels): Offer;
}

/** What the box says to whom. */
export interface Speaking {
  readonly peers: readonly BgpPeer[];
  readonly leaving: boolean;
  readonly interner: Interner;
}

export function bgpRulesOf(
  { bgpAdvertisements, pools }: Snapshot,
  labels: Labels,
  aliases: Aliases,
  speaking: Speaking,
): BgpRules {
  const ads = ownAds(bgpAdvertisements.values(), labels, aliases);
  const sets = byPool<RuleSet>(
    pools,
    (pool) => (range) => arrange(ads, pool, range),
    (name) => arrange(ads, { name, labels: undefined }, undefined),
  );
  const offers = new Map<string, Offer>();
  return {
    offerFor(address, family, pool, service) {
      const { rules, reason } = sets.for(address, pool);
      const chosen = rules.filter(({ ad }) => matchesAny(ad.serviceSelectors, service));
      if (chosen.length === 0)
        return noOffer(rules.length > 0 ? 'noMatchingAdvertisement' : reason);
      const key = [family, ...chosen.map(({ ad }) => ad.key)].join(' ');
      const offer = offers.get(key) ?? offerOf(chosen, family, speaking);
      offers.set(key, offer);
      return offer;
    },
  };
}

function noOffer(reason: WithholdReason): Offer {
  return { reason, advertisements: [], paths: [] };
}

function offerOf(rules: readonly BgpRule[], family: Family, speaking: Speaking): Offer {
  const contradicts = rules.some((rule, index) =>
    rules.slice(0, index).some((older) => conflict(rule, older, family)),
  );
  if (contradicts) return noOffer('conflictingAdvertisements');
  const lengths = [...new Set(rules.map(({ length }) => length[family]))];
  const paths = lengths.flatMap((length): OfferedPath[] => {
    const sameLength = rules.filter((rule) => rule.length[family] === length);
    const byPeer = byPeerOf(sameLength, family, speaking);
    return byPeer.size > 0 ? [{ length, byPeer }] : [];
  });
  const advertisements = rules.map(({ ad }) => ad.key).sort();
  return { reason: paths.length > 0 ? '' : 'noPeer', advertisements, paths };
}

/** Peers whose sessions do not carry the family are left out. */
function byPeerOf(
  rules: readonly BgpRule[],
  family: Family,
  { peers, leaving, interner }: Speaking,
): ByPeer {
  const entries: [ObjectKey, RouteAttributes][] = [];
  for (const peer of peers) {
    if (!sessionFamilies(peer).includes(family)) continue;
    const said = rules
      .filter(({ ad }) => ad.peers.length === 0 || ad.peers.includes(peer.name))
      .map(({ attributes }) => attributes[family]);
    if (said.length === 0) continue;
    const merged = said.reduce(mergeAttributes);
    entries.push([peer.key, leaving ? leavingAttributes(merged) : merged]);
  }
  return interner.byPeer(entries);
}
