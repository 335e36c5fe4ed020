import { KeyedMap } from '../domain/keyed-map.ts';
import type { ObjectKey } from '../domain/object.ts';
import type { ServiceStatus } from '../domain/service.ts';
import type { Allocation } from '../plan/allocation/allocation.ts';
import type { PlannedEvent } from '../plan/allocation/assignment.ts';

/** Services that are looked at in one go when only reports about them changed. */
export const CONDITIONS_PER_WRITE = 256;

/** Which statuses may have to be written, and which events they are to take along. */
export interface Work {
  /** Takes over what a step of allocation changed. */
  addDecisions(before: Allocation | undefined, now: Allocation): void;
  /** Notes Services about which reports changed; `settle` makes them due. */
  report(keys: Iterable<ObjectKey>): void;
  settle(): void;
  /** The next to look at: all with decisions about them, else some with reports. */
  next(): readonly ObjectKey[];
  /** True for one that was ours a moment ago: its status goes, whatever it is now. */
  isReleased(key: ObjectKey): boolean;
  eventsOf(key: ObjectKey): readonly PlannedEvent[];
  /** These statuses say what they should. */
  done(keys: Iterable<ObjectKey>): void;
}

export function createWork(): Work {
  const decided = new Set<ObjectKey>();
  const reported = new Set<ObjectKey>();
  const unsettled = new Set<ObjectKey>();
  const released = new Set<ObjectKey>();
  const events = new Map<ObjectKey, readonly PlannedEvent[]>();
  return {
    addDecisions(before, now) {
      for (const key of now.services.changedKeys(before?.services ?? KeyedMap.empty())) {
        decided.add(key);
        if (now.services.has(key)) released.delete(key);
        else released.add(key);
      }
      for (const key of changedStatuses(before, now)) decided.add(key);
      for (const [key, raised] of now.events) {
        decided.add(key);
        events.set(key, [...(events.get(key) ?? []), ...raised]);
      }
    },
    report(keys) {
      for (const key of keys) unsettled.add(key);
    },
    settle() {
      for (const key of unsettled) reported.add(key);
      unsettled.clear();
    },
    next: () =>
      decided.size > 0 ? [...decided] : [...reported.values().take(CONDITIONS_PER_WRITE)],
    isReleased: (key) => released.has(key),
    eventsOf: (key) => events.get(key) ?? [],
    done(keys) {
      for (const key of keys) {
        for (const set of [decided, reported, released]) set.delete(key);
        events.delete(key);
      }
    },
  };
}

/** Services whose status, or right to have one, is another than before. */
function changedStatuses(before: Allocation | undefined, now: Allocation): Set<ObjectKey> {
  const { snapshot, world } = now.basis;
  const old = before?.basis;
  const none = KeyedMap.empty<ServiceStatus>();
  const keys = new Set(snapshot.statuses.changedKeys(old?.snapshot.statuses ?? none));
  if (!old) return keys;
  for (const key of snapshot.services.changedKeys(old.snapshot.services)) {
    if (snapshot.statuses.has(key)) keys.add(key);
  }
  return keys.union(old.world.hidden.difference(world.hidden));
}
