import { type Address, familyOf } from '../../domain/address.ts';
import type { Service } from '../../domain/service.ts';
import type { PlannedEvent } from './assignment.ts';
import { type Candidate, differInFamily, wantedFamilies } from './candidate.ts';
import { placeOf } from './lane.ts';
import { admits, slotOf, type TablePool } from './pool-table.ts';
import { requestOf } from './request.ts';
import type { StepView } from './step-view.ts';
import {
  cleared,
  conflictText,
  notInConfig,
  poolNotCompatible,
  unreadableFamilies,
} from './texts.ts';

/** What a Service holds before it is looked at: by its status, or by a decision not yet written. */
export interface Held {
  readonly addresses: readonly Address[];
  /** Name of the pool as recorded with them; empty when it is not. */
  readonly pool: string;
}

/** What of it stays. */
export interface Kept {
  /** Empty when nothing stays. */
  readonly addresses: readonly Address[];
  readonly pool: string;
  readonly events: readonly PlannedEvent[];
}

/**
 * Decides what a Service keeps of what it holds. Everything that still satisfies the rules stays,
 * whatever else may suit it better; a request that names something else ends the hold even if it
 * cannot be met, an unreadable one leaves it alone.
 */
export function keep(service: Service, who: Candidate, held: Held, view: StepView): Kept {
  if (held.addresses.length === 0) return NOTHING;
  if (held.addresses.length > 2 || !differInFamily(held.addresses)) {
    return { ...NOTHING, events: [unreadableFamilies(held.addresses)] };
  }
  const addresses = withinFamilies(service, held.addresses);
  if (addresses.length === 0) return NOTHING;
  const owner = ownerOf(addresses, view);
  const admitted = owner !== undefined && admits(owner.pool, service, view.namespaces);
  const faithful = view.unreadable.has(held.pool) && service.poolRequest === held.pool;
  const pool = admitted && !faithful ? owner.pool.name : held.pool;
  const objection =
    admitted || view.unreadable.has(held.pool)
      ? conflictOf(who, addresses, view)
      : owner
        ? poolNotCompatible(owner.pool.name)
        : notInConfig(addresses);
  if (objection !== undefined) {
    return { ...NOTHING, events: [cleared(service.key, objection)] };
  }
  if (service.poolRequest !== undefined && service.poolRequest !== pool) return NOTHING;
  const request = requestOf(service);
  if (request.kind === 'addresses' && !sameSet(request.addresses, addresses)) return NOTHING;
  return { addresses, pool, events: [] };
}

const NOTHING: Kept = { addresses: [], pool: '', events: [] };

/**
 * The held addresses that the Service's families leave it: of two the remaining one when it has
 * become single-stack; one of two only where the policy does not require both.
 */
function withinFamilies(service: Service, held: readonly Address[]): readonly Address[] {
  const wanted = wantedFamilies(service);
  const addresses = held.filter((address) => wanted.includes(familyOf(address)));
  const required = service.ipFamilyPolicy === 'RequireDualStack' ? 2 : 1;
  return addresses.length < required ? [] : addresses;
}

/** Why the addresses may not be used beside those who use them, in MetalLB's words. */
export function conflictOf(
  who: Candidate,
  addresses: readonly Address[],
  { draft }: StepView,
): string | undefined {
  for (const address of addresses) {
    const conflict = draft.conflict(who, address);
    if (conflict) return conflictText(who.service, conflict);
  }
  return undefined;
}

/** The one pool that may give all of the addresses. */
export function ownerOf(addresses: readonly Address[], { table }: StepView): TablePool | undefined {
  const owners = addresses.map((address) => {
    const slot = slotOf(table, address);
    return slot && placeOf(slot.lane, address) !== undefined ? slot.owner : undefined;
  });
  return owners.every((owner) => owner === owners[0]) ? owners[0] : undefined;
}

function sameSet(a: readonly Address[], b: readonly Address[]): boolean {
  return a.length === b.length && a.every((address) => b.includes(address));
}
