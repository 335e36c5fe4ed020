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
  const message = `current IP for "${service}" not allowed by config, will attempt for new IP assignment: ${why}`;
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
  const message = `Failed to retrieve LBIPs IPFamily for ${quoted(addresses)}: IPFamilyForAddresses: ${why}`;
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

export function conflictText(service: ObjectKey, conflict: Conflict): string {
  return conflict.kind === 'port'
    ? `port ${formatPort(conflict.port)} is already in use on "${formatAddress(conflict.address)}"`
    : `can't change sharing key for "${service}", address also in use by ${conflict.users.join(',')}`;
}
