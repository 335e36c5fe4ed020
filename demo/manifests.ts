import { copyFileSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Pod } from '../lab/edge-site.ts';

const SOURCE = fileURLToPath(new URL('../config/demo', import.meta.url));

/** How an EndpointSlice shows a Pod. */
export type Condition = 'ready' | 'draining';

export interface DemoEndpoint {
  readonly pod: Pod;
  readonly condition: Condition;
}

/** The folder that Tidegate watches in place of a Kubernetes API. */
export interface Manifests {
  readonly folder: string;
  /** Puts a manifest of `config/demo` into the folder and returns its text. */
  drop(file: string): string;
  /** Replaces the EndpointSlices; in a cluster, the endpoint controller does that. */
  writeEndpoints(endpoints: readonly DemoEndpoint[]): void;
}

export function manifestsIn(folder: string): Manifests {
  return {
    folder,
    drop: (file) => {
      copyFileSync(`${SOURCE}/${file}`, `${folder}/${file}`);
      return readFileSync(`${SOURCE}/${file}`, 'utf8');
    },
    writeEndpoints: (endpoints) => {
      const slices = SERVICES.flatMap(({ service, port }) =>
        ([0, 1] as const).map((family) => endpointSlice(service, port, family, endpoints)),
      );
      // Written aside and renamed, as any careful writer does: the folder never holds half a file.
      writeFileSync(`${folder}/.endpoints.yaml.new`, slices.join('---\n'));
      renameSync(`${folder}/.endpoints.yaml.new`, `${folder}/endpoints.yaml`);
    },
  };
}

const SERVICES = [
  { service: 'web', port: { name: 'http', protocol: 'TCP', port: 8080 } },
  { service: 'web-sticky', port: { name: 'http', protocol: 'TCP', port: 8080 } },
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
