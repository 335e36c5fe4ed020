import type { AddressRequest, Service } from '../../domain/service.ts';
import type { Refusal } from './assignment.ts';
import { differInFamily } from './candidate.ts';

export const POOL_FIELD = 'metallb.io/address-pool';

/** What a Service asks for; more addresses than families is unreadable, as an unparsable one is. */
export function requestOf({ request }: Service): AddressRequest {
  if (request.kind !== 'addresses' || differInFamily(request.addresses)) return request;
  return {
    kind: 'invalid',
    field: request.field,
    message: 'more than one address of a family',
    remedy: 'Ask for one address, or for one IPv4 and one IPv6 address',
  };
}

/** The warning about a request that cannot be read. `holds`: an address is held and stays. */
export function unreadableRequest(service: Service, holds: boolean): Refusal | undefined {
  const request = requestOf(service);
  if (request.kind !== 'invalid') return undefined;
  const { field, message, remedy } = request;
  return holds
    ? {
        reason: 'LoadBalancerFailed',
        message: `invalid requested loadbalancer IPs: ${message}`,
        field,
        remedy,
      }
    : {
        reason: 'AllocationFailed',
        message: `Failed to allocate IP for "${service.key}": ${message}`,
        field,
        remedy,
      };
}
