import { type Address, formatAddress, isUnusableAsVip, parseAddress } from '../domain/address.ts';
import { KeyedMap } from '../domain/keyed-map.ts';
import type { ObjectKey } from '../domain/object.ts';
import type { VipServing } from '../domain/observed.ts';
import { isOurs, type LoadBalancerClass } from '../domain/service-class.ts';
import { EMPTY_SNAPSHOT, type Snapshot } from '../domain/snapshot.ts';

/** Whether this box should tell the network that an address lives here. */
export interface PlannedAnnouncement {
  readonly address: Address;
  readonly announce: boolean;
  /** Empty when announced. */
  readonly reason: WithholdReason;
  /** Services that hold the address, sorted; several share it. */
  readonly services: readonly ObjectKey[];
}

/**
 * Why an address is not announced. `invalidIP` and `noEndpoints` are MetalLB's words; the forwarder
 * may report others. `forwarderNotReady`: it has not spoken yet; `notForwarded`: it has,
 * but not of this address.
 */
export type WithholdReason = string;

/** What is planned, by address text, with what it was made from. */
export interface AnnouncePlan {
  readonly revision: number;
  readonly vips: KeyedMap<PlannedAnnouncement>;
  /** How many addresses this step planned anew. */
  readonly planned: number;
  readonly basis: {
    readonly snapshot: Snapshot;
    readonly serving: KeyedMap<VipServing>;
    readonly ours: LoadBalancerClass;
    /** By address text: which Services of ours hold it. */
    readonly holders: KeyedMap<readonly ObjectKey[]>;
  };
}

/**
 * Plans which addresses this box announces: those in the status of a LoadBalancer Service of ours
 * that the forwarding core can serve. Whether a pool allows an address is the controller's word alone: it
 * takes the address out of the status, or keeps it while a pool is unreadable. `serving` is the forwarder's report by address
 * text; it stays true while its writer restarts, since the pinned program goes on forwarding.
 *
 * Before the first complete read of the cluster (revision 0) the report alone decides: a speaker that
 * restarts while the API is away must not take down what works.
 *
 * Incremental by identity: an address is planned anew when its holders or its report changed. The
 * result is the same as planning from nothing.
 */
export function planAnnounce(
  previous: AnnouncePlan | undefined,
  snapshot: Snapshot,
  serving: KeyedMap<VipServing>,
  ours: LoadBalancerClass,
): AnnouncePlan {
  const usable = isUsable(previous, snapshot, serving, ours) ? previous : undefined;
  const { holders, dirty } = updateHolders(usable, snapshot, serving, ours);
  const before = usable?.vips ?? KeyedMap.empty<PlannedAnnouncement>();
  const changes = [...dirty].map((text) => {
    const next = planAddress(text, holders.get(text), serving);
    const old = before.get(text);
    return [text, old && next && samePlan(old, next) ? old : next] as const;
  });
  return {
    revision: snapshot.revision,
    vips: before.withAll(changes),
    planned: dirty.size,
    basis: { snapshot, serving, ours, holders },
  };
}

/** Changes after which everything is planned anew, since they may touch any address. */
function isUsable(
  previous: AnnouncePlan | undefined,
  snapshot: Snapshot,
  serving: KeyedMap<VipServing>,
  ours: LoadBalancerClass,
): boolean {
  if (!previous) return false;
  const { basis } = previous;
  return (
    basis.ours === ours &&
    basis.snapshot.revision > 0 === snapshot.revision > 0 &&
    basis.serving.size > 0 === serving.size > 0
  );
}

function updateHolders(
  previous: AnnouncePlan | undefined,
  snapshot: Snapshot,
  serving: KeyedMap<VipServing>,
  ours: LoadBalancerClass,
): { holders: KeyedMap<readonly ObjectKey[]>; dirty: Set<string> } {
  const before = previous?.basis.snapshot ?? EMPTY_SNAPSHOT;
  const dirty = new Set(serving.changedKeys(previous?.basis.serving ?? KeyedMap.empty()));
  if (snapshot.revision === 0) {
    const known = [...serving].map(([text, { service }]) => [text, [service]] as const);
    return { holders: KeyedMap.from(known), dirty };
  }
  const touched = new Set([
    ...snapshot.services.changedKeys(before.services),
    ...snapshot.statuses.changedKeys(before.statuses),
  ]);
  const old = previous?.basis.holders ?? KeyedMap.empty<readonly ObjectKey[]>();
  const changes = new Map<string, Set<ObjectKey>>();
  const holdersOf = (text: string) => {
    const known = changes.get(text) ?? new Set(old.get(text));
    changes.set(text, known);
    return known;
  };
  for (const key of touched) {
    for (const text of heldBy(key, before, ours)) holdersOf(text).delete(key);
    for (const text of heldBy(key, snapshot, ours)) holdersOf(text).add(key);
  }
  for (const text of changes.keys()) dirty.add(text);
  const holders = old.withAll(
    [...changes].map(
      ([text, keys]) => [text, keys.size === 0 ? undefined : [...keys].sort()] as const,
    ),
  );
  return { holders, dirty };
}

function heldBy(key: ObjectKey, snapshot: Snapshot, ours: LoadBalancerClass): string[] {
  const service = snapshot.services.get(key);
  if (!service || !isOurs(service, ours)) return [];
  return (snapshot.statuses.get(key)?.addresses ?? []).map(formatAddress);
}

function planAddress(
  text: string,
  services: readonly ObjectKey[] | undefined,
  serving: KeyedMap<VipServing>,
): PlannedAnnouncement | undefined {
  const address = parseAddress(text);
  if (!services || address === undefined) return undefined;
  const reason = withholdReason(address, text, serving);
  return { address, announce: reason === '', reason, services };
}

function withholdReason(
  address: Address,
  text: string,
  serving: KeyedMap<VipServing>,
): WithholdReason {
  if (isUnusableAsVip(address)) return 'invalidIP';
  const report = serving.get(text);
  if (!report) return serving.size === 0 ? 'forwarderNotReady' : 'notForwarded';
  return report.servable ? '' : report.reason || 'noEndpoints';
}

function samePlan(a: PlannedAnnouncement, b: PlannedAnnouncement): boolean {
  return (
    a.reason === b.reason &&
    a.services.length === b.services.length &&
    a.services.every((key, index) => key === b.services[index])
  );
}
