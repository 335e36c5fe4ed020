import { fileURLToPath } from 'node:url';
import { addEdge, addPod, type EdgeSite, type Pod, type Worker } from '../lab/edge-site.ts';
import type { Host } from '../lab/host.ts';
import type { Lab } from '../lab/lab.ts';
import type { LabProcess } from '../lab/process.ts';
import type { DemoCluster } from './cluster/demo-cluster.ts';
import { type Tidegate, tidegateOn } from './tidegate.ts';

const PROGRAMS = fileURLToPath(new URL('programs/', import.meta.url));

/** Everything the steps work with. */
export interface DemoSite extends EdgeSite {
  readonly lab: Lab;
  readonly tidegate: Tidegate;
  readonly cluster: DemoCluster;
  /** A second edge box; a step starts what runs there. */
  readonly second: { readonly host: Host; readonly tidegate: Tidegate };
  /** Pods that run, by name; steps start and kill some. */
  readonly pods: Map<string, RunningPod>;
}

export interface RunningPod extends Pod {
  readonly server: LabProcess;
}

/** Port of the web server in each Pod. */
export const POD_PORT = 8080;

/** Puts Tidegate on the edge boxes, and two Pods on each node. */
export async function buildDemoSite(
  lab: Lab,
  site: EdgeSite,
  cluster: DemoCluster,
): Promise<DemoSite> {
  const tidegate = tidegateOn(site.edge, lab, cluster);
  const host = addEdge(lab, site);
  const second = { host, tidegate: tidegateOn(host, lab, cluster) };
  const demo = { ...site, lab, tidegate, second, cluster, pods: new Map() };
  const started = [0, 0, 1, 1].map((worker, index) =>
    startPod(demo, site.workers[worker as 0 | 1], `web-${index + 1}`),
  );
  await Promise.all(started);
  return demo;
}

/** Adds a Pod to a node and starts its server. */
export async function startPod(demo: DemoSite, worker: Worker, name: string): Promise<RunningPod> {
  const pod = addPod(demo.lab, worker, name, 10 + Number(name.split('-')[1]));
  const server = startServer(pod);
  const running = { ...pod, server };
  demo.pods.set(name, running);
  await server.prints(/listening/);
  return running;
}

/** Starts the server of a Pod, the first time or again after it was killed. */
export function startServer(pod: Pod): LabProcess {
  return pod.host.start([process.execPath, programPath('pod.ts')], {
    POD_NAME: pod.name,
    NODE_NAME: pod.node,
  });
}

export function programPath(file: string): string {
  return `${PROGRAMS}${file}`;
}
