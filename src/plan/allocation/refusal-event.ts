import type { ServiceStatus } from '../../domain/service.ts';
import type { PlannedEvent, Refusal } from './assignment.ts';

/**
 * The event of a refusal, or nothing when it was said already: by the step before, or (after a
 * restart) by the newest event of that reason in the status.
 */
export function refusalEvent(
  { reason, message }: Refusal,
  before: Refusal | undefined,
  status: ServiceStatus | undefined,
): PlannedEvent | undefined {
  const said = before ?? status?.events.findLast((event) => event.reason === reason);
  if (said?.reason === reason && said.message === message) return undefined;
  return { type: reason === 'AdditionalAssignFailed' ? 'Normal' : 'Warning', reason, message };
}
