import type { Condition, ServiceStatus } from '../../../domain/service.ts';
import { ALLOCATED } from '../../../domain/service-conditions.ts';
import type { KubeObject } from '../kube-object.ts';
import { statusOf } from '../status/api-status.ts';
import type { StatusBase } from '../status/status-base.ts';
import type { EventText } from './event-recorder.ts';

/**
 * Who else wrote the address or conditions in a Service's status last, by `metadata.managedFields`;
 * empty when nobody is named there.
 */
export function otherManager({ metadata }: KubeObject, ourself: string): string {
  const entries = metadata['managedFields'];
  const others = (Array.isArray(entries) ? entries : [])
    .filter((entry) => entry?.manager !== ourself && ownsStatus(entry?.fieldsV1?.['f:status']))
    .toSorted((a, b) => Date.parse(b.time) - Date.parse(a.time));
  return String(others[0]?.manager ?? '');
}

function ownsStatus(fields: unknown): boolean {
  if (typeof fields !== 'object' || fields === null) return false;
  return 'f:loadBalancer' in fields || 'f:conditions' in fields;
}

/** The status as it is, and in it (and in an event) that somebody else writes it. */
export function contestedStatus(
  base: StatusBase,
  manager: string,
  nowMs: number,
): { readonly status: ServiceStatus | undefined; readonly event: EventText } {
  const who = manager === '' ? 'Somebody else' : `"${manager}"`;
  const message =
    `${who} writes the status of this Service, too. Let one load balancer controller serve it: ` +
    'set spec.loadBalancerClass, or stop the other one';
  const condition: Condition = {
    type: ALLOCATED,
    status: 'False',
    reason: 'StatusContested',
    message,
    sinceMs: nowMs,
  };
  const status = statusOf(base, []);
  const others = status?.conditions.filter(({ type }) => type !== ALLOCATED) ?? [];
  return {
    status: status && { ...status, conditions: [...others, condition] },
    event: { type: 'Warning', reason: 'StatusContested', message },
  };
}
