import type { Pod } from '../../lab/edge-site.ts';

/** How an EndpointSlice shows a Pod. */
export type Condition = 'ready' | 'draining';

export interface DemoEndpoint {
  readonly pod: Pod;
  readonly condition: Condition;
}

/** The EndpointSlices of all Services of the demo, as YAML documents: one a family. */
export function endpointSlices(endpoints: readonly DemoEndpoint[]): string[] {
  return SERVICES.flatMap(({ service, port }) =>
    ([0, 1] as const).map((family) => endpointSlice(service, port, family, endpoints)),
  );
}

const SERVICES = [
  { service: 'web', port: { name: 'http', protocol: 'TCP', port: 8080 } },
  { service: 'web-sticky', port: { name: 'http', protocol: 'TCP', port: 8080 } },
  { service: 'web-anywhere', port: { name: 'http', protocol: 'TCP', port: 8080 } },
  { service: 'web-nodeport', port: { name: 'http', protocol: 'TCP', port: 8080 } },
  { service: 'echo', port: { name: 'echo', protocol: 'UDP', port: 7007 } },
] as const;

function endpointSlice(
  service: string,
  port: (typeof SERVICES)[number]['port'],
  family: 0 | 1,
  endpoints: readonly DemoEndpoint[],
): string {
  const entries = endpoints.map(({ pod, condition }) =>
    [
      `  - addresses: ["${pod.addresses[family]}"]`,
      `    conditions: ${conditionsOf(condition)}`,
      `    nodeName: ${pod.node}`,
      `    targetRef: { kind: Pod, namespace: default, name: ${pod.name} }`,
    ].join('\n'),
  );
  return `apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: ${service}-${family === 0 ? 'v4' : 'v6'}
  namespace: default
  labels: { kubernetes.io/service-name: ${service} }
addressType: ${family === 0 ? 'IPv4' : 'IPv6'}
ports:
  - { name: ${port.name}, protocol: ${port.protocol}, port: ${port.port} }
endpoints:
${entries.join('\n')}
`;
}

function conditionsOf(condition: Condition): string {
  return condition === 'ready'
    ? '{ ready: true, serving: true, terminating: false }'
    : '{ ready: false, serving: true, terminating: true }';
}
