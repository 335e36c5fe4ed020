import { type Address, formatAddress } from '../domain/address.ts';
import type { Condition } from '../domain/service.ts';
import type { Assignment } from '../plan/allocation/assignment.ts';
import type { Observed } from './observed.ts';

/** The conditions that the controller owns; others are left as they are. */
export const OUR_CONDITIONS = [
  'tidegate.io/Allocated',
  'tidegate.io/Serving',
  'tidegate.io/Announced',
] as const;

/** A condition before it is known since when. */
export type Finding = Omit<Condition, 'sinceMs'>;

type Reader = Pick<Observed, 'serving' | 'announcement' | 'forwarderReady'>;

/** How a Service stands, by the allocator and by the reports of forwarder and speaker. */
export function findingsOf(assignment: Assignment, observed: Reader): readonly Finding[] {
  const [allocated, serving, announced] = OUR_CONDITIONS;
  return [
    { type: allocated, ...allocation(assignment) },
    { type: serving, ...combine(assignment, (address) => servingOf(address, observed)) },
    { type: announced, ...combine(assignment, (address) => announcementOf(address, observed)) },
  ];
}

type Verdict = Omit<Finding, 'type'>;

function allocation({ addresses, pool, refusal }: Assignment): Verdict {
  const status = addresses.length > 0 ? 'True' : 'False';
  if (refusal) {
    const { reason, message, field, remedy } = refusal;
    const text = `${message}. ${remedy} (${field})`;
    return { status, reason: conditionReason(reason, 'AllocationFailed'), message: text };
  }
  const list = addresses.map(formatAddress).join(', ');
  return { status, reason: 'IPAllocated', message: `${list} from pool "${pool}"` };
}

/** True when it is true of every address; else what is wrong with those of which it is not. */
function combine({ addresses }: Assignment, of: (address: Address) => Verdict): Verdict {
  if (addresses.length === 0) {
    const message = 'The Service has no address. See the condition tidegate.io/Allocated';
    return { status: 'False', reason: 'noIPAllocated', message };
  }
  const verdicts = addresses.map(of);
  const worst =
    verdicts.find(({ status }) => status === 'False') ??
    verdicts.find(({ status }) => status === 'Unknown');
  const shown = verdicts.filter(({ status }) => !worst || status === worst.status);
  const { status, reason } = worst ?? (verdicts[0] as Verdict);
  return { status, reason, message: shown.map(({ message }) => message).join('. ') };
}

function servingOf(address: Address, observed: Reader): Verdict {
  const text = formatAddress(address);
  const report = observed.serving(address);
  if (report?.servable) {
    return { status: 'True', reason: 'Serving', message: `${text} has usable backends` };
  }
  if (report) {
    const remedy =
      'See by "tidegate explain service" which backends there are and why each is not used';
    return {
      status: 'False',
      reason: conditionReason(report.reason, 'NotServing'),
      message: `${text} has no usable backend: ${report.reason || 'no reason given'}. ${remedy}`,
    };
  }
  return observed.forwarderReady()
    ? {
        status: 'Unknown',
        reason: 'notForwarded',
        message: `The forwarder on this box has not reported on ${text}`,
      }
    : {
        status: 'Unknown',
        reason: 'forwarderNotReady',
        message: 'The forwarder on this box is not ready. Look at the log of the role "forwarder"',
      };
}

function announcementOf(address: Address, observed: Reader): Verdict {
  const text = formatAddress(address);
  const report = observed.announcement(address);
  if (!report) {
    const message = `The speaker on this box has not reported on ${text}`;
    const remedy = 'Look at the log of the role "speaker"';
    return { status: 'Unknown', reason: 'notReported', message: `${message}. ${remedy}` };
  }
  if (report.announced) {
    const message = `${text} on ${report.interfaces.join(', ') || 'no interface'}`;
    return { status: 'True', reason: 'Announced', message };
  }
  const message = `${text} is not announced: ${report.reason || 'no reason given'}`;
  return {
    status: 'False',
    reason: conditionReason(report.reason, 'NotAnnounced'),
    message: `${message}. See by "tidegate explain service" what is missing`,
  };
}

/** Reasons of conditions are one word (meta/v1 Condition); not all event reasons are. */
function conditionReason(reason: string, otherwise: string): string {
  return /^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$/.test(reason) ? reason : otherwise;
}
