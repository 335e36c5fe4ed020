import { KeyedMap } from '../domain/keyed-map.ts';
import type { VipServing } from '../domain/observed.ts';
import type { Snapshot } from '../domain/snapshot.ts';
import type { AnnounceSettings } from './announce.ts';
import { type HoldersBasis, updateHolders } from './announcing/holders.ts';
import { type BgpField, bgpFieldOf } from './bgp/bgp-field.ts';
import { type Path, planBgpAddress, samePaths, sameVip } from './bgp/plan-bgp-address.ts';
import { planPeers } from './bgp/plan-peers.ts';
import type { PlannedBgpVip } from './bgp/planned-bgp-vip.ts';
import type { PlannedPeer } from './bgp/planned-peer.ts';
import { type PathChange, type RoutesBasis, updateRoutes } from './bgp/routes.ts';

/** What is planned, with what it was made from. */
export interface BgpPlan {
  readonly revision: number;
  /** By key of the BGPPeer: those that choose this box, refused ones with them. */
  readonly peers: KeyedMap<PlannedPeer>;
  /** By text of the prefix; a route without peers is not there. */
  readonly routes: RoutesBasis['routes'];
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
  readonly basis: HoldersBasis & {
    readonly settings: AnnounceSettings;
    /** By text of the address: what it contributes to routes. */
    readonly paths: KeyedMap<readonly Path[]>;
    readonly demands: RoutesBasis['demands'];
    /** `undefined` before the first complete read of the cluster. */
    readonly field: BgpField | undefined;
  };
}

/**
 * Plans to which routers this box speaks, and what it tells them: routes to the addresses in the status of
 * LoadBalancer Services of ours that BGPAdvertisements let it announce and that the forwarding core can
 * serve (`serving`, by address text). Other than with ARP every box announces, and routers choose.
 *
 * Before the first complete read of the cluster (revision 0) nobody knows any peer: the plan is empty,
 * which is not to say that routes that a peer still has are to go.
 *
 * Incremental by identity: an address is planned anew when its holders or its report changed; all are when a
 * box, a peer, a pool, an advertisement or a community did. The result is the same as planning from
 * nothing, but that a community whose name is no longer given keeps its meaning while it is used.
 */
export function planBgp(
  previous: BgpPlan | undefined,
  snapshot: Snapshot,
  serving: KeyedMap<VipServing>,
  settings: AnnounceSettings,
  stopping: boolean,
): BgpPlan {
  if (snapshot.revision === 0) return nothing(snapshot, serving, settings, stopping);
  const before =
    previous?.basis.settings === settings
      ? previous
      : nothing(snapshot, KeyedMap.empty(), settings, stopping);
  const { basis } = before;
  const field = bgpFieldOf(basis.field, snapshot, settings.box, stopping, before.routes);
  const peersBasis = basis.field && {
    peers: before.peers,
    own: basis.field.peers,
    snapshot: basis.snapshot,
  };
  const { holders, dirty } = updateHolders(
    basis.field && basis,
    snapshot,
    serving,
    settings.loadBalancer,
  );
  if (concernsAll(basis.field, field) || basis.serving.size > 0 !== serving.size > 0)
    for (const text of holders.keys()) dirty.add(text);
  const { vips, paths, changes } = planAddresses(before, dirty, (text) =>
    planBgpAddress(text, holders.get(text), serving, field),
  );
  const { routes, demands } = updateRoutes(
    { routes: before.routes, demands: basis.demands },
    changes,
    field.interner,
  );
  return {
    revision: snapshot.revision,
    peers: planPeers(peersBasis, field.peers, snapshot),
    routes,
    vips,
    leaving: field.leaving,
    planned: dirty.size,
    basis: { snapshot, serving, settings, holders, paths, demands, field },
  };
}

function nothing(
  snapshot: Snapshot,
  serving: KeyedMap<VipServing>,
  settings: AnnounceSettings,
  leaving: boolean,
): BgpPlan {
  const empty = { holders: KeyedMap.empty<never>(), paths: KeyedMap.empty<never>() };
  return {
    revision: snapshot.revision,
    peers: KeyedMap.empty(),
    routes: KeyedMap.empty(),
    vips: KeyedMap.empty(),
    leaving,
    planned: 0,
    basis: { snapshot, serving, settings, ...empty, demands: KeyedMap.empty(), field: undefined },
  };
}

function concernsAll(before: BgpField | undefined, now: BgpField): boolean {
  return (
    before?.rules !== now.rules || before.boxes.self.nodeObstacle !== now.boxes.self.nodeObstacle
  );
}

function planAddresses(
  before: BgpPlan,
  dirty: ReadonlySet<string>,
  plan: (text: string) => ReturnType<typeof planBgpAddress>,
) {
  const vips: [string, PlannedBgpVip | undefined][] = [];
  const paths: [string, readonly Path[] | undefined][] = [];
  const changes: PathChange[] = [];
  for (const text of dirty) {
    const next = plan(text);
    const oldVip = before.vips.get(text);
    vips.push([text, oldVip && next && sameVip(oldVip, next.vip) ? oldVip : next?.vip]);
    const oldPaths = before.basis.paths.get(text) ?? [];
    const now = next?.paths ?? [];
    if (samePaths(oldPaths, now)) continue;
    paths.push([text, now.length > 0 ? now : undefined]);
    changes.push({ before: oldPaths, now });
  }
  return {
    vips: before.vips.withAll(vips),
    paths: before.basis.paths.withAll(paths),
    changes,
  };
}
