import {
  type Address,
  type Family,
  familyOf,
  isLinkLocal,
  isUnusableAsVip,
  parseAddress,
} from '../../domain/address.ts';
import type { Endpoint, EndpointPort, EndpointSlice } from '../../domain/endpoints.ts';
import { type ObjectKey, objectKey } from '../../domain/object.ts';
import {
  child,
  type Decoded,
  decode,
  type Field,
  fail,
  flag,
  integer,
  isAbsent,
  items,
  type Locate,
  oneOf,
  optionalText,
  parsed,
  quote,
  section,
  text,
  warn,
} from './field.ts';
import { readMeta } from './meta.ts';
import { PROTOCOLS, readPortName } from './service.ts';

/** The API's own limits (discovery/v1). */
const MAX_ENDPOINTS = 1000;
const MAX_PORTS = 20_000;
const MAX_ADDRESSES = 100;
const MAX_HINTS = 8;

const ADDRESS_TYPES = ['IPv4', 'IPv6', 'FQDN'] as const;

/** KEP-752: the label that says whose endpoints a slice holds. */
const SERVICE_NAME_LABEL = 'kubernetes.io/service-name';

/** Slices together with the Service they belong to. */
export interface ServiceSlices {
  readonly key: ObjectKey;
  /** `undefined` for a slice that names no Service. */
  readonly service: ObjectKey | undefined;
  readonly slices: readonly EndpointSlice[];
}

/** Reads a discovery.k8s.io/v1 EndpointSlice. */
export function decodeEndpointSlice(value: unknown, locate?: Locate): Decoded<ServiceSlices> {
  return decode(value, locate, (root) => {
    const meta = readMeta(root, { kind: 'EndpointSlice', namespaced: true, name: 'subdomain' });
    const type = child(root, 'addressType');
    if (isAbsent(type)) fail(type, 'The slice has no address type', 'Write IPv4 or IPv6');
    const addressType = oneOf(type, ADDRESS_TYPES, 'IPv4');
    const service = meta.labels[SERVICE_NAME_LABEL];
    if (!service) {
      const remedy = `Add the label ${SERVICE_NAME_LABEL} with the name of the Service`;
      warn(child(root, 'metadata'), 'The slice belongs to no Service', remedy);
    }
    const belongs = {
      key: meta.key,
      service: service ? objectKey(meta.namespace, service) : undefined,
    };
    if (addressType === 'FQDN') {
      const remedy = 'List the addresses behind the names in a slice of type IPv4 or IPv6';
      warn(type, 'Endpoints that are host names are left out', remedy);
      return { ...belongs, slices: [] };
    }
    const family = addressType === 'IPv6' ? 6 : 4;
    const slice: EndpointSlice = {
      key: meta.key,
      family,
      ports: readEndpointPorts(child(root, 'ports')),
      endpoints: items(child(root, 'endpoints'), MAX_ENDPOINTS).flatMap((item) =>
        readEndpoint(item, family, meta.namespace),
      ),
    };
    return { ...belongs, slices: [slice] };
  });
}

/** Ports of a slice or of an Endpoints subset. A port without a number is `undefined` (all ports). */
export function readEndpointPorts(field: Field): EndpointPort[] {
  const fields = items(field, MAX_PORTS);
  const seen = new Set<string>();
  return fields.map((item) => {
    const name = readPortName(child(item, 'name'));
    if (seen.has(name))
      fail(child(item, 'name'), `Port name ${quote(name)} stands here twice`, 'Change one');
    seen.add(name);
    return {
      name,
      protocol: oneOf(child(item, 'protocol'), PROTOCOLS, 'TCP'),
      port: integer(child(item, 'port'), 1, 65535, undefined),
    };
  });
}

/** An endpoint has one address that counts, the first (KEP-752: all of them are the same endpoint). */
function readEndpoint(field: Field, family: Family, namespace: string): Endpoint[] {
  const list = child(field, 'addresses');
  const [first] = items(list, MAX_ADDRESSES);
  if (first === undefined) {
    fail(list, 'The endpoint has no address', 'List one address');
    return [];
  }
  const address = readEndpointAddress(first);
  if (address === undefined) return [];
  if (familyOf(address) !== family) {
    fail(
      first,
      `${quote(first.value)} is not of address type IPv${family}`,
      'Use a slice a family',
    );
    return [];
  }
  const conditions = section(field, 'conditions');
  const hints = section(field, 'hints');
  const ready = flag(child(conditions, 'ready'), true);
  return [
    {
      address,
      ready,
      serving: flag(child(conditions, 'serving'), ready),
      terminating: flag(child(conditions, 'terminating'), false),
      nodeName: optionalText(child(field, 'nodeName')),
      zone: optionalText(child(field, 'zone')),
      zoneHints: readHints(child(hints, 'forZones')),
      nodeHints: readHints(child(hints, 'forNodes')),
      pod: readPodReference(field, namespace),
    },
  ];
}

/** Most endpoints have no hints; they share one list. */
const NO_HINTS: readonly string[] = [];

function readHints(field: Field): readonly string[] {
  const names = items(field, MAX_HINTS).flatMap((item) => optionalText(child(item, 'name')) ?? []);
  return names.length > 0 ? names : NO_HINTS;
}

/** An address packets may be sent to; the API server refuses the same ones. */
export function readEndpointAddress(field: Field): Address | undefined {
  const address = parsed(field, parseAddress, 'an IP address', 'Write for example 192.0.2.10');
  if (address === undefined || !(isUnusableAsVip(address) || isLinkLocal(address))) return address;
  const what = 'a loopback, link-local, multicast or unspecified address';
  fail(field, `${quote(field.value)} is ${what}`, 'Write the address of the Pod or server itself');
  return undefined;
}

/** Key of the Pod behind an endpoint, if it is one. */
export function readPodReference(endpoint: Field, namespace: string): ObjectKey | undefined {
  const reference = section(endpoint, 'targetRef');
  const name = text(child(reference, 'name'), '');
  if (child(reference, 'kind').value !== 'Pod' || name === '') return undefined;
  return objectKey(text(child(reference, 'namespace'), '') || namespace, name);
}
