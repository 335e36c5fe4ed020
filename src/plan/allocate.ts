import type { Address } from '../domain/address.ts';
import { KeyedMap } from '../domain/keyed-map.ts';
import type { ObjectKey } from '../domain/object.ts';
import { isOurs } from '../domain/service-class.ts';
import type { Snapshot } from '../domain/snapshot.ts';
import type { Allocation, AllocationSettings } from './allocation/allocation.ts';
import {
  type Assignment,
  type PlannedEvent,
  sameAddresses,
  sameAssignment,
} from './allocation/assignment.ts';
import { explain, fill, waiterOf } from './allocation/fill.ts';
import { addressKey, EMPTY_OCCUPANCY, OccupancyDraft } from './allocation/occupancy.ts';
import { refusalEvent } from './allocation/refusal-event.ts';
import { scopeOf } from './allocation/scope.ts';
import { heldBy, holdForHidden, keepValid, type Step } from './allocation/step.ts';
import { deprecated } from './allocation/texts.ts';
import { usageOf } from './allocation/usage.ts';
import { NOBODY_WAITS, updateWaiting, type Waiter } from './allocation/waiting.ts';
import { type World, worldOf } from './allocation/world.ts';

/**
 * Allocates addresses from pools to Services, by MetalLB's rules (docs/allocation.md).
 *
 * The statuses are the truth: what a Service holds by its status and may still hold, it keeps; then
 * those who have none are served. `previous` saves work: only Services that changed are looked at,
 * and those that waited for what they left; pools and selected namespaces concern everybody. It
 * also tells what was decided and is not yet in the statuses, who of two sharers changed, and which
 * version of a pool was in force. Pure: equal arguments give equal results.
 */
export function allocate(
  previous: Allocation | undefined,
  snapshot: Snapshot,
  settings: AllocationSettings,
): Allocation {
  const step = openStep(previous, snapshot, settings);
  const { services, hidden } = letGo(step);
  keepValid(step, services);
  holdForHidden(step, hidden);
  fill(step);
  explain(step);
  return closeStep(step);
}

/** Services that use an address, by the statuses and decisions of this allocation. */
export function usersOf(allocation: Allocation, address: Address): ReadonlySet<ObjectKey> {
  return allocation.basis.occupancy.uses.get(addressKey(address))?.users ?? new Set();
}

/** True for a Service that is absent and may stand in unreadable input: it keeps its status. */
export function mayBeHidden(allocation: Allocation, service: ObjectKey): boolean {
  return allocation.basis.world.hidden.has(service);
}

interface OpenStep extends Step {
  readonly world: World;
}

function openStep(
  previous: Allocation | undefined,
  snapshot: Snapshot,
  settings: AllocationSettings,
): OpenStep {
  const world = worldOf(previous?.basis, snapshot);
  const scope = scopeOf(previous, snapshot, settings, world);
  const occupancy = scope.full ? EMPTY_OCCUPANCY : previous?.basis.occupancy;
  return {
    previous,
    snapshot,
    settings,
    world,
    scope,
    table: world.table,
    unreadable: world.unreadable,
    namespaces: snapshot.namespaces,
    draft: new OccupancyDraft(occupancy ?? EMPTY_OCCUPANCY, world.table),
    outcomes: new Map(),
  };
}

/** Everybody in scope lets go, so that what they keep or take is decided among all of them. */
function letGo({ scope, draft, snapshot, settings, world }: OpenStep) {
  const keys = [...scope.keys];
  for (const key of keys) draft.release(key);
  return {
    services: keys.flatMap((key) => {
      const service = snapshot.services.get(key);
      return service && isOurs(service, settings) ? [service] : [];
    }),
    hidden: keys.filter((key) => world.hidden.has(key)),
  };
}

function closeStep(step: OpenStep): Allocation {
  const { previous, snapshot, settings, world, scope, draft, outcomes } = step;
  const before = previous?.services ?? KeyedMap.empty<Assignment>();
  const changes = new Map<ObjectKey, Assignment | undefined>();
  const waiting = new Map<ObjectKey, Waiter | undefined>();
  const events = new Map<ObjectKey, readonly PlannedEvent[]>();
  for (const key of [...scope.keys, ...outcomes.keys()]) {
    changes.set(key, undefined);
    waiting.set(key, undefined);
  }
  for (const [key, outcome] of outcomes) {
    const { addresses, pool, refusal } = outcome;
    const assignment: Assignment = { service: key, addresses, pool, refusal };
    const known = before.get(key);
    changes.set(key, known && sameAssignment(known, assignment) ? known : assignment);
    waiting.set(key, waiterOf(outcome));
    const said = eventsOf(step, key);
    if (said.length > 0) events.set(key, said);
  }
  const occupancy = draft.commit();
  const counters = scope.full ? undefined : previous?.pools;
  return {
    revision: snapshot.revision,
    services: before.withAll(changes),
    pools: usageOf(counters, world.table, occupancy, {
      touched: draft.touched,
      services: draft.serviceChanges,
    }),
    problems: world.inForce.problems,
    events,
    planned: changes.size,
    basis: {
      snapshot,
      settings,
      world,
      occupancy,
      waiting: updateWaiting(
        scope.full ? NOBODY_WAITS : (previous?.basis.waiting ?? NOBODY_WAITS),
        waiting,
      ),
    },
  };
}

/** A step's events about one Service: what happened to it, then what is wrong, if that is news. */
function eventsOf(step: OpenStep, key: ObjectKey): PlannedEvent[] {
  const outcome = step.outcomes.get(key);
  if (!outcome || outcome.service.deleting) return [];
  const events = [...outcome.events];
  if (!sameAddresses(heldBy(step, key).addresses, outcome.addresses)) {
    events.push(...outcome.service.deprecatedAnnotations.map(deprecated));
  }
  if (outcome.refusal) {
    const before = step.previous?.services.get(key);
    const status = step.snapshot.statuses.get(key);
    const news = refusalEvent(outcome.refusal, before, status);
    if (news) events.push(news);
  }
  return events;
}
