import { type Address, type Family, familyOf } from '../../domain/address.ts';
import type { Service } from '../../domain/service.ts';
import type { Refusal } from './assignment.ts';
import { type Candidate, wantedFamilies } from './candidate.ts';
import { conflictOf, ownerOf } from './keep.ts';
import { admits, hasFamily, type TablePool } from './pool-table.ts';
import { remedies } from './remedies.ts';
import { POOL_FIELD, requestOf, unreadableRequest } from './request.ts';
import type { StepView } from './step-view.ts';
import {
  noAddressInPool,
  notEnoughFamilies,
  notInConfig,
  otherFamilies,
  otherPool,
  poolLacksFamily,
  poolNotCompatible,
  unknownPool,
} from './texts.ts';

/** Addresses to give, or why there are none. */
export type Choice =
  | { readonly addresses: readonly Address[]; readonly pool: string }
  /** `waits`: the same Service may succeed when others leave addresses or ports. */
  | { readonly refusal: Refusal; readonly waits: boolean };

/**
 * Chooses addresses for a Service that holds none: those asked for, else from the pool asked for,
 * else from the pools meant for it, else from the general ones. A request is never replaced by
 * something else. The draft is only read.
 */
export function choose(service: Service, who: Candidate, view: StepView): Choice {
  const wanted = wantedFamilies(service);
  const impossible = refuseByItself(service, wanted);
  if (impossible) return { refusal: impossible, waits: false };
  const request = requestOf(service);
  if (request.kind === 'addresses') {
    return fromRequest(service, who, wanted, request.addresses, request.field, view);
  }
  if (service.poolRequest !== undefined) {
    return fromPool(service, who, wanted, service.poolRequest, view);
  }
  return fromAnyPool(service, who, wanted, view);
}

/** The second address of a PreferDualStack Service: from the pool of the first. */
export function chooseSecond(
  service: Service,
  who: Candidate,
  first: Address,
  poolName: string,
  view: StepView,
): Choice {
  const family = familyOf(first) === 4 ? 6 : 4;
  const refuse = (why: string, waits: boolean, remedy: string): Choice => ({
    refusal: {
      reason: 'AdditionalAssignFailed',
      message: `cannot assign additional IP in PreferDualStack: ${why}`,
      field: 'spec.ipFamilyPolicy',
      remedy,
    },
    waits,
  });
  const request = requestOf(service);
  if (request.kind === 'addresses') {
    return refuse(otherFamilies(request.addresses), false, remedies.askPerFamily);
  }
  const pool = view.table.byName.get(poolName);
  if (!pool) {
    return refuse(unknownPool(poolName), false, remedies.correctPool(poolName));
  }
  if (!hasFamily(pool, family)) {
    const remedy = `${remedies.addAddresses([family], poolName)}, or set SingleStack`;
    return refuse(poolLacksFamily(poolName, [family]), false, remedy);
  }
  const second = view.draft.lowestUsable(pool, family, who);
  if (second === undefined) {
    return refuse(noAddressInPool(poolName), true, remedies.addAddresses([family], poolName));
  }
  return { addresses: [second], pool: poolName };
}

/** What rules out an address whatever the pools hold. */
function refuseByItself(service: Service, wanted: readonly Family[]): Refusal | undefined {
  if (wanted.length === 0) {
    return failed(service, 'No ClusterIPs', 'spec.clusterIP', remedies.notHeadless);
  }
  if (service.ipFamilyPolicy === 'RequireDualStack' && wanted.length < 2) {
    return {
      reason: 'not enough clusterips',
      message: notEnoughFamilies(wanted),
      field: 'spec.ipFamilyPolicy',
      remedy: remedies.giveFamilies,
    };
  }
  return unreadableRequest(service, false);
}

function fromRequest(
  service: Service,
  who: Candidate,
  wanted: readonly Family[],
  addresses: readonly Address[],
  field: string,
  view: StepView,
): Choice {
  const refuse = (why: string, waits: boolean, remedy: string): Choice => ({
    refusal: failed(service, why, field, remedy),
    waits,
  });
  const families = addresses.map(familyOf);
  if (families.length !== wanted.length || !families.every((family) => wanted.includes(family))) {
    return refuse(otherFamilies(addresses), false, remedies.askFor(wanted));
  }
  const owner = ownerOf(addresses, view);
  if (!owner) return refuse(notInConfig(addresses), false, remedies.askPooled);
  if (!admits(owner.pool, service, view.namespaces)) {
    return refuse(poolNotCompatible(owner.pool.name), false, remedies.letIn(owner.pool.name));
  }
  if (service.poolRequest !== undefined && service.poolRequest !== owner.pool.name) {
    const why = otherPool(addresses, service.poolRequest);
    return refuse(why, false, remedies.askForPool(owner.pool.name));
  }
  const conflict = conflictOf(who, addresses, view);
  if (conflict !== undefined) {
    const users = addresses.flatMap((address) => view.draft.usersOf(address));
    return refuse(conflict, true, remedies.share(addresses, users));
  }
  return { addresses, pool: owner.pool.name };
}

function fromPool(
  service: Service,
  who: Candidate,
  wanted: readonly Family[],
  name: string,
  view: StepView,
): Choice {
  const refuse = (why: string, waits: boolean, remedy: string): Choice => ({
    refusal: failed(service, why, POOL_FIELD, remedy),
    waits,
  });
  const pool = view.table.byName.get(name);
  if (!pool) {
    const remedy = view.unreadable.has(name)
      ? remedies.correctPool(name)
      : remedies.createPool(name);
    return refuse(unknownPool(name), false, remedy);
  }
  if (!admits(pool.pool, service, view.namespaces)) {
    return refuse(poolNotCompatible(name), false, remedies.letIn(name));
  }
  const addresses = chooseFrom([pool], service, who, wanted, view)?.addresses;
  if (addresses) return { addresses, pool: name };
  const lacking = wanted.filter((family) => !hasFamily(pool, family));
  const bearable = service.ipFamilyPolicy === 'PreferDualStack' ? wanted.length - 1 : 0;
  if (lacking.length <= bearable) {
    return refuse(noAddressInPool(name), true, remedies.addAddresses(wanted, name));
  }
  const remedy = `${remedies.addAddresses(lacking, name)}, or ask for another pool`;
  return refuse(poolLacksFamily(name, wanted), false, remedy);
}

function fromAnyPool(
  service: Service,
  who: Candidate,
  wanted: readonly Family[],
  view: StepView,
): Choice {
  const chosen =
    chooseFrom(dedicatedFor(service, view), service, who, wanted, view) ??
    chooseFrom(view.table.general, service, who, wanted, view);
  if (chosen) return chosen;
  const remedy = remedies.addPool(wanted);
  return { refusal: failed(service, 'no available IPs', 'spec.type', remedy), waits: true };
}

/** Pools made for this Service by `serviceAllocation`, in their order. */
export function dedicatedFor(service: Service, view: StepView): readonly TablePool[] {
  return view.table.dedicated.filter(({ pool }) => admits(pool, service, view.namespaces));
}

/**
 * The first pool that has all that is wanted; with PreferDualStack, failing that, the first with an
 * address of the first family, then of the second.
 */
function chooseFrom(
  pools: readonly TablePool[],
  service: Service,
  who: Candidate,
  wanted: readonly Family[],
  { draft }: StepView,
): { addresses: readonly Address[]; pool: string } | undefined {
  const fallbacks: ({ addresses: readonly Address[]; pool: string } | undefined)[] = [];
  for (const pool of pools) {
    const found = wanted.map((family) => draft.lowestUsable(pool, family, who));
    const addresses = found.filter((address) => address !== undefined);
    const { name } = pool.pool;
    if (addresses.length === wanted.length) {
      return { addresses: addresses.sort((a, b) => familyOf(a) - familyOf(b)), pool: name };
    }
    if (service.ipFamilyPolicy !== 'PreferDualStack') continue;
    for (const [index, address] of found.entries()) {
      if (address !== undefined) fallbacks[index] ??= { addresses: [address], pool: name };
    }
  }
  return fallbacks.find((fallback) => fallback !== undefined);
}

function failed(service: Service, why: string, field: string, remedy: string): Refusal {
  const message = `Failed to allocate IP for "${service.key}": ${why}`;
  return { reason: 'AllocationFailed', message, field, remedy };
}
