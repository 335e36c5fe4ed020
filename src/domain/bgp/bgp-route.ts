import type { Address } from '../address.ts';
import type { ObjectKey } from '../object.ts';
import type { Prefix } from '../prefix.ts';
import type { ExtendedCommunity, LargeCommunity, StandardCommunity } from './bgp-community.ts';

/** What is said of a route besides AS_PATH and ORIGIN. Lists are sorted and without duplicates. */
export interface RouteAttributes {
  readonly communities: readonly StandardCommunity[];
  readonly largeCommunities: readonly LargeCommunity[];
  readonly extendedCommunities: readonly ExtendedCommunity[];
  /** Sent to peers of the same AS only; `undefined` is sent as 100. */
  readonly localPref: number | undefined;
  readonly med: number | undefined;
  readonly prepend: number;
  /** In place of this side's own address; `undefined`: next hop self. */
  readonly nextHop: Address | undefined;
}

/** A prefix that this box announces, and to whom. */
export interface BgpRoute {
  readonly prefix: Prefix;
  /**
   * By key of the BGPPeer. Equal attributes are one object within a plan, and so are equal maps, so that
   * 10,000 routes are grouped by identity.
   */
  readonly byPeer: ReadonlyMap<ObjectKey, RouteAttributes>;
}
