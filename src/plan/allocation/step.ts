import { type Address, familyOf } from '../../domain/address.ts';
import type { ObjectKey } from '../../domain/object.ts';
import type { Service } from '../../domain/service.ts';
import type { Snapshot } from '../../domain/snapshot.ts';
import type { Allocation, AllocationSettings } from '../allocate.ts';
import type { PlannedEvent, Refusal } from './assignment.ts';
import { type Candidate, candidateOf, compareAge, wantedFamilies } from './candidate.ts';
import { type Choice, choose, chooseSecond, dedicatedFor } from './choose.ts';
import { type Held, keep } from './keep.ts';
import { slotOf } from './pool-table.ts';
import { requestOf, unreadableRequest } from './request.ts';
import type { Scope } from './scope.ts';
import type { StepView } from './step-view.ts';
import { assigned, assignedAdditional } from './texts.ts';
import { waitersAt } from './waiting.ts';

/** One step of allocation under way. */
export interface Step extends StepView {
  readonly previous: Allocation | undefined;
  readonly snapshot: Snapshot;
  readonly settings: AllocationSettings;
  readonly scope: Scope;
  /** What was decided for those looked at. */
  readonly outcomes: Map<ObjectKey, Outcome>;
}

/** What a step decided for one Service. */
export interface Outcome {
  readonly service: Service;
  readonly who: Candidate;
  addresses: readonly Address[];
  pool: string;
  refusal: Refusal | undefined;
  /** The refusal may end when others leave addresses or ports. */
  waits: boolean;
  readonly events: PlannedEvent[];
}

/** Who can keep what it holds keeps it: those who did not change first, then the older. */
export function keepValid(step: Step, services: readonly Service[]): void {
  const { scope } = step;
  const isChanged = (service: Service) => Number(scope.changed.has(service.key));
  const ordered = services.toSorted((a, b) => isChanged(a) - isChanged(b) || compareAge(a, b));
  for (const service of ordered) {
    const who = candidateOf(service, step.settings.scopeSharingKeys);
    const kept = keep(service, who, heldBy(step, service.key), step);
    const outcome: Outcome = {
      service,
      who,
      addresses: kept.addresses,
      pool: kept.pool,
      refusal: kept.addresses.length > 0 ? unreadableRequest(service, true) : undefined,
      waits: false,
      events: [...kept.events],
    };
    step.outcomes.set(service.key, outcome);
    if (outcome.addresses.length > 0) claim(step, outcome);
  }
}

/** Keeps others off the addresses of Services that may stand in what could not be read. */
export function holdForHidden(step: Step, hidden: Iterable<ObjectKey>): void {
  for (const service of [...hidden].sort()) {
    const who = { service, sharing: '', ports: [] };
    const held = step.snapshot.statuses.get(service)?.addresses ?? [];
    const addresses = held.filter((address) => !step.draft.conflict(who, address));
    if (addresses.length > 0) step.draft.claim({ ...who, addresses, pool: '' });
  }
}

/**
 * Serves those without an address, then those without their second one: certain addresses first, a
 * certain pool next, then the rest; the older first. Services that were waiting are looked at when
 * somebody left an address that they could use.
 */
export function fill(step: Step): void {
  const waiters = step.scope.full ? [] : wakeable(step);
  const own = [...step.outcomes.values()].filter(needsAddress);
  const queue = [...own, ...waiters].sort(
    (a, b) => turnOf(a) - turnOf(b) || compareAge(a.service, b.service),
  );
  const opened = new Set(step.draft.opened);
  for (const outcome of queue) {
    const { key } = outcome.service;
    if (!step.outcomes.has(key)) {
      if (!couldProfit(step, outcome, opened)) continue;
      step.outcomes.set(key, outcome);
    }
    settle(step, outcome);
  }
}

/** Says again why others failed, now that every place is taken: refusals name who is in the way. */
export function explain(step: Step): void {
  for (const outcome of step.outcomes.values()) if (outcome.waits) settle(step, outcome);
  const waiting = step.previous?.basis.waiting;
  if (step.scope.full || !waiting) return;
  for (const key of [...waitersAt(waiting, step.draft.touched)].sort()) {
    const outcome = step.outcomes.has(key) ? undefined : outcomeBefore(step, key);
    if (!outcome) continue;
    step.outcomes.set(key, outcome);
    settle(step, outcome);
  }
}

/** What a Service holds: by a decision that nobody has overwritten since, else by its status. */
export function heldBy({ previous, snapshot }: Step, key: ObjectKey): Held {
  const status = snapshot.statuses.get(key);
  const decided = previous?.services.get(key);
  if (previous && decided && status === previous.basis.snapshot.statuses.get(key)) return decided;
  return { addresses: status?.addresses ?? [], pool: status?.pool ?? '' };
}

function settle(step: Step, outcome: Outcome): void {
  const { service, who } = outcome;
  const [first] = outcome.addresses;
  const choice: Choice =
    first === undefined
      ? chooseOrComplete(step, service, who)
      : chooseSecond(service, who, first, outcome.pool, step);
  if ('refusal' in choice) {
    outcome.refusal = choice.refusal;
    outcome.waits = choice.waits;
    return;
  }
  const second = first === undefined ? undefined : choice.addresses[0];
  if (second === undefined) outcome.events.push(assigned(choice.addresses));
  else outcome.events.push(assignedAdditional(second));
  outcome.addresses = [...outcome.addresses, ...choice.addresses];
  outcome.pool = choice.pool;
  outcome.refusal = undefined;
  outcome.waits = false;
  claim(step, outcome);
  if (needsAddress(outcome)) settle(step, outcome);
}

/**
 * A Service that has come to require both families takes the second beside its first, when the pool
 * of the first has one; else both anew.
 */
function chooseOrComplete(step: Step, service: Service, who: Candidate): Choice {
  const held = heldBy(step, service.key);
  const [first] = held.addresses;
  const isHalf = service.ipFamilyPolicy === 'RequireDualStack' && held.addresses.length === 1;
  const free = requestOf(service).kind === 'none' && service.poolRequest === undefined;
  if (isHalf && free && first !== undefined && wantedFamilies(service).length === 2) {
    const half = keep({ ...service, ipFamilyPolicy: 'PreferDualStack' }, who, held, step);
    const second = chooseSecond(service, who, first, half.pool, step);
    if (half.addresses.length === 1 && 'addresses' in second) {
      const addresses = [first, ...second.addresses].sort((a, b) => familyOf(a) - familyOf(b));
      return { addresses, pool: half.pool };
    }
  }
  return choose(service, who, step);
}

function claim(step: Step, { service, who, addresses, pool }: Outcome): void {
  step.draft.release(service.key);
  step.draft.claim({ ...who, addresses, pool: step.table.byName.has(pool) ? pool : '' });
}

/** True for those without an address, and for PreferDualStack with one of two families. */
function needsAddress({ service, addresses, refusal }: Outcome): boolean {
  if (addresses.length === 0) return true;
  return (
    refusal === undefined &&
    addresses.length === 1 &&
    service.ipFamilyPolicy === 'PreferDualStack' &&
    wantedFamilies(service).length === 2
  );
}

function turnOf({ service, addresses }: Outcome): number {
  if (addresses.length > 0) return 3;
  if (requestOf(service).kind === 'addresses') return 0;
  return service.poolRequest !== undefined ? 1 : 2;
}

/** Those who waited before this step and could be concerned by what was opened in it. */
function wakeable(step: Step): Outcome[] {
  const { previous, draft } = step;
  if (!previous || draft.opened.size === 0) return [];
  const { waiting } = previous.basis;
  const keys = waitersAt(waiting, draft.opened);
  for (const key of waiting.forRoom.keys()) keys.add(key);
  return [...keys].flatMap((key) =>
    step.outcomes.has(key) ? [] : (outcomeBefore(step, key) ?? []),
  );
}

function outcomeBefore(step: Step, key: ObjectKey): Outcome | undefined {
  const service = step.snapshot.services.get(key);
  const before = step.previous?.services.get(key);
  if (!service || !before || step.scope.keys.has(key)) return undefined;
  const who = candidateOf(service, step.settings.scopeSharingKeys);
  const { addresses, pool, refusal } = before;
  return { service, who, addresses, pool, refusal, waits: true, events: [] };
}

/**
 * Whether one who waits can use an address that was left, as things stand at its turn. Addresses that
 * somebody took for himself alone are dropped from `opened` on the way.
 */
function couldProfit(step: Step, outcome: Outcome, opened: Set<Address>): boolean {
  const { service, who, addresses, pool } = outcome;
  if (turnOf(outcome) === 0) return true;
  const [first] = addresses;
  const only = first === undefined ? service.poolRequest : pool;
  const dedicated = only === undefined ? dedicatedFor(service, step) : [];
  for (const address of opened) {
    const owner = slotOf(step.table, address)?.owner;
    const conflict = owner && step.draft.conflict(who, address);
    if (!owner || (conflict && step.draft.isExclusive(address))) opened.delete(address);
    if (!owner || conflict) continue;
    if (first !== undefined && familyOf(first) === familyOf(address)) continue;
    const suits =
      only === undefined
        ? dedicated.includes(owner) || step.table.general.includes(owner)
        : owner.pool.name === only;
    if (suits) return true;
  }
  return false;
}
