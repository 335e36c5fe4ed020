import type { Address } from '../../domain/address.ts';
import type { ObjectKey } from '../../domain/object.ts';
import type { Service } from '../../domain/service.ts';
import type { Snapshot } from '../../domain/snapshot.ts';
import type { Allocation, AllocationSettings } from './allocation.ts';
import type { PlannedEvent, Refusal } from './assignment.ts';
import { type Candidate, candidateOf, compareAge } from './candidate.ts';
import { type Held, keep, ownerOf } from './keep.ts';
import { unreadableRequest } from './request.ts';
import type { Scope } from './scope.ts';
import type { StepView } from './step-view.ts';

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
    const outcome = service.deleting ? leave(step, service) : stay(step, service);
    step.outcomes.set(service.key, outcome);
    if (outcome.addresses.length > 0) claim(step, outcome);
  }
}

function stay(step: Step, service: Service): Outcome {
  const who = candidateOf(service, step.settings.scopeSharingKeys);
  const { addresses, pool, events } = keep(service, who, heldBy(step, service.key), step);
  const refusal = addresses.length > 0 ? unreadableRequest(service, true) : undefined;
  return { service, who, addresses, pool, refusal, waits: false, events: [...events] };
}

/**
 * Who is being deleted keeps what its status says until that is taken away, whatever rules say now:
 * boxes may still answer for it. It is given nothing.
 */
function leave(step: Step, service: Service): Outcome {
  const who = candidateOf(service, step.settings.scopeSharingKeys);
  const said = step.snapshot.statuses.get(service.key)?.addresses ?? [];
  const addresses = heldBy(step, service.key).addresses.filter(
    (address) => said.includes(address) && !step.draft.conflict(who, address),
  );
  const pool = (addresses.length > 0 && ownerOf(addresses, step)?.pool.name) || '';
  return { service, who, addresses, pool, refusal: undefined, waits: false, events: [] };
}

/** Keeps others off the addresses of Services that may stand in what could not be read. */
export function holdForHidden(step: Step, hidden: readonly ObjectKey[]): void {
  for (const service of hidden.toSorted()) {
    const who = { service, sharing: '', ports: [] };
    const held = step.snapshot.statuses.get(service)?.addresses ?? [];
    const addresses = held.filter((address) => !step.draft.conflict(who, address));
    if (addresses.length > 0) step.draft.claim({ ...who, addresses, pool: '' });
  }
}

/** What a Service holds: by a decision that nobody has overwritten since, else by its status. */
export function heldBy({ previous, snapshot }: Step, key: ObjectKey): Held {
  const status = snapshot.statuses.get(key);
  const decided = previous?.services.get(key);
  if (previous && decided && status === previous.basis.snapshot.statuses.get(key)) return decided;
  return { addresses: status?.addresses ?? [], pool: status?.pool ?? '' };
}

/** Records what an outcome holds, in place of what its Service held. */
export function claim(step: Step, { service, who, addresses, pool }: Outcome): void {
  step.draft.release(service.key);
  step.draft.claim({ ...who, addresses, pool: step.table.byName.has(pool) ? pool : '' });
}
