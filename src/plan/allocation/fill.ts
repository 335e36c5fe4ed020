import { type Address, familyOf } from '../../domain/address.ts';
import type { ObjectKey } from '../../domain/object.ts';
import type { Service } from '../../domain/service.ts';
import { type Candidate, candidateOf, wantedFamilies } from './candidate.ts';
import { type Choice, choose, chooseSecond, dedicatedFor } from './choose.ts';
import { keep } from './keep.ts';
import { slotOf } from './pool-table.ts';
import { requestOf } from './request.ts';
import { claim, heldBy, type Outcome, type Step } from './step.ts';
import { assigned, assignedAdditional } from './texts.ts';
import { comparePlaces, type Place, type Waiter, waitersAt } from './waiting.ts';

/**
 * Serves those without an address, then those without their second one: certain addresses first, a
 * certain pool next, then the rest; the older first. Services that were waiting are looked at when
 * somebody left an address that they could use.
 */
export function fill(step: Step): void {
  const opened = new Set(step.draft.opened);
  const queue = queueOf(step, opened);
  let next = 0;
  const serveUntil = (end: Place | undefined) => {
    for (; next < queue.length; next++) {
      const place = queue[next] as Place;
      if (end && comparePlaces(place, end) > 0) return;
      settle(step, outcomeOf(step, place.service));
    }
  };
  for (const waiter of waitingIn(step)?.forRoom ?? []) {
    if (opened.size === 0) break;
    if (step.scope.keys.has(waiter.service)) continue;
    serveUntil(waiter);
    if (couldProfit(step, waiter, opened)) settle(step, outcomeOf(step, waiter.service));
  }
  serveUntil(undefined);
}

/** Says again why others failed, now that every place is taken: refusals name who is in the way. */
export function explain(step: Step): void {
  for (const outcome of step.outcomes.values()) if (outcome.waits) settle(step, outcome);
  for (const key of waitersOn(step, step.draft.touched)) {
    if (!step.outcomes.has(key)) settle(step, outcomeOf(step, key));
  }
}

/** When, and for what, a Service waits that was not served in full. */
export function waiterOf(outcome: Outcome): Waiter | undefined {
  if (!outcome.waits) return undefined;
  const request = requestOf(outcome.service);
  const addresses = request.kind === 'addresses' ? request.addresses : [];
  return { ...placeOf(outcome), addresses };
}

/** Those of this step who need something, and those who wait for an address that was left. */
function queueOf(step: Step, opened: ReadonlySet<Address>): Place[] {
  const queue = [...step.outcomes.values()].filter(needsAddress).map(placeOf);
  for (const key of waitersOn(step, opened)) {
    const waiter = waitingIn(step)?.entries.get(key);
    if (waiter) queue.push(waiter);
  }
  return queue.sort(comparePlaces);
}

/** Those outside this step's scope who wait for one of these addresses. */
function waitersOn(step: Step, addresses: ReadonlySet<Address>): ObjectKey[] {
  const list = waitingIn(step);
  if (!list) return [];
  return [...waitersAt(list, addresses)].filter((key) => !step.scope.keys.has(key)).sort();
}

function waitingIn({ scope, previous }: Step) {
  return scope.full ? undefined : previous?.basis.waiting;
}

/** The outcome of a Service in this step; one who waits comes into the step with what it has. */
function outcomeOf(step: Step, key: ObjectKey): Outcome {
  const known = step.outcomes.get(key);
  if (known) return known;
  const service = step.snapshot.services.get(key);
  const before = step.previous?.services.get(key);
  if (!service || !before) throw new Error(`Service "${key}" waits and is not there`);
  const who = candidateOf(service, step.settings.scopeSharingKeys);
  const { addresses, pool, refusal } = before;
  const outcome = { service, who, addresses, pool, refusal, waits: true, events: [] };
  step.outcomes.set(key, outcome);
  return outcome;
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
  outcome.events.push(
    second === undefined ? assigned(choice.addresses) : assignedAdditional(second),
  );
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
  const asks = requestOf(service).kind !== 'none';
  if (isHalf && !asks && first !== undefined && wantedFamilies(service).length === 2) {
    const half = keep({ ...service, ipFamilyPolicy: 'PreferDualStack' }, who, held, step);
    const second = chooseSecond(service, who, first, half.pool, step);
    if (half.addresses.length === 1 && 'addresses' in second) {
      const addresses = [first, ...second.addresses].sort((a, b) => familyOf(a) - familyOf(b));
      return { addresses, pool: half.pool };
    }
  }
  return choose(service, who, step);
}

/** True for those without an address, and for PreferDualStack with one of two families. */
function needsAddress({ service, addresses, refusal }: Outcome): boolean {
  if (service.deleting) return false;
  if (addresses.length === 0) return true;
  return (
    refusal === undefined &&
    addresses.length === 1 &&
    service.ipFamilyPolicy === 'PreferDualStack' &&
    wantedFamilies(service).length === 2
  );
}

function placeOf({ service, addresses }: Outcome): Place {
  const { key, createdMs } = service;
  const asks = requestOf(service).kind === 'addresses';
  const turn = addresses.length > 0 ? 3 : asks ? 0 : service.poolRequest !== undefined ? 1 : 2;
  return { service: key, turn, createdMs };
}

/**
 * Whether one who waits for room can use an address that was left, as things stand at its turn.
 * Addresses that somebody took for himself alone are dropped from `opened` on the way.
 */
function couldProfit(step: Step, { service: key }: Waiter, opened: Set<Address>): boolean {
  const service = step.snapshot.services.get(key);
  const before = step.previous?.services.get(key);
  if (!service || !before) return false;
  const who = candidateOf(service, step.settings.scopeSharingKeys);
  const [first] = before.addresses;
  const only = first === undefined ? service.poolRequest : before.pool;
  const dedicated = only === undefined ? dedicatedFor(service, step) : [];
  for (const address of opened) {
    const owner = slotOf(step.table, address)?.owner;
    const conflict = step.draft.conflict(who, address);
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
