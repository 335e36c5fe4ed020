import { KeyedMap } from '../domain/keyed-map.ts';
import type { ObjectKey } from '../domain/object.ts';
import type { VipServing } from '../domain/observed.ts';
import type { LoadBalancerClass } from '../domain/service-class.ts';
import type { Snapshot } from '../domain/snapshot.ts';
import type { OwnBox } from './announcing/boxes.ts';
import { type Field, fieldOf, withheldChanges } from './announcing/field.ts';
import { type HoldersBasis, updateHolders } from './announcing/holders.ts';
import { type PlannedAnnouncement, planAddress, samePlan } from './announcing/plan-address.ts';

/** For whom is planned. */
export interface AnnounceSettings {
  readonly loadBalancer: LoadBalancerClass;
  readonly box: OwnBox;
}

/** What is planned, by address text, with what it was made from. */
export interface AnnouncePlan {
  readonly revision: number;
  readonly vips: KeyedMap<PlannedAnnouncement>;
  /** How many addresses this step planned anew. */
  readonly planned: number;
  readonly basis: HoldersBasis & {
    readonly settings: AnnounceSettings;
    /** `undefined` before the first complete read of the cluster. */
    readonly field: Field | undefined;
  };
}

/**
 * Plans which addresses this box announces, and where: those in the status of a LoadBalancer Service
 * of ours that advertisements let it announce, that it was chosen for among the boxes, and that the
 * forwarding core can serve. Whether a pool allows an address is the controller's word alone: it
 * takes the address out of the status, or keeps it while a pool is unreadable. `serving` is the
 * forwarder's report by address text; it stays true while its writer restarts, since the pinned
 * program goes on forwarding.
 *
 * Before the first complete read of the cluster (revision 0) the report alone decides: a speaker that
 * restarts while the API is away must not take down what works.
 *
 * Incremental by identity: an address is planned anew when its holders, its report or what boxes say
 * of it changed; all are when a box, a pool or an advertisement did. The result is the same as
 * planning from nothing.
 */
export function planAnnounce(
  previous: AnnouncePlan | undefined,
  snapshot: Snapshot,
  serving: KeyedMap<VipServing>,
  settings: AnnounceSettings,
): AnnouncePlan {
  const usable = isUsable(previous, snapshot, serving, settings) ? previous : undefined;
  const field =
    snapshot.revision === 0 ? undefined : fieldOf(usable?.basis.field, snapshot, settings.box);
  const { holders, dirty } = updateHolders(usable?.basis, snapshot, serving, settings.loadBalancer);
  for (const text of fieldChanges(usable?.basis.field, field, holders)) dirty.add(text);
  const before = usable?.vips ?? KeyedMap.empty<PlannedAnnouncement>();
  const changes = [...dirty].map((text) => {
    const next = planAddress(text, holders.get(text), serving, field);
    const old = before.get(text);
    return [text, old && next && samePlan(old, next) ? old : next] as const;
  });
  return {
    revision: snapshot.revision,
    vips: before.withAll(changes),
    planned: dirty.size,
    basis: { snapshot, serving, settings, holders, field },
  };
}

/** Changes after which everything is planned anew, since they may touch any address. */
function isUsable(
  previous: AnnouncePlan | undefined,
  snapshot: Snapshot,
  serving: KeyedMap<VipServing>,
  settings: AnnounceSettings,
): boolean {
  if (!previous) return false;
  const { basis } = previous;
  return (
    basis.settings === settings &&
    basis.snapshot.revision > 0 === snapshot.revision > 0 &&
    basis.serving.size > 0 === serving.size > 0
  );
}

/** Addresses that a change of boxes, pools or advertisements may concern. */
function fieldChanges(
  before: Field | undefined,
  now: Field | undefined,
  holders: KeyedMap<readonly ObjectKey[]>,
): Iterable<string> {
  if (!before || !now) return [];
  return before.rules === now.rules ? withheldChanges(before.boxes, now.boxes) : holders.keys();
}
