import type { BgpRoute } from '../domain/bgp/bgp-route.ts';
import { KeyedMap } from '../domain/keyed-map.ts';
import type { VipServing } from '../domain/observed.ts';
import type { Snapshot } from '../domain/snapshot.ts';
import type { AnnounceSettings } from './announce.ts';
import type { PlannedBgpVip } from './bgp/planned-bgp-vip.ts';
import type { PlannedPeer } from './bgp/planned-peer.ts';

/** What is planned, with what it was made from. */
export interface BgpPlan {
  readonly revision: number;
  /** By key of the BGPPeer: those that choose this box, refused ones with them. */
  readonly peers: KeyedMap<PlannedPeer>;
  /** By text of the prefix; a route without peers is not there. */
  readonly routes: KeyedMap<BgpRoute>;
  /** By text of the address. */
  readonly vips: KeyedMap<PlannedBgpVip>;
  /**
   * The box is being stopped or drains (its EdgeNode says so, or is being deleted): routes are as ever but
   * for RFC 8326's GRACEFUL_SHUTDOWN and a LOCAL_PREF of 0, so that peers move traffic before it ends.
   * The speaker withdraws them when it has waited.
   */
  readonly leaving: boolean;
  /** How many addresses this step planned anew. */
  readonly planned: number;
  readonly basis: {
    readonly snapshot: Snapshot;
    readonly serving: KeyedMap<VipServing>;
    readonly settings: AnnounceSettings;
  };
}

export function planBgp(
  previous: BgpPlan | undefined,
  snapshot: Snapshot,
  serving: KeyedMap<VipServing>,
  settings: AnnounceSettings,
  leaving: boolean,
): BgpPlan {
  return {
    revision: snapshot.revision,
    peers: previous?.peers ?? KeyedMap.empty(),
    routes: previous?.routes ?? KeyedMap.empty(),
    vips: previous?.vips ?? KeyedMap.empty(),
    leaving,
    planned: 0,
    basis: { snapshot, serving, settings },
  };
}
