import type {
  Community,
  LargeCommunity,
  StandardCommunity,
} from '../../domain/bgp/bgp-community.ts';
import { formatLargeCommunity, parseCommunity } from '../../domain/bgp/bgp-community.ts';
import type { Snapshot } from '../../domain/snapshot.ts';
import { byAge } from './by-age.ts';

/** Communities by the names that Community objects give them. */
export type Aliases = ReadonlyMap<string, Community>;

/**
 * Where two objects give one name, the older counts. A name that nobody gives any more keeps its
 * meaning while an advertisement uses it: without, routes would lose their communities, or go.
 */
export function aliasesOf(
  { communities, bgpAdvertisements }: Snapshot,
  before: Aliases | undefined,
): Aliases {
  const aliases = new Map<string, Community>();
  const add = (name: string, community: Community) => {
    if (!aliases.has(name)) aliases.set(name, community);
  };
  for (const { communities: given } of [...communities.values()].sort(byAge))
    for (const [name, community] of given) add(name, community);
  for (const ad of bgpAdvertisements.values())
    for (const name of ad.communities) {
      const known = before?.get(name);
      if (known) add(name, known);
    }
  return aliases;
}

/** What an advertisement's communities mean, sorted and without duplicates. */
export interface ResolvedCommunities {
  readonly communities: readonly StandardCommunity[];
  readonly largeCommunities: readonly LargeCommunity[];
  /** Indexes of those that mean nothing. */
  readonly unknown: readonly number[];
}

export function resolveCommunities(
  texts: readonly string[],
  aliases: Aliases,
): ResolvedCommunities {
  const standard: StandardCommunity[] = [];
  const large: LargeCommunity[] = [];
  const unknown: number[] = [];
  for (const [index, text] of texts.entries()) {
    const community = aliases.get(text) ?? parseCommunity(text);
    if (!community) unknown.push(index);
    else if (community.kind === 'standard') standard.push(community.value);
    else large.push(community.value);
  }
  return { communities: sortNumbers(standard), largeCommunities: sortLarge(large), unknown };
}

export function sortNumbers<T extends number | bigint>(values: Iterable<T>): readonly T[] {
  return [...new Set(values)].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
}

export function sortLarge(values: Iterable<LargeCommunity>): readonly LargeCommunity[] {
  const unique = new Map([...values].map((value) => [formatLargeCommunity(value), value]));
  return [...unique.values()].sort(
    (a, b) => a.global - b.global || a.local1 - b.local1 || a.local2 - b.local2,
  );
}
