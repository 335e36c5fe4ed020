import type { Address } from '../address.ts';
import type { ObjectMeta } from '../object.ts';
import type { LabelSelector } from '../selector.ts';
import type { ExtendedCommunity } from './bgp-community.ts';

/** `BGPAdvertisement` of metallb.io/v1beta1. Empty lists do not restrict. */
export interface BgpAdvertisement extends ObjectMeta {
  /** Names of pools; with `poolSelectors` a pool must match one of either. */
  readonly pools: readonly string[];
  readonly poolSelectors: readonly LabelSelector[];
  /** One of them must match the labels of the box (EdgeNode or Node). */
  readonly nodeSelectors: readonly LabelSelector[];
  readonly serviceSelectors: readonly LabelSelector[];
  /** Names of BGPPeers. */
  readonly peers: readonly string[];
  /** Bits of the prefix that is announced; 32 and 128: each address by itself. */
  readonly aggregationLength: number;
  readonly aggregationLengthV6: number;
  /** For peers of the same AS; `undefined`: not said, which peers read as 100. */
  readonly localPref: number | undefined;
  /** As written: numbers, well-known names or names that a Community object gives. */
  readonly communities: readonly string[];
  /** `tidegate.io/extended-communities`, comma-separated. */
  readonly extendedCommunities: readonly ExtendedCommunity[];
  /** `tidegate.io/med`: MULTI_EXIT_DISC (RFC 4271 §5.1.4). */
  readonly med: number | undefined;
  /** `tidegate.io/as-path-prepend`: how often this side's AS stands in the path once more; 0 to 16. */
  readonly prepend: number;
  /** `tidegate.io/next-hop`: addresses in place of this box's own, at most one a family. */
  readonly nextHops: readonly Address[];
}
