import { type Address, type Family, formatAddress } from '../../domain/address.ts';
import type { ObjectKey } from '../../domain/object.ts';
import type { PlannedEvent } from './assignment.ts';
import { familiesText, formatPort } from './candidate.ts';
import type { Conflict } from './occupancy.ts';

/** MetalLB's sentences, word for word: people search, filter and alert on them. */

/** `["192.0.2.1" "2001:db8::1"]`, as Go prints a list of addresses. */
export function quoted(addresses: readonly Address[]): string {
  return `[${addresses.map((address) => `"${formatAddress(address)}"`).join(' ')}]`;
}

export function assigned(addresses: readonly Address[]): PlannedEvent {
  return { type: 'Normal', reason: 'IPAllocated', message: `Assigned IP ${quoted(addresses)}` };
}

export function assignedAdditional(address: Address): PlannedEvent {
  const message = `Assigned additional IP "${formatAddress(address)}"`;
  return { type: 'Normal', reason: 'IPAllocated', message };
}

export function cleared(service: ObjectKey, why: string): PlannedEvent {
  const what = `current IP for "${service}" not allowed by config`;
  const message = `${what}, will attempt for new IP assignment: ${why}`;
  return { type: 'Normal', reason: 'ClearAssignment', message };
}

export function deprecated(annotation: string): PlannedEvent {
  const message = `Service uses deprecated annotation ${annotation}`;
  return { type: 'Warning', reason: 'deprecatedAnnotation', message };
}

export function unreadableFamilies(addresses: readonly Address[]): PlannedEvent {
  const why =
    addresses.length === 2
      ? `same address family ${quoted(addresses)}`
      : `invalid ips length ${addresses.length} ${quoted(addresses)}`;
  const what = `Failed to retrieve LBIPs IPFamily for ${quoted(addresses)}`;
  const message = `${what}: IPFamilyForAddresses: ${why}`;
  return { type: 'Warning', reason: 'nolbIPsIPFamily', message };
}

export function notInConfig(addresses: readonly Address[]): string {
  return `${quoted(addresses)} is not allowed in config`;
}

export function poolNotCompatible(pool: string): string {
  return `pool ${pool} not compatible for ip assignment`;
}

export function noAddressInPool(pool: string): string {
  return `no available IPs in pool ${pool}`;
}

export function poolLacksFamily(pool: string, families: readonly Family[]): string {
  return `no available IPs in pool ${pool} for ${familiesText(families)} IPFamily`;
}

export function unknownPool(pool: string): string {
  return `unknown pool "${pool}"`;
}

export function otherFamilies(addresses: readonly Address[]): string {
  const what = `requested loadBalancer IP(s) ${quoted(addresses)}`;
  return `${what} does not match the ipFamily of the service`;
}

export function otherPool(addresses: readonly Address[], pool: string): string {
  const what = `requested loadBalancer IP(s) ${quoted(addresses)}`;
  return `${what} is not compatible with requested address pool ${pool}`;
}

/** MetalLB lists the cluster IPs here; a Service at the edge has their families. */
export function notEnoughFamilies(families: readonly Family[]): string {
  const list = families.map((family) => familiesText([family])).join(' ');
  return `Service requires dual stack but not enough clusterips [${list}]`;
}

export function conflictText(service: ObjectKey, conflict: Conflict): string {
  if (conflict.kind === 'port') {
    const { port, address } = conflict;
    return `port ${formatPort(port)} is already in use on "${formatAddress(address)}"`;
  }
  const what = `can't change sharing key for "${service}"`;
  return `${what}, address also in use by ${conflict.users.join(',')}`;
}
