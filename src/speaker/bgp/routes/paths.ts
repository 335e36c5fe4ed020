import { type Address, type Family, familyOf } from '../../../domain/address.ts';
import type { RouteAttributes } from '../../../domain/bgp/bgp-route.ts';
import { BARE_PATH, type MpNextHop, type PathAttributes } from '../../../protocol/bgp/message.ts';
import type { NextHops } from './next-hops.ts';

/** What of a session stands in the paths that it carries. */
export interface PathContext {
  readonly localAsn: number;
  /** The peer is of the same AS. */
  readonly internal: boolean;
  /** IPv4 prefixes may have IPv6 next hops (RFC 8950). */
  readonly extendedNextHop: boolean;
  /** This side itself, by family of the prefix. */
  readonly nextHops: NextHops;
}

/**
 * The path of a prefix of this family; the same object for equal paths, so that prefixes are grouped by
 * identity. `undefined`: it cannot be said in this session, for want of a next hop.
 */
export type Paths = (attributes: RouteAttributes, family: Family) => PathAttributes | undefined;

/** What RFC 4271 §5.1.5 has a path be worth that says nothing. */
const DEFAULT_LOCAL_PREF = 100;

/** `known`: paths of before, by their text; what is the same in this context stays the same object. */
export function createPaths(
  context: PathContext,
  known = new Map<string, PathAttributes>(),
): Paths {
  const byFamily = {
    4: new WeakMap<RouteAttributes, PathAttributes>(),
    6: new WeakMap<RouteAttributes, PathAttributes>(),
  };
  return (attributes, family) => {
    const cached = byFamily[family].get(attributes);
    if (cached) return cached;
    const path = pathOf(attributes, family, context);
    if (!path) return undefined;
    const text = JSON.stringify(path, (_, value) =>
      typeof value === 'bigint' ? String(value) : value,
    );
    const same = known.get(text) ?? path;
    known.set(text, same);
    byFamily[family].set(attributes, same);
    return same;
  };
}

function pathOf(
  attributes: RouteAttributes,
  family: Family,
  { localAsn, internal, extendedNextHop, nextHops }: PathContext,
): PathAttributes | undefined {
  const { communities, largeCommunities, extendedCommunities, localPref, med } = attributes;
  const own = nextHops[family];
  const nextHop = attributes.nextHop === undefined ? own : single(attributes.nextHop);
  if (!nextHop || !canCarry(family, nextHop, extendedNextHop)) return undefined;
  const asns = new Array<number>(1 + attributes.prepend).fill(localAsn);
  const isPlain = familyOf(nextHop.global) === 4;
  return {
    ...BARE_PATH,
    asPath: internal ? [] : [{ kind: 'sequence', asns }],
    nextHop: isPlain ? nextHop.global : undefined,
    mpNextHop: isPlain ? undefined : nextHop,
    localPref: internal ? (localPref ?? DEFAULT_LOCAL_PREF) : undefined,
    med,
    communities,
    largeCommunities,
    extendedCommunities,
  };
}

function single(global: Address): MpNextHop {
  return { global, linkLocal: undefined };
}

function canCarry(family: Family, { global }: MpNextHop, extendedNextHop: boolean): boolean {
  return familyOf(global) === family || (family === 4 && extendedNextHop);
}
