import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { EdgeSite, Pod } from '../../lab/edge-site.ts';
import type { Finished } from '../../lab/finished.ts';
import type { Host } from '../../lab/host.ts';
import type { Lab } from '../../lab/lab.ts';
import type { LabProcess } from '../../lab/process.ts';
import type { TcpJob, TrafficResult } from './traffic.ts';

const TIDEGATE = fileURLToPath(new URL('../../bin/tidegate', import.meta.url));
const TRAFFIC = fileURLToPath(new URL('traffic.ts', import.meta.url));

/** Tidegate on the site's edge box, with a folder of manifests. */
export interface Box {
  /** Writes a manifest; empty removes it. */
  write(name: string, text: string): void;
  /** Adds settings to the box's own; whoever starts next takes them. */
  configure(added: AddedSettings): void;
  /** Starts a process with these roles (`controller,speaker`), by default with all. */
  start(roles?: string): Promise<void>;
  /** Ends the process that was started with these roles. */
  stop(signal: NodeJS.Signals, roles?: string): Promise<void>;
  /** What the last process with these roles logged. */
  output(roles?: string): string;
  /** Text of a file in the state directory or the run directory. */
  read(file: string): string;
  /** Runs a command of `tidegate` that asks the box. */
  ask(...words: readonly string[]): Promise<Finished>;
}

/** Lines of tidegate.yaml below the part of this name. */
export interface AddedSettings {
  readonly loadBalancer?: string;
  readonly forwarder?: string;
  readonly speaker?: string;
}

const ALL_ROLES = 'controller,speaker,forwarder';

export function createBox(lab: Lab, site: EdgeSite): Box {
  const manifests = `${lab.directory}/manifests`;
  const settings = `${lab.directory}/tidegate.yaml`;
  mkdirSync(manifests, { recursive: true });
  const configure = ({ loadBalancer = 'target: pod', ...added }: AddedSettings) =>
    writeFileSync(
      settings,
      `stateDir: ${lab.directory}/state
runDir: ${lab.directory}/run
cluster: { files: { path: ${manifests} } }
loadBalancer: { ${loadBalancer} }
speaker: { interfaces: [front]${added.speaker ? `, ${added.speaker}` : ''} }
forwarder:
  interfaces: [front, back]
  bpfDir: ${lab.bpffs}/edge
  limits: { flows: 65536, servers: 1024, backends: 4096, affinity: 1024 }
  health: { interval: 200ms, timeout: 100ms }
  ${added.forwarder ?? ''}
`,
    );
  configure({});
  const running = new Map<string, LabProcess>();
  return {
    configure,
    write(name, text) {
      if (text === '') rmSync(`${manifests}/${name}.yaml`, { force: true });
      else writeFileSync(`${manifests}/${name}.yaml`, text);
    },
    async start(roles = ALL_ROLES) {
      const command = [TIDEGATE, 'run', '--config', settings, '--roles', roles];
      const started = site.edge.start(command);
      running.set(roles, started);
      await started.prints(/"Running"/);
    },
    async stop(signal, roles = ALL_ROLES) {
      await running.get(roles)?.stop(signal);
    },
    output: (roles = ALL_ROLES) => running.get(roles)?.output() ?? '',
    read: (file) => readFileSync(`${lab.directory}/${file}`, 'utf8'),
    ask: (...words) => site.edge.finish([TIDEGATE, ...words, '--config', settings]),
  };
}

/** Starts a server on a Pod (or node) that says its name, TCP and UDP. */
export async function serve(host: Host, name: string, port: number): Promise<LabProcess> {
  const server = host.start([process.execPath, TRAFFIC, 'serve', name, String(port)]);
  await server.prints(/LISTENING/);
  return server;
}

export async function tcpFrom(host: Host, job: TcpJob): Promise<TrafficResult> {
  const { stdout, stderr } = await host.finish([
    process.execPath,
    TRAFFIC,
    'tcp',
    JSON.stringify(job),
  ]);
  if (stdout === '') throw new Error(stderr);
  return JSON.parse(stdout);
}

export async function until(what: string, condition: () => Promise<boolean>): Promise<void> {
  const deadlineMs = performance.now() + 15_000;
  while (!(await condition())) {
    if (performance.now() > deadlineMs) throw new Error(`It did not happen: ${what}`);
    await sleep(20);
  }
}

export interface ServiceFields {
  readonly address: string;
  readonly annotations?: Readonly<Record<string, string>>;
  /** Lines of `spec`. */
  readonly spec?: string;
  readonly ports?: readonly PortFields[];
}

export interface PortFields {
  readonly port: number;
  readonly targetPort: number;
  /** `TCP` by default. */
  readonly protocol?: 'TCP' | 'UDP';
}

/** A Service of one family with the address asked for, and the slice of its Pods. */
export function serviceManifest(name: string, of: readonly Pod[], fields: ServiceFields): string {
  const { address, annotations = {}, spec = '', ports = [{ port: 80, targetPort: 8080 }] } = fields;
  const index = address.includes(':') ? 1 : 0;
  const all = { 'metallb.io/loadBalancerIPs': address, ...annotations };
  const named = ports.map(({ protocol = 'TCP', ...each }) => {
    return { name: `${protocol.toLowerCase()}-${each.port}`, protocol, ...each };
  });
  const slicePorts = named.map(({ name, protocol, targetPort }) => {
    return { name, protocol, port: targetPort };
  });
  return `apiVersion: v1
kind: Service
metadata: { name: ${name}, namespace: default, annotations: ${JSON.stringify(all)} }
spec:
  type: LoadBalancer
  ipFamilies: [IPv${index ? 6 : 4}]
  ports: ${JSON.stringify(named)}
${spec}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: ${name}
  namespace: default
  labels: { kubernetes.io/service-name: ${name} }
addressType: IPv${index ? 6 : 4}
ports: ${JSON.stringify(slicePorts)}
endpoints:
${of.map(endpointLine(index)).join('\n')}
`;
}

const endpointLine =
  (index: 0 | 1) =>
  ({ name, node, addresses }: Pod): string => {
    const target = `{ kind: Pod, namespace: default, name: ${name} }`;
    return `- { addresses: ["${addresses[index]}"], nodeName: ${node}, targetRef: ${target} }`;
  };

export const POOL = `apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: { name: public, namespace: metallb-system }
spec: { addresses: ["192.0.2.100-192.0.2.109", "2001:db8:f::100-2001:db8:f::109"] }
`;
