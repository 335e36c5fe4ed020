import type { ServiceStatus } from '../../domain/service.ts';
import { ALLOCATED } from '../../domain/service-conditions.ts';
import { refusalText } from './allocated.ts';
import type { Assignment, EventReason, PlannedEvent, Refusal } from './assignment.ts';

/**
 * The event of a refusal, or nothing when it was said already: by the step before, or (after a
 * restart) by the newest event about success or failure in the status, or by the condition where
 * the status remembers no events.
 */
export function refusalEvent(
  refusal: Refusal,
  before: Assignment | undefined,
  status: ServiceStatus | undefined,
): PlannedEvent | undefined {
  const { reason, message } = refusal;
  if (before ? isSame(before.refusal, refusal) : wasSaid(refusal, status)) return undefined;
  return { type: reason === 'AdditionalAssignFailed' ? 'Normal' : 'Warning', reason, message };
}

function wasSaid(refusal: Refusal, status: ServiceStatus | undefined): boolean {
  if (!status) return false;
  if (status.events.length === 0) {
    const condition = status.conditions.find(({ type }) => type === ALLOCATED);
    return condition?.message === refusalText(refusal);
  }
  const said = status.events.findLast((event) => isVerdict(event.reason, refusal.reason));
  return isSame(said, refusal);
}

function isSame(
  said: { readonly reason: string; readonly message: string } | undefined,
  { reason, message }: Refusal,
): boolean {
  return said?.reason === reason && said.message === message;
}

/** Reasons that go together with an address that is held. */
const WITH_ADDRESS: readonly string[] = ['AdditionalAssignFailed', 'LoadBalancerFailed'];
const WITHOUT_ADDRESS: readonly string[] = ['AllocationFailed', 'not enough clusterips'];

/** To be given an address ends what was said of having none, not what is said of having one. */
function isVerdict(said: string, reason: EventReason): boolean {
  const ends = said === 'IPAllocated' && !WITH_ADDRESS.includes(reason);
  return ends || WITH_ADDRESS.includes(said) || WITHOUT_ADDRESS.includes(said);
}
