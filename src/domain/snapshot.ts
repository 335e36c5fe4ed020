import type { BfdProfile } from './bgp/bfd-profile.ts';
import type { BgpAdvertisement } from './bgp/bgp-advertisement.ts';
import type { BgpPeer } from './bgp/bgp-peer.ts';
import type { BgpStatus } from './bgp/bgp-status.ts';
import type { CommunityNames } from './bgp/community-names.ts';
import type { EdgeNode } from './edge-node.ts';
import type { ServiceEndpoints } from './endpoints.ts';
import { KeyedMap } from './keyed-map.ts';
import type { L2Advertisement } from './l2-advertisement.ts';
import type { L2Status } from './l2-status.ts';
import type { Namespace } from './namespace.ts';
import type { Node } from './node.ts';
import type { Pod } from './pod.ts';
import type { Pool } from './pool.ts';
import type { Problem } from './problem.ts';
import type { Secret } from './secret.ts';
import type { Service, ServiceStatus } from './service.ts';

/**
 * The cluster at one moment: immutable, with structural sharing, so that what did not change is the
 * same object as in the snapshot before. Planning compares by identity and visits only differences.
 */
export interface Snapshot {
  /** Grows by one with each published change; travels into logs, API and metrics. */
  readonly revision: number;
  readonly services: KeyedMap<Service>;
  /** By Service key. Kept apart from the Service, as it is kept apart on disk and changes by itself. */
  readonly statuses: KeyedMap<ServiceStatus>;
  /** By Service key. */
  readonly endpoints: KeyedMap<ServiceEndpoints>;
  readonly nodes: KeyedMap<Node>;
  readonly namespaces: KeyedMap<Namespace>;
  readonly pods: KeyedMap<Pod>;
  readonly secrets: KeyedMap<Secret>;
  readonly pools: KeyedMap<Pool>;
  readonly l2Advertisements: KeyedMap<L2Advertisement>;
  readonly edgeNodes: KeyedMap<EdgeNode>;
  readonly l2Statuses: KeyedMap<L2Status>;
  readonly bgpPeers: KeyedMap<BgpPeer>;
  readonly bgpAdvertisements: KeyedMap<BgpAdvertisement>;
  readonly bfdProfiles: KeyedMap<BfdProfile>;
  readonly communities: KeyedMap<CommunityNames>;
  readonly bgpStatuses: KeyedMap<BgpStatus>;
  /** What is wrong in the input now; the objects concerned are here in their last good version. */
  readonly problems: readonly Problem[];
  /**
   * This is what an earlier process last saw: the cluster has not been read yet. Good for forwarding and
   * announcing as before, not for decisions.
   */
  readonly remembered: boolean;
}

export const EMPTY_SNAPSHOT: Snapshot = {
  revision: 0,
  services: KeyedMap.empty(),
  statuses: KeyedMap.empty(),
  endpoints: KeyedMap.empty(),
  nodes: KeyedMap.empty(),
  namespaces: KeyedMap.empty(),
  pods: KeyedMap.empty(),
  secrets: KeyedMap.empty(),
  pools: KeyedMap.empty(),
  l2Advertisements: KeyedMap.empty(),
  edgeNodes: KeyedMap.empty(),
  l2Statuses: KeyedMap.empty(),
  bgpPeers: KeyedMap.empty(),
  bgpAdvertisements: KeyedMap.empty(),
  bfdProfiles: KeyedMap.empty(),
  communities: KeyedMap.empty(),
  bgpStatuses: KeyedMap.empty(),
  problems: [],
  remembered: false,
};
