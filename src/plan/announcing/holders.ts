import { formatAddress } from '../../domain/address.ts';
import { KeyedMap } from '../../domain/keyed-map.ts';
import type { ObjectKey } from '../../domain/object.ts';
import type { VipServing } from '../../domain/observed.ts';
import type { Service } from '../../domain/service.ts';
import { isOurs, type LoadBalancerClass } from '../../domain/service-class.ts';
import { EMPTY_SNAPSHOT, type Snapshot } from '../../domain/snapshot.ts';

/** What addresses were planned from. */
export interface HoldersBasis {
  readonly snapshot: Snapshot;
  readonly serving: KeyedMap<VipServing>;
  /** By address text: which Services of ours hold it, sorted. */
  readonly holders: KeyedMap<readonly ObjectKey[]>;
}

/**
 * Which Services hold which addresses now, and the texts of the addresses whose holders or report
 * changed. Before the cluster was read the report says who holds what.
 */
export function updateHolders(
  previous: HoldersBasis | undefined,
  snapshot: Snapshot,
  serving: KeyedMap<VipServing>,
  ours: LoadBalancerClass,
): { holders: KeyedMap<readonly ObjectKey[]>; dirty: Set<string> } {
  const before = previous?.snapshot ?? EMPTY_SNAPSHOT;
  const dirty = new Set(serving.changedKeys(previous?.serving ?? KeyedMap.empty()));
  if (snapshot.revision === 0) {
    const known = [...serving].map(([text, { service }]) => [text, [service]] as const);
    return { holders: KeyedMap.from(known), dirty };
  }
  const touched = new Set([
    ...snapshot.services.changedKeys(before.services),
    ...snapshot.statuses.changedKeys(before.statuses),
  ]);
  const old = previous?.holders ?? KeyedMap.empty<readonly ObjectKey[]>();
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

/** Those that are not being deleted. */
export function liveHolders(keys: readonly ObjectKey[], { services }: Snapshot): Service[] {
  return keys.flatMap((key) => {
    const service = services.get(key);
    return service && !service.deleting ? [service] : [];
  });
}

/** Why the forwarding core cannot serve an address, by its report; empty when it can. */
export function forwarderReason(text: string, serving: KeyedMap<VipServing>): string {
  const report = serving.get(text);
  if (!report) return serving.size === 0 ? 'forwarderNotReady' : 'notForwarded';
  return report.servable ? '' : report.reason || 'noEndpoints';
}
