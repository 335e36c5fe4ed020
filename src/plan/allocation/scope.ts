import type { ObjectKey } from '../../domain/object.ts';
import type { Snapshot } from '../../domain/snapshot.ts';
import type { Allocation, AllocationSettings } from './allocation.ts';
import { sameAddresses } from './assignment.ts';
import type { World } from './world.ts';

/** Whom a step must look at. */
export interface Scope {
  /** Everybody: pools, namespaces they select by, or settings changed, or it is the first step. */
  readonly full: boolean;
  readonly keys: ReadonlySet<ObjectKey>;
  /** Those that changed themselves; where two can no longer share, they give way. */
  readonly changed: ReadonlySet<ObjectKey>;
}

export function scopeOf(
  previous: Allocation | undefined,
  snapshot: Snapshot,
  settings: AllocationSettings,
  world: World,
): Scope {
  if (!previous) {
    const keys = new Set([...snapshot.services.keys(), ...world.hidden]);
    return { full: true, keys, changed: new Set() };
  }
  const { basis } = previous;
  const changed = changedServices(previous, snapshot);
  const full =
    settings !== basis.settings ||
    world.table !== basis.world.table ||
    world.unreadable !== basis.world.unreadable ||
    (world.table.readsNamespaces && snapshot.namespaces !== basis.snapshot.namespaces);
  const hidden = basis.world.hidden.symmetricDifference(world.hidden);
  const keys = full
    ? new Set([...snapshot.services.keys(), ...previous.services.keys(), ...world.hidden])
    : changed.union(hidden);
  return { full, keys, changed };
}

/** A status that says what was decided (our own, come back) changes nothing. */
function changedServices(previous: Allocation, snapshot: Snapshot): Set<ObjectKey> {
  const before = previous.basis.snapshot;
  const changed = new Set(snapshot.services.changedKeys(before.services));
  for (const key of snapshot.statuses.changedKeys(before.statuses)) {
    const assignment = previous.services.get(key);
    const status = snapshot.statuses.get(key);
    if (assignment && !sameAddresses(assignment.addresses, status?.addresses ?? [])) {
      changed.add(key);
    }
  }
  return changed;
}
