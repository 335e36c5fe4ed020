import { mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { addPod, buildEdgeSite, type EdgeSite, type Pod, type Worker } from '../lab/edge-site.ts';
import type { Host } from '../lab/host.ts';
import type { Lab } from '../lab/lab.ts';
import type { LabProcess } from '../lab/process.ts';
import { type Manifests, manifestsIn } from './manifests.ts';
import { type Tidegate, tidegateOn } from './tidegate.ts';
import { command, output } from './transcript.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** Everything the steps work with. */
export interface DemoSite extends EdgeSite {
  readonly lab: Lab;
  readonly tidegate: Tidegate;
  readonly manifests: Manifests;
  /** Pods that run, by name; steps start and kill some. */
  readonly pods: Map<string, RunningPod>;
}

export interface RunningPod extends Pod {
  readonly server: LabProcess;
}

/** Port of the web server in each Pod. */
export const POD_PORT = 8080;

/** Builds the network and starts two Pods on each node. */
export async function buildDemoSite(lab: Lab): Promise<DemoSite> {
  const site = buildEdgeSite(lab);
  const folder = `${lab.directory}/manifests`;
  mkdirSync(folder);
  const manifests = manifestsIn(folder);
  const tidegate = tidegateOn(site, lab, folder);
  const demo = { ...site, lab, tidegate, manifests, pods: new Map() };
  const [first, second] = site.workers;
  const started = [first, first, second, second].map((worker, index) =>
    startPod(demo, worker, `web-${index + 1}`),
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
  return `${ROOT}demo/programs/${file}`;
}

/** Shows a command and runs it on a host, prints what it says, and throws when it fails. */
export async function show(host: Host, words: readonly string[]): Promise<string> {
  showCommand(host, words);
  const { code, stdout, stderr } = await host.finish(words);
  const said = stdout + (code === 0 ? '' : stderr);
  if (said.trim() !== '') output(said);
  if (code !== 0) throw new Error(`The command failed with ${code}`);
  return stdout;
}

/** Shows a command as the reader would type it in the project's folder. */
export function showCommand(host: Host, words: readonly string[], ending = ''): void {
  const shown = words.map((word) => (word === process.execPath ? 'node' : word.replace(ROOT, '')));
  command(host.name, shown, ending);
}

/** Runs a command on a host without showing it; throws with its stderr when it fails. */
export async function ask(host: Host, words: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await host.finish(words);
  if (code !== 0) throw new Error(`"${words.join(' ')}" failed with ${code}: ${stderr.trim()}`);
  return stdout;
}
