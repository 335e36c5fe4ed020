import type { Manifest } from './api-client.ts';

/** Objects with sensible defaults, as the API has them: say only what the case is about. */
export interface Fields {
  readonly namespace?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  /** Replaces or extends the default `spec`. */
  readonly spec?: object;
}

function metadata(name: string, { namespace = 'default', labels, annotations }: Fields) {
  return { name, namespace, ...(labels && { labels }), ...(annotations && { annotations }) };
}

/** A load balancer on port 80, without node ports (there are only 2,768). */
export function serviceManifest(name: string, fields: Fields = {}): Manifest & { spec: object } {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: metadata(name, fields),
    spec: {
      type: 'LoadBalancer',
      allocateLoadBalancerNodePorts: false,
      ports: [{ port: 80, targetPort: 8080, protocol: 'TCP' }],
      ...fields.spec,
    },
  };
}

/** The one slice of a Service: these addresses, ready, on port 8080. */
export function endpointSliceManifest(
  service: string,
  addresses: readonly string[],
  fields: Fields & { readonly nodeName?: string } = {},
): Manifest {
  const { nodeName, labels } = fields;
  const isIpv6 = addresses.some((address) => address.includes(':'));
  const slice = {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: metadata(`${service}-1`, {
      ...fields,
      labels: { ...labels, 'kubernetes.io/service-name': service },
    }),
    addressType: isIpv6 ? 'IPv6' : 'IPv4',
    ports: [{ name: '', port: 8080, protocol: 'TCP' }],
    endpoints: addresses.map((address) => ({
      addresses: [address],
      conditions: { ready: true, serving: true, terminating: false },
      ...(nodeName !== undefined && { nodeName }),
    })),
  };
  return slice;
}

/** For `apply()`, and then for `applyStatus()`: which of the two takes the status is not the same. */
export function nodeManifest(
  name: string,
  addresses: readonly string[],
  { labels, annotations, spec }: Omit<Fields, 'namespace'> = {},
): Manifest {
  const node = {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name, ...(labels && { labels }), ...(annotations && { annotations }) },
    ...(spec && { spec }),
    status: {
      addresses: addresses.map((address) => ({ type: 'InternalIP', address })),
      conditions: [{ type: 'Ready', status: 'True', reason: 'KubeletReady' }],
    },
  };
  return node;
}
