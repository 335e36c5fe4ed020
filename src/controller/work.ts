import { KeyedMap } from '../domain/keyed-map.ts';
import type { ObjectKey } from '../domain/object.ts';
import type { ServiceStatus } from '../domain/service.ts';
import type { Allocation } from '../plan/allocation/allocation.ts';
import type { PlannedEvent } from '../plan/allocation/assignment.ts';
import { backoffMs } from '../reconcile/backoff.ts';

/** Services that are looked at in one go when only reports about them changed. */
export const CONDITIONS_PER_WRITE = 256;

/** Which statuses may have to be written, and which events they are to take along. */
export interface Work {
  /** Takes over what a step of allocation changed. */
  addDecisions(before: Allocation | undefined, now: Allocation): void;
  /** Notes Services about which reports changed; `settle` makes them due. */
  report(keys: Iterable<ObjectKey>): void;
  settle(): void;
  /**
   * The next to look at: all with decisions about them, else some with reports. Who failed waits for
   * its turn, unless something else was decided about it.
   */
  next(nowMs: number): readonly ObjectKey[];
  /** True for one that was ours a moment ago: its status goes, whatever it is now. */
  isReleased(key: ObjectKey): boolean;
  eventsOf(key: ObjectKey): readonly PlannedEvent[];
  /** This status says what it should. */
  done(key: ObjectKey): void;
  /** This one could not be written. */
  failed(key: ObjectKey, nowMs: number): void;
  /** It could not be written, and is not yet as it should be for all that the source knows. */
  hasFailed(key: ObjectKey): boolean;
  /** How many failed, and when the first of them is due (monotonic ms). */
  failures(): { readonly count: number; readonly dueMs: number };
}

interface Retry {
  readonly attempts: number;
  /** Monotonic. */
  readonly dueMs: number;
}

export function createWork(): Work {
  const decided = new Set<ObjectKey>();
  const reported = new Set<ObjectKey>();
  const unsettled = new Set<ObjectKey>();
  const released = new Set<ObjectKey>();
  const events = new Map<ObjectKey, readonly PlannedEvent[]>();
  const retries = new Map<ObjectKey, Retry>();

  function* due(keys: Iterable<ObjectKey>, nowMs: number) {
    for (const key of keys) if ((retries.get(key)?.dueMs ?? 0) <= nowMs) yield key;
  }

  /** What it holds others may be about to get: both have to go into one write. */
  function hurry(key: ObjectKey) {
    const retry = retries.get(key);
    if (retry) retries.set(key, { ...retry, dueMs: 0 });
  }

  return {
    addDecisions(before, now) {
      for (const key of now.services.changedKeys(before?.services ?? KeyedMap.empty())) {
        decided.add(key);
        if (now.services.has(key)) released.delete(key);
        else released.add(key);
        hurry(key);
      }
      for (const key of changedStatuses(before, now)) {
        decided.add(key);
        if (holdsOthers(key, now)) hurry(key);
      }
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
    next(nowMs) {
      const first = [...due(decided, nowMs)];
      return first.length > 0 ? first : [...due(reported, nowMs).take(CONDITIONS_PER_WRITE)];
    },
    isReleased: (key) => released.has(key),
    eventsOf: (key) => events.get(key) ?? [],
    done(key) {
      for (const set of [decided, reported, released]) set.delete(key);
      events.delete(key);
      retries.delete(key);
    },
    failed(key, nowMs) {
      const attempts = (retries.get(key)?.attempts ?? 0) + 1;
      retries.set(key, { attempts, dueMs: nowMs + backoffMs(attempts) });
    },
    hasFailed: (key) => retries.has(key),
    failures() {
      let dueMs = Number.POSITIVE_INFINITY;
      for (const retry of retries.values()) dueMs = Math.min(dueMs, retry.dueMs);
      return { count: retries.size, dueMs };
    },
  };
}

/** Whether the status of a Service has an address that was not decided to be its own. */
function holdsOthers(key: ObjectKey, { services, basis }: Allocation): boolean {
  const decided = services.get(key)?.addresses ?? [];
  const said = basis.snapshot.statuses.get(key)?.addresses ?? [];
  return said.some((address) => !decided.includes(address));
}

/** Services whose status, or right to have one, is another than before. */
function changedStatuses(before: Allocation | undefined, now: Allocation): Set<ObjectKey> {
  const { snapshot, world } = now.basis;
  const old = before?.basis;
  const none = KeyedMap.empty<ServiceStatus>();
  const keys = new Set(snapshot.statuses.changedKeys(old?.snapshot.statuses ?? none));
  if (!old) return keys;
  for (const key of snapshot.services.changedKeys(old.snapshot.services)) {
    // One that was deleted and made anew has what was decided for its forerunner, and no status yet.
    if (snapshot.statuses.has(key) || now.services.has(key)) keys.add(key);
  }
  return keys.union(old.world.hidden.difference(world.hidden));
}
