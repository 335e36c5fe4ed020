import { type Address, type Family, familyOf, formatAddress } from '../../domain/address.ts';
import type { Service } from '../../domain/service.ts';
import type { Refusal } from './assignment.ts';
import { type Candidate, familiesText, wantedFamilies } from './candidate.ts';
import { conflictOf, ownerOf } from './keep.ts';
import { admits, hasFamily, type TablePool } from './pool-table.ts';
import { POOL_FIELD, requestOf, unreadableRequest } from './request.ts';
import type { StepView } from './step-view.ts';
import {
  noAddressInPool,
  notInConfig,
  poolLacksFamily,
  poolNotCompatible,
  quoted,
} from './texts.ts';

/** Addresses to give, or why there are none. */
export type Choice =
  | { readonly addresses: readonly Address[]; readonly pool: string }
  /** `waits`: the same Service may succeed when others leave addresses or ports. */
  | { readonly refusal: Refusal; readonly waits: boolean };

/**
 * Chooses addresses for a Service that holds none: those asked for, else from the pool asked for, else
 * from the pools meant for it, else from the general ones. A request is never replaced by something
 * else. The draft is only read.
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
    const why = `requested loadBalancer IP(s) ${quoted(request.addresses)} does not match the ipFamily of the service`;
    return refuse(why, false, 'Ask for one address of each family, or set SingleStack');
  }
  const pool = view.table.byName.get(poolName);
  if (!pool) {
    const remedy = `Correct IPAddressPool "${poolName}", which cannot be read`;
    return refuse(`unknown pool "${poolName}"`, false, remedy);
  }
  if (!hasFamily(pool, family)) {
    const remedy = `Add ${familiesText([family])} addresses to IPAddressPool "${poolName}", or set SingleStack`;
    return refuse(poolLacksFamily(poolName, [family]), false, remedy);
  }
  const second = view.draft.lowestUsable(pool, family, who);
  if (second === undefined) {
    const remedy = `Add ${familiesText([family])} addresses to IPAddressPool "${poolName}"`;
    return refuse(noAddressInPool(poolName), true, remedy);
  }
  return { addresses: [second], pool: poolName };
}

/** What rules out an address whatever the pools hold. */
function refuseByItself(service: Service, wanted: readonly Family[]): Refusal | undefined {
  if (wanted.length === 0) {
    const remedy = 'Remove "clusterIP: None", or make it a Service of type ClusterIP';
    return failed(service, 'No ClusterIPs', 'spec.clusterIP', remedy);
  }
  if (service.ipFamilyPolicy === 'RequireDualStack' && wanted.length < 2) {
    return {
      reason: 'not enough clusterips',
      message: `Service requires dual stack but not enough clusterips [${wanted.map((family) => familiesText([family])).join(' ')}]`,
      field: 'spec.ipFamilyPolicy',
      remedy: 'Give the Service two families, or set PreferDualStack or SingleStack',
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
    const why = `requested loadBalancer IP(s) ${quoted(addresses)} does not match the ipFamily of the service`;
    const remedy = `Ask for ${wanted.length === 2 ? 'one IPv4 and one IPv6 address' : `one ${familiesText(wanted)} address`}, or change spec.ipFamilyPolicy`;
    return refuse(why, false, remedy);
  }
  const owner = ownerOf(addresses, view);
  if (!owner) {
    const remedy = 'Ask for addresses that one IPAddressPool contains, or add them to a pool';
    return refuse(notInConfig(addresses), false, remedy);
  }
  if (!admits(owner.pool, service, view.namespaces)) {
    return refuse(poolNotCompatible(owner.pool.name), false, remedyOfAdmission(owner));
  }
  if (service.poolRequest !== undefined && service.poolRequest !== owner.pool.name) {
    const why = `requested loadBalancer IP(s) ${quoted(addresses)} is not compatible with requested address pool ${service.poolRequest}`;
    return refuse(why, false, `Ask for the pool "${owner.pool.name}", or for no pool`);
  }
  const conflict = conflictOf(who, addresses, view);
  if (conflict !== undefined) return refuse(conflict, true, remedyOfConflict(addresses, view));
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
      ? `Correct IPAddressPool "${name}", which cannot be used as it is`
      : `Create an IPAddressPool "${name}", or ask for another`;
    return refuse(`unknown pool "${name}"`, false, remedy);
  }
  if (!admits(pool.pool, service, view.namespaces)) {
    return refuse(poolNotCompatible(name), false, remedyOfAdmission(pool));
  }
  const addresses = chooseFrom([pool], service, who, wanted, view)?.addresses;
  if (addresses) return { addresses, pool: name };
  const present = wanted.filter((family) => hasFamily(pool, family));
  const enough = service.ipFamilyPolicy === 'PreferDualStack' ? 1 : wanted.length;
  return present.length < enough
    ? refuse(
        poolLacksFamily(name, wanted),
        false,
        `Add ${familiesText(wanted.filter((family) => !present.includes(family)))} addresses to IPAddressPool "${name}", or ask for another`,
      )
    : refuse(noAddressInPool(name), true, `Add addresses to IPAddressPool "${name}"`);
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
  const remedy = `Create an IPAddressPool with free ${familiesText(wanted)} addresses that this Service may use, or enlarge one`;
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

function remedyOfAdmission({ pool }: TablePool): string {
  return `Ask for another pool, or let this Service in by spec.serviceAllocation of IPAddressPool "${pool.name}"`;
}

function remedyOfConflict(addresses: readonly Address[], { draft }: StepView): string {
  const users = addresses.flatMap((address) => draft.usersOf(address));
  const list = [...new Set(users)].sort().slice(0, NAMED_USERS).join(', ');
  const named = addresses.map(formatAddress).join(' or ');
  return `Ask for another address than ${named}, or give this Service and its users (${list}) one metallb.io/allow-shared-ip key, different ports, and equal selectors where externalTrafficPolicy is Local`;
}

/** So many users of an address are named in a remedy; all of them are in the API. */
const NAMED_USERS = 5;
