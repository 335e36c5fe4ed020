import type { ServiceStatus } from '../../domain/service.ts';
import type { Assignment, EventReason, PlannedEvent, Refusal } from './assignment.ts';

/**
 * The event of a refusal, or nothing when it was said already: by the step before, or (after a
 * restart) by the newest event about success or failure in the status.
 */
export function refusalEvent(
  { reason, message }: Refusal,
  before: Assignment | undefined,
  status: ServiceStatus | undefined,
): PlannedEvent | undefined {
  const said = before
    ? before.refusal
    : status?.events.findLast((event) => isVerdict(event.reason, reason));
  if (said?.reason === reason && said.message === message) return undefined;
  return { type: reason === 'AdditionalAssignFailed' ? 'Normal' : 'Warning', reason, message };
}

/** Reasons that go together with an address that is held. */
const WITH_ADDRESS: readonly string[] = ['AdditionalAssignFailed', 'LoadBalancerFailed'];
const WITHOUT_ADDRESS: readonly string[] = ['AllocationFailed', 'not enough clusterips'];

/** To be given an address ends what was said of having none, not what is said of having one. */
function isVerdict(said: string, reason: EventReason): boolean {
  const ends = said === 'IPAllocated' && !WITH_ADDRESS.includes(reason);
  return ends || WITH_ADDRESS.includes(said) || WITHOUT_ADDRESS.includes(said);
}
