import { mkdirSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Host } from '../../lab/host.ts';
import type { ControlPlane } from '../../lab/kubernetes/control-plane.ts';
import type { Lab } from '../../lab/lab.ts';
import type { LabProcess } from '../../lab/process.ts';
import { EDGE_PORT } from './large-cluster.ts';

/** Roles of Tidegate, each a process of its own with its own rights, beside an API server. */

const TIDEGATE = fileURLToPath(new URL('../../bin/tidegate', import.meta.url));
const LIMIT_MS = 300_000;
const POLL_MS = 200;

export interface RunningRole {
  readonly process: LabProcess;
  /** Ms since 1970. */
  readonly startedMs: number;
  /** Ms from the start of the process until its first such line. */
  logs(pattern: RegExp): Promise<number>;
  /** The same, for the line with which there are so many of them. */
  logsTimes(pattern: RegExp, count: number): Promise<number>;
}

export interface RoleStart {
  readonly role: 'controller' | 'forwarder';
  /** Of the box; its state stays from one start to the next. */
  readonly name: string;
  /** Where the API server is reached. */
  readonly server: string;
}

/** Starts a role; resolves at once. */
export async function startRole(
  lab: Lab,
  edge: Host,
  plane: ControlPlane,
  { role, name, server }: RoleStart,
): Promise<RunningRole> {
  const serviceAccount = { namespace: 'tidegate-system', name: `tidegate-${role}` };
  const kubeconfig = await plane.kubeconfigFor({ serviceAccount }, server);
  const folder = `${lab.directory}/${name}`;
  mkdirSync(folder, { recursive: true });
  writeFileSync(
    `${folder}/tidegate.yaml`,
    `node: ${name}
stateDir: ${stateDirOf(lab, name)}
runDir: ${folder}/run
cluster: { source: kubernetes, kubernetes: { kubeconfig: ${kubeconfig} } }
forwarder:
  interfaces: [${EDGE_PORT}]
  bpfDir: ${bpfDirOf(lab, name)}
  health: { check: none }
`,
  );
  const startedMs = Date.now();
  const args = ['run', '--config', `${folder}/tidegate.yaml`, '--roles', role];
  const process = edge.start([TIDEGATE, ...args]);
  return {
    process,
    startedMs,
    logs: async (pattern) => {
      const [line] = await process.prints(new RegExp(`^.*${pattern.source}.*$`, 'm'), LIMIT_MS);
      return timeOf(line) - startedMs;
    },
    logsTimes: async (pattern, count) => {
      for (const endMs = Date.now() + LIMIT_MS; Date.now() < endMs; await sleep(POLL_MS)) {
        const lines = process.output().match(new RegExp(`^.*${pattern.source}.*$`, 'gm')) ?? [];
        const line = lines[count - 1];
        if (line !== undefined) return timeOf(line) - startedMs;
      }
      throw new Error(`${name} did not log ${pattern} ${count} times in ${LIMIT_MS} ms`);
    },
  };
}

/** Where a role keeps what it remembers. */
export function stateDirOf(lab: Lab, name: string): string {
  return `${lab.directory}/${name}/state`;
}

/** Where a forwarder pins its maps. */
export function bpfDirOf(lab: Lab, name: string): string {
  return `${lab.bpffs}/${name}`;
}

/** When a line was logged, ms since 1970. */
function timeOf(line: string): number {
  return Date.parse(JSON.parse(line).time);
}
