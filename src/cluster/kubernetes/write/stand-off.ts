import type { Condition, ServiceStatus } from '../../../domain/service.ts';
import { ALLOCATED } from '../../../domain/service-conditions.ts';
import type { KubeObject } from '../kube-object.ts';
import { statusOf } from '../status/api-status.ts';
import { type StatusBase, statusBaseOf } from '../status/status-base.ts';
import type { EventText } from './event-recorder.ts';
import { FIELD_MANAGER } from './field-manager.ts';

/** What to say of a Service that somebody else writes, too. */
export interface ContestNews {
  readonly base: StatusBase;
  /** Empty when nobody is named. */
  readonly manager: string;
  /** The status as it is, and in it who else writes it. */
  readonly status: ServiceStatus | undefined;
  readonly event: EventText;
}

export function contestOf(object: KubeObject, nowMs: number): ContestNews {
  const base = statusBaseOf(object);
  const manager = otherManager(object);
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
    base,
    manager,
    status: status && { ...status, conditions: [...others, condition] },
    event: { type: 'Warning', reason: 'StatusContested', message },
  };
}

/**
 * Who else wrote the address or conditions in a Service's status last, by `metadata.managedFields`;
 * empty when nobody is named there.
 */
function otherManager({ metadata }: KubeObject): string {
  const entries = metadata['managedFields'];
  const others = (Array.isArray(entries) ? entries : [])
    .filter(
      (entry) => entry?.manager !== FIELD_MANAGER && ownsStatus(entry?.fieldsV1?.['f:status']),
    )
    .toSorted((a, b) => Date.parse(b.time) - Date.parse(a.time));
  return String(others[0]?.manager ?? '');
}

function ownsStatus(fields: unknown): boolean {
  if (typeof fields !== 'object' || fields === null) return false;
  return 'f:loadBalancer' in fields || 'f:conditions' in fields;
}
