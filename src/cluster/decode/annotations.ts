import { type Address, familyOf, formatAddress, parseAddress } from '../../domain/address.ts';
import type { HealthCheckSettings } from '../../domain/health.ts';
import { SCHEDULERS } from '../../domain/scheduler.ts';
import type { AddressRequest, Service } from '../../domain/service.ts';
import { parseWeight, WEIGHT_MAX } from '../../domain/weight.ts';
import { descend, type Field, isObject, optionalText, quote, warn } from './field.ts';
import { annotation, isSubdomain } from './meta.ts';

/**
 * Every annotation of a Service that is read. A bad value of ours is a warning and counts as not
 * given, so that a typing error never takes a Service out; what is wrong with an address request
 * goes to the allocator, which keeps the held address and says so on the Service.
 */
const METALLB = 'metallb.io/';
const METALLB_OLD = 'metallb.universe.tf/';
const OURS = 'tidegate.io/';

const HEALTH_CHECK = `${OURS}health-check`;

const TARGET = `${OURS}target`;
const SCHEDULER = `${OURS}scheduler`;
const WEIGHTS = `${OURS}weights`;
const SLOW_START = `${OURS}slow-start`;
const NEW_FLOWS = `${OURS}new-flows-per-second`;
const CLIENT_NEW_FLOWS = `${OURS}client-new-flows-per-second`;
const DEAD_BACKEND = `${OURS}dead-backend`;

const SLOW_START_MIN_MS = 1000;
const SLOW_START_MAX_MS = 900_000;
/** Of both limits on new flows. */
const MAX_NEW_FLOWS = 10_000_000;
const MAX_WEIGHTS = 1000;

type Reader = (field: Field, value: string) => Partial<HealthCheckSettings>;

const HEALTH_CHECK_READERS: Readonly<Record<string, Reader>> = {
  [HEALTH_CHECK]: (field, value) => {
    const kind = oneOf(field, value, ['none', 'tcp', 'http', 'https', 'icmp'] as const);
    return kind === undefined ? {} : { kind };
  },
  [`${HEALTH_CHECK}-port`]: (field, value) => {
    const port = wholeNumber(field, value, 1, 65535);
    return port === undefined ? {} : { port };
  },
  [`${HEALTH_CHECK}-path`]: (field, value) => {
    if (/^\/[\x21-\x7e]{0,1023}$/.test(value)) return { path: value };
    return reject(field, value, 'a path', 'Write / and at most 1023 printable characters');
  },
  [`${HEALTH_CHECK}-host`]: (field, value) => {
    if (isSubdomain(value.toLowerCase()) || parseAddress(value)) return { host: value };
    return reject(field, value, 'a host name or address', 'Write a name such as www.example.org');
  },
  [`${HEALTH_CHECK}-expected-status`]: (field, value) => {
    const expectedStatus = readStatusRanges(value);
    if (expectedStatus) return { expectedStatus };
    return reject(field, value, 'a list of HTTP statuses', 'Write for example 200-399,404');
  },
  [`${HEALTH_CHECK}-interval`]: (field, value) => {
    const intervalMs = duration(field, value, 100, 3_600_000);
    return intervalMs === undefined ? {} : { intervalMs };
  },
  [`${HEALTH_CHECK}-timeout`]: (field, value) => {
    const timeoutMs = duration(field, value, 10, 60_000);
    return timeoutMs === undefined ? {} : { timeoutMs };
  },
  [`${HEALTH_CHECK}-rise`]: (field, value) => {
    const rise = wholeNumber(field, value, 1, 100);
    return rise === undefined ? {} : { rise };
  },
  [`${HEALTH_CHECK}-fall`]: (field, value) => {
    const fall = wholeNumber(field, value, 1, 100);
    return fall === undefined ? {} : { fall };
  },
};

const OUR_ANNOTATIONS = [
  TARGET,
  SCHEDULER,
  WEIGHTS,
  SLOW_START,
  NEW_FLOWS,
  CLIENT_NEW_FLOWS,
  DEAD_BACKEND,
  ...Object.keys(HEALTH_CHECK_READERS),
];

/** The fields of a Service that annotations say. */
export type ServiceAnnotations = Pick<
  Service,
  'request' | 'poolRequest' | 'sharingKey' | 'deprecatedAnnotations' | 'target' | 'healthCheck'
> &
  ForwardingAnnotations;

type ForwardingAnnotations = Pick<
  Service,
  | 'scheduler'
  | 'weights'
  | 'slowStartSec'
  | 'newFlowsPerSec'
  | 'clientNewFlowsPerSec'
  | 'deadBackend'
>;

/** Reads all of the annotations above, and `spec.loadBalancerIP`, which says the same as one of them. */
export function readServiceAnnotations(root: Field): ServiceAnnotations {
  const deprecated: string[] = [];
  const addresses = metallb(root, 'loadBalancerIPs', deprecated);
  const pool = metallb(root, 'address-pool', deprecated);
  const sharing = metallb(root, 'allow-shared-ip', deprecated);
  const target = ours(root, TARGET);
  warnOfUnknown(root);
  return {
    request: readRequest(addresses, descend(root, 'spec', 'loadBalancerIP')),
    poolRequest: annotationText(pool) || undefined,
    sharingKey: annotationText(sharing) ?? '',
    deprecatedAnnotations: deprecated,
    target: target && oneOf(target.field, target.value, ['pod', 'node'] as const),
    healthCheck: readHealthCheck(root),
    ...readForwarding(root),
  };
}

/** Which backend a new flow gets, and how many are taken. */
function readForwarding(root: Field): ForwardingAnnotations {
  const scheduler = ours(root, SCHEDULER);
  const weights = ours(root, WEIGHTS);
  const slow = ours(root, SLOW_START);
  const slowStartMs =
    slow && duration(slow.field, slow.value, SLOW_START_MIN_MS, SLOW_START_MAX_MS);
  const rate = ours(root, NEW_FLOWS);
  const clientRate = ours(root, CLIENT_NEW_FLOWS);
  const dead = ours(root, DEAD_BACKEND);
  return {
    scheduler: scheduler && oneOf(scheduler.field, scheduler.value, SCHEDULERS),
    weights: weights ? readWeights(weights.field, weights.value) : NO_WEIGHTS,
    slowStartSec: (slowStartMs ?? 0) / 1000,
    newFlowsPerSec: (rate && wholeNumber(rate.field, rate.value, 0, MAX_NEW_FLOWS)) ?? 0,
    clientNewFlowsPerSec:
      clientRate && wholeNumber(clientRate.field, clientRate.value, 0, MAX_NEW_FLOWS),
    deadBackend: dead && oneOf(dead.field, dead.value, ['leave', 'reset'] as const),
  };
}

const NO_WEIGHTS: ReadonlyMap<string, number> = new Map();

/** `worker-1=3, 10.244.1.7=2`: what is wrong in one entry leaves the others in force. */
function readWeights(field: Field, value: string): ReadonlyMap<string, number> {
  const weights = new Map<string, number>();
  const entries = value.split(',').filter((entry) => entry.trim() !== '');
  if (entries.length > MAX_WEIGHTS) {
    const message = `There are ${entries.length} weights, the limit is ${MAX_WEIGHTS}`;
    warn(field, message, 'Put the label tidegate.io/weight on Pods or Nodes instead');
    return NO_WEIGHTS;
  }
  for (const entry of entries) {
    const at = entry.lastIndexOf('=');
    const written = entry.slice(0, Math.max(at, 0)).trim();
    const address = parseAddress(written);
    const name = address === undefined ? written : formatAddress(address);
    const weight = parseWeight(entry.slice(at + 1).trim());
    const wrong =
      address === undefined && !isSubdomain(name)
        ? 'does not name a Node, a Pod or an address'
        : weight === undefined
          ? `has no weight from 0 to ${WEIGHT_MAX}`
          : weights.has(name)
            ? 'names what an earlier entry names'
            : '';
    if (wrong === '' && weight !== undefined) weights.set(name, weight);
    else warn(field, `${quote(entry.trim())} ${wrong}`, 'Write for example worker-1=3,10.1.0.7=2');
  }
  return weights;
}

/** MetalLB's rule: the new name counts whenever it is there, even when empty. */
function metallb(root: Field, name: string, deprecated: string[]): Field {
  const current = annotation(root, METALLB + name);
  if (current.value !== undefined) return current;
  const old = annotation(root, METALLB_OLD + name);
  if (old.value === undefined) return current;
  deprecated.push(METALLB_OLD + name);
  return old;
}

function readRequest(annotated: Field, spec: Field): AddressRequest {
  const list = annotationText(annotated);
  const single = optionalText(spec);
  if (list === undefined && annotated.value !== undefined)
    return invalid(annotated, 'The annotation is not text', 'Put the addresses in quotes');
  if (list && single) {
    const message = `Addresses are requested here and in spec.loadBalancerIP`;
    return invalid(annotated, message, 'Remove one of the two');
  }
  if (list)
    return readAddresses(
      annotated,
      list.split(',').map((part) => part.trim()),
    );
  return single ? readAddresses(spec, [single]) : { kind: 'none' };
}

function readAddresses(field: Field, parts: readonly string[]): AddressRequest {
  const addresses: Address[] = [];
  for (const part of parts) {
    const address = parseAddress(part);
    if (address === undefined)
      return invalid(field, `${quote(part)} is not an IP address`, 'Write for example 192.0.2.10');
    addresses.push(address);
  }
  const families = new Set(addresses.map(familyOf));
  if (families.size !== addresses.length) {
    const message = `${addresses.length} addresses are requested, at most one a family can be given`;
    return invalid(field, message, 'Name one IPv4 address, one IPv6 address, or one of each');
  }
  return { kind: 'addresses', addresses, field: nameOf(field) };
}

function invalid(field: Field, message: string, remedy: string): AddressRequest {
  warn(field, message, remedy);
  return { kind: 'invalid', field: nameOf(field), message, remedy };
}

/** The annotation's own name, or the path of the spec field. */
function nameOf(field: Field): string {
  return field.name === 'loadBalancerIP' ? 'spec.loadBalancerIP' : String(field.name);
}

/** The API server reads `null` as empty text. */
function annotationText({ value }: Field): string | undefined {
  return value === null ? '' : typeof value === 'string' ? value : undefined;
}

function readHealthCheck(root: Field): Partial<HealthCheckSettings> {
  const settings: Partial<HealthCheckSettings> = {};
  for (const [name, read] of Object.entries(HEALTH_CHECK_READERS)) {
    const given = ours(root, name);
    if (given) Object.assign(settings, read(given.field, given.value));
  }
  return settings;
}

/** An annotation of ours, if it is there and is text. */
function ours(root: Field, name: string): { field: Field; value: string } | undefined {
  const field = annotation(root, name);
  if (field.value === undefined) return undefined;
  if (typeof field.value === 'string') return { field, value: field.value.trim() };
  warn(field, `${quote(field.value)} is not text`, 'Put the annotation in quotes');
  return undefined;
}

function warnOfUnknown(root: Field) {
  const { value } = descend(root, 'metadata', 'annotations');
  if (!isObject(value)) return;
  for (const name of Object.keys(value)) {
    if (!name.startsWith(OURS) || OUR_ANNOTATIONS.includes(name)) continue;
    const remedy = `Remove it or use one of ${OUR_ANNOTATIONS.join(', ')}`;
    warn(annotation(root, name), `Annotation ${quote(name)} is not known`, remedy);
  }
}

function oneOf<T extends string>(field: Field, value: string, allowed: readonly T[]) {
  const found = allowed.find((word) => word === value);
  if (found === undefined)
    warn(field, `${quote(value)} is not known here`, `Use one of ${allowed.join(', ')}`);
  return found;
}

function wholeNumber(field: Field, value: string, min: number, max: number) {
  const number = /^\d{1,9}$/.test(value) ? Number(value) : Number.NaN;
  if (number >= min && number <= max) return number;
  warn(field, `${quote(value)} is not a number from ${min} to ${max}`, 'Write digits, in quotes');
  return undefined;
}

function duration(field: Field, value: string, minMs: number, maxMs: number) {
  const [, digits, unit] = /^(\d{1,7})(ms|s|m)$/.exec(value) ?? [];
  const ms = Number(digits) * (unit === 'ms' ? 1 : unit === 's' ? 1000 : 60_000);
  if (ms >= minMs && ms <= maxMs) return ms;
  const message = `${quote(value)} is not a duration from ${minMs}ms to ${maxMs / 1000}s`;
  warn(field, message, 'Write a whole number with its unit, for example 500ms, 2s or 1m');
  return undefined;
}

const MAX_STATUS_RANGES = 16;

function readStatusRanges(value: string): Array<[number, number]> | undefined {
  const ranges: Array<[number, number]> = [];
  for (const part of value.split(',')) {
    const [, low, high] = /^\s*([1-5]\d\d)(?:\s*-\s*([1-5]\d\d))?\s*$/.exec(part) ?? [];
    if (low === undefined || Number(high ?? low) < Number(low)) return undefined;
    ranges.push([Number(low), Number(high ?? low)]);
  }
  return ranges.length <= MAX_STATUS_RANGES ? ranges : undefined;
}

function reject(field: Field, value: string, what: string, remedy: string) {
  warn(field, `${quote(value)} is not ${what}`, remedy);
  return {};
}
