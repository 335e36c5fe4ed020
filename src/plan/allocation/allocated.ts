import { formatAddress } from '../../domain/address.ts';
import type { Condition } from '../../domain/service.ts';
import { conditionReason } from '../../domain/service-conditions.ts';
import type { Assignment, Refusal } from './assignment.ts';

/** What the condition `tidegate.io/Allocated` says of an assignment. */
export function allocatedVerdict({
  addresses,
  pool,
  refusal,
}: Assignment): Pick<Condition, 'status' | 'reason' | 'message'> {
  const status = addresses.length > 0 ? 'True' : 'False';
  if (refusal) {
    const reason = conditionReason(refusal.reason, 'AllocationFailed');
    return { status, reason, message: refusalText(refusal) };
  }
  const list = addresses.map(formatAddress).join(', ');
  return { status, reason: 'IPAllocated', message: `${list} from pool "${pool}"` };
}

/** A refusal in full, as people read it in the condition. */
export function refusalText({ message, field, remedy }: Refusal): string {
  return `${message}. ${remedy} (${field})`;
}
