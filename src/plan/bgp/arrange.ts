import { familyOf } from '../../domain/address.ts';
import type { BgpAdvertisement } from '../../domain/bgp/bgp-advertisement.ts';
import type { Labels } from '../../domain/object.ts';
import type { Pool } from '../../domain/pool.ts';
import type { AddressRange } from '../../domain/prefix.ts';
import { choosesBox, isForPool } from '../announcing/by-pool.ts';
import type { WithholdReason } from '../announcing/reasons.ts';
import { byAge } from './by-age.ts';
import type { Aliases } from './communities.ts';
import type { Fault } from './fault.ts';
import { type BgpRule, conflict, ruleOf, tooShort } from './rule.ts';

/** The rules for the addresses of a range, on one box. */
export interface RuleSet {
  /** The older first. */
  readonly rules: readonly BgpRule[];
  /** Why there are none. */
  readonly reason: WithholdReason;
  readonly faults: readonly AdFault[];
}

export interface AdFault {
  readonly ad: BgpAdvertisement;
  readonly fault: Fault;
}

/** Advertisements that are for a box, as rules. `undefined`: a community of it is not known. */
export interface OwnAds {
  readonly all: readonly BgpAdvertisement[];
  readonly rules: ReadonlyMap<BgpAdvertisement, BgpRule | undefined>;
}

/** Without `labels` for a box that everything chooses. */
export function ownAds(
  ads: Iterable<BgpAdvertisement>,
  labels: Labels | undefined,
  aliases: Aliases,
): OwnAds {
  const all = [...ads].sort(byAge);
  const own = all.filter(({ nodeSelectors }) => choosesBox(nodeSelectors, labels));
  return { all, rules: new Map(own.map((ad) => [ad, ruleOf(ad, aliases)])) };
}

type PoolName = Pick<Pool, 'name'> & { readonly labels: Labels | undefined };

/**
 * An advertisement that must not be for a range is left out for that range only, so that a new pool or a new
 * advertisement takes away nothing that works. Those with `serviceSelectors` may contradict one another:
 * only a Service that several of them select shows whether they do. `range` is absent for a pool that
 * cannot be read.
 */
export function arrange(
  { all, rules }: OwnAds,
  { name, labels }: PoolName,
  range: AddressRange | undefined,
): RuleSet {
  const kept: BgpRule[] = [];
  const faults: AdFault[] = [];
  let reason = 'noMatchingAdvertisement';
  for (const ad of all) {
    if (!isForPool(ad, name, labels)) continue;
    const rule = rules.get(ad);
    if (!rule) {
      reason = rules.has(ad) ? 'unknownCommunity' : worse(reason, 'notOwner');
      continue;
    }
    const short = range && tooShort(rule, range);
    const fault = short ?? (range && contradictionWith(kept, rule, range));
    if (fault) faults.push({ ad, fault });
    else kept.push(rule);
    if (short) reason = 'aggregationTooShort';
  }
  return { rules: kept, reason, faults };
}

/** Of two reasons the one that says more. */
function worse(reason: WithholdReason, other: WithholdReason): WithholdReason {
  return reason === 'noMatchingAdvertisement' ? other : reason;
}

function contradictionWith(
  kept: readonly BgpRule[],
  rule: BgpRule,
  range: AddressRange,
): Fault | undefined {
  if (isSelective(rule)) return undefined;
  for (const older of kept) {
    const fault = isSelective(older) ? undefined : conflict(rule, older, familyOf(range.first));
    if (fault) return fault;
  }
  return undefined;
}

function isSelective({ ad }: BgpRule): boolean {
  return ad.serviceSelectors.length > 0;
}
