import { type Address, parseAddress } from '../../../domain/address.ts';
import type { Condition, PortError, ServiceEvent, ServiceStatus } from '../../../domain/service.ts';
import type { KubeObject } from '../kube-object.ts';
import {
  type ApiCondition,
  type ApiIngress,
  CLEANUP_FINALIZER,
  type StatusBase,
  statusBaseOf,
} from './status-base.ts';

/**
 * The status of a core/v1 Service; `undefined` when it says nothing at all. `events` are those that
 * this process wrote about it: an API server is not asked for them.
 */
export function decodeApiStatus(
  object: KubeObject,
  events: readonly ServiceEvent[],
): ServiceStatus | undefined {
  return statusOf(statusBaseOf(object), events);
}

/** As `decodeApiStatus`, of what was kept of the object. */
export function statusOf(
  base: StatusBase,
  events: readonly ServiceEvent[],
): ServiceStatus | undefined {
  const { ingress } = base;
  const status: ServiceStatus = {
    addresses: addressesOf(base),
    hostnames: ingress.flatMap(({ hostname }) => (hostname ? [hostname] : [])),
    pool: base.pool ?? base.formerPool ?? '',
    ports: portErrors(ingress),
    guarded: base.finalizers.includes(CLEANUP_FINALIZER),
    conditions: base.conditions.map(decodeCondition),
    events,
  };
  return isSilent(status) ? undefined : status;
}

/** Addresses in the status, each once, in their order; what is no address is left out. */
export function addressesOf({ ingress }: StatusBase): readonly Address[] {
  const addresses = ingress.flatMap(({ ip }) => {
    const address = typeof ip === 'string' ? parseAddress(ip) : undefined;
    return address === undefined ? [] : [address];
  });
  return [...new Set(addresses)];
}

export function decodeCondition(condition: ApiCondition): Condition {
  const { type, status, reason, message, lastTransitionTime } = condition;
  const sinceMs = Date.parse(lastTransitionTime);
  return {
    type,
    status: status === 'True' || status === 'False' ? status : 'Unknown',
    reason: reason ?? '',
    message: message ?? '',
    sinceMs: Number.isNaN(sinceMs) ? 0 : sinceMs,
  };
}

/** Each port once, though both families of a Service name it. */
function portErrors(ingress: readonly ApiIngress[]): readonly PortError[] {
  const errors = new Map<string, PortError>();
  for (const { port, protocol, error } of ingress.flatMap(({ ports }) => ports ?? [])) {
    if (!error || (protocol !== 'TCP' && protocol !== 'UDP' && protocol !== 'SCTP')) continue;
    errors.set(`${port}/${protocol}`, { port, protocol, error });
  }
  return [...errors.values()];
}

function isSilent(status: ServiceStatus): boolean {
  const { addresses, hostnames, pool, ports, guarded, conditions, events } = status;
  const lists = [addresses, hostnames, ports, conditions, events];
  return pool === '' && !guarded && lists.every(({ length }) => length === 0);
}
