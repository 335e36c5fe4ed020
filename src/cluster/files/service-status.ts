import { formatAddress, parseAddress } from '../../domain/address.ts';
import {
  type Condition,
  EVENTS_PER_SERVICE,
  type PortError,
  type ServiceEvent,
  type ServiceStatus,
} from '../../domain/service.ts';
import type { Json } from '../../system/json.ts';
import {
  child,
  type Decoded,
  decode,
  type Field,
  integer,
  items,
  oneOf,
  parsed,
  text,
} from '../decode/field.ts';

/** Version of the encoding; another one is not read. */
const VERSION = 1;
const MAX_ADDRESSES = 64;
const MAX_HOSTNAMES = 64;
const MAX_CONDITIONS = 64;
const MAX_PORTS = 100;

/** A status as it stands in the ledger. */
export function encodeServiceStatus(status: ServiceStatus): Json {
  return {
    version: VERSION,
    addresses: status.addresses.map(formatAddress),
    hostnames: status.hostnames,
    pool: status.pool,
    ports: status.ports.map((port) => ({ ...port })),
    conditions: status.conditions.map((condition) => ({ ...condition })),
    events: status.events.slice(-EVENTS_PER_SERVICE).map((event) => ({ ...event })),
  };
}

/** Reads what `encodeServiceStatus` wrote. Never throws. */
export function decodeServiceStatus(value: unknown): Decoded<ServiceStatus> {
  return decode(value, undefined, (root) => {
    integer(child(root, 'version'), VERSION, VERSION, VERSION);
    return {
      addresses: items(child(root, 'addresses'), MAX_ADDRESSES).flatMap((item) => {
        const address = parsed(item, parseAddress, 'an IP address', 'Remove it');
        return address === undefined ? [] : [address];
      }),
      hostnames: items(child(root, 'hostnames'), MAX_HOSTNAMES).map((item) => text(item, '')),
      pool: text(child(root, 'pool'), ''),
      ports: items(child(root, 'ports'), MAX_PORTS).map(readPort),
      // Nothing is deleted in two steps here.
      guarded: true,
      conditions: items(child(root, 'conditions'), MAX_CONDITIONS).map(readCondition),
      events: items(child(root, 'events'), EVENTS_PER_SERVICE).map(readEvent),
    };
  });
}

function readPort(field: Field): PortError {
  return {
    port: integer(child(field, 'port'), 1, 65_535, 1),
    protocol: oneOf(child(field, 'protocol'), ['TCP', 'UDP', 'SCTP'] as const, 'TCP'),
    error: text(child(field, 'error'), ''),
  };
}

function readCondition(field: Field): Condition {
  return {
    type: text(child(field, 'type'), ''),
    status: oneOf(child(field, 'status'), ['True', 'False', 'Unknown'] as const, 'Unknown'),
    reason: text(child(field, 'reason'), ''),
    message: text(child(field, 'message'), ''),
    sinceMs: readMs(child(field, 'sinceMs')),
  };
}

function readEvent(field: Field): ServiceEvent {
  return {
    type: oneOf(child(field, 'type'), ['Normal', 'Warning'] as const, 'Normal'),
    reason: text(child(field, 'reason'), ''),
    message: text(child(field, 'message'), ''),
    firstMs: readMs(child(field, 'firstMs')),
    lastMs: readMs(child(field, 'lastMs')),
    count: integer(child(field, 'count'), 1, Number.MAX_SAFE_INTEGER, 1),
  };
}

function readMs(field: Field): number {
  return integer(field, 0, Number.MAX_SAFE_INTEGER, 0);
}
