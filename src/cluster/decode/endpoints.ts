import { type Family, familyOf } from '../../domain/address.ts';
import type { Endpoint, EndpointSlice } from '../../domain/endpoints.ts';
import {
  readEndpointAddress,
  readEndpointPorts,
  readPodReference,
  type ServiceSlices,
} from './endpoint-slice.ts';
import {
  child,
  type Decoded,
  decode,
  type Field,
  items,
  type Locate,
  optionalText,
} from './field.ts';
import { readMeta } from './meta.ts';

const MAX_SUBSETS = 1000;
const MAX_ADDRESSES = 1000;

/**
 * Reads a core/v1 Endpoints, which has the name of its Service: one slice a subset and family, with
 * keys that no EndpointSlice can have (`#` is in no name).
 */
export function decodeEndpoints(value: unknown, locate?: Locate): Decoded<ServiceSlices> {
  return decode(value, locate, (root) => {
    const meta = readMeta(root, { kind: 'Endpoints', namespaced: true, name: 'subdomain' });
    const slices = items(child(root, 'subsets'), MAX_SUBSETS).flatMap((subset) =>
      readSubset(subset, meta.key, meta.namespace),
    );
    return { key: meta.key, service: meta.key, slices };
  });
}

function readSubset(subset: Field, key: string, namespace: string): EndpointSlice[] {
  const ports = readEndpointPorts(child(subset, 'ports'));
  const endpoints = [
    ...readAddresses(child(subset, 'addresses'), true, namespace),
    ...readAddresses(child(subset, 'notReadyAddresses'), false, namespace),
  ];
  return ([4, 6] as const)
    .map((family: Family) => ({
      key: `${key}#${subset.name}-ipv${family}`,
      family,
      ports,
      endpoints: endpoints.filter(({ address }) => familyOf(address) === family),
    }))
    .filter((slice) => slice.endpoints.length > 0);
}

function readAddresses(list: Field, ready: boolean, namespace: string): Endpoint[] {
  return items(list, MAX_ADDRESSES).flatMap((field) => {
    const address = readEndpointAddress(child(field, 'ip'));
    if (address === undefined) return [];
    return [
      {
        address,
        ready,
        serving: ready,
        terminating: false,
        nodeName: optionalText(child(field, 'nodeName')),
        zone: undefined,
        zoneHints: [],
        nodeHints: [],
        pod: readPodReference(field, namespace),
      },
    ];
  });
}
