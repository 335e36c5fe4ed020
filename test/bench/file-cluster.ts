import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Host } from '../../lab/host.ts';
import type { Lab } from '../../lab/lab.ts';
import type { LabProcess } from '../../lab/process.ts';
import { changedService, EDGE_PORT, podsOf } from './large-cluster.ts';

const TIDEGATE = fileURLToPath(new URL('../../bin/tidegate', import.meta.url));
const START_LIMIT_MS = 120_000;
const EDIT_LIMIT_MS = 5000;
const POLL_MS = 2;
/** Between two edits, so that each finds the forwarder at rest. */
const PAUSE_MS = 20;

/** A large cluster as a folder of manifests, with a controller that has given every Service a VIP. */
export interface FileCluster {
  /** The role in a process of its own; resolves when everything is in the maps. */
  startForwarder(): Promise<{ readonly process: LabProcess; readonly tookMs: number }>;
  /** Ends it and removes its maps, so that the next start is a cold one. */
  stopForwarder(process: LabProcess): Promise<void>;
  /** Replaces one endpoint at a time; milliseconds from each rename until it is in the maps. */
  edit(forwarder: LabProcess, edits: number): Promise<readonly number[]>;
  close(forwarder: LabProcess): Promise<void>;
}

export async function openFileCluster(
  lab: Lab,
  edge: Host,
  services: number,
): Promise<FileCluster> {
  const folder = `${lab.directory}/files-${services}`;
  const bpfDir = `${lab.bpffs}/files-${services}`;
  const config = `${folder}/tidegate.yaml`;
  mkdirSync(`${folder}/manifests`, { recursive: true });
  writeFileSync(`${folder}/manifests/pool.yaml`, POOL);
  for (let i = 0; i < services; i++) writeFileSync(fileOf(folder, i), manifest(i, 0));
  writeFileSync(config, settings(folder, bpfDir));
  const start = (role: string) =>
    edge.start([TIDEGATE, 'run', '--config', config, '--roles', role]);
  const controller = start('controller');
  await controller.prints(/"msg":"Running"/, START_LIMIT_MS);
  let turn = 0;

  const cluster: FileCluster = {
    startForwarder: async () => {
      const startedMs = performance.now();
      const process = start('forwarder');
      const all = new RegExp(`"target":"xdp".*"objects":${services},`);
      await process.prints(all, START_LIMIT_MS);
      return { process, tookMs: performance.now() - startedMs };
    },
    stopForwarder: async (process) => {
      await process.stop();
      rmSync(bpfDir, { recursive: true });
    },
    edit: async (forwarder, edits) => {
      const took: number[] = [];
      for (let i = 0; i < edits; i++) {
        turn += 1;
        took.push(await editOne(forwarder, folder, changedService(turn, services), turn));
        await sleep(PAUSE_MS);
      }
      return took;
    },
    close: async (forwarder) => {
      await cluster.stopForwarder(forwarder);
      await controller.stop();
    },
  };
  return cluster;
}

async function editOne(forwarder: LabProcess, folder: string, index: number, turn: number) {
  const file = fileOf(folder, index);
  writeFileSync(`${file}.new`, manifest(index, turn));
  const from = forwarder.output().length;
  const savedMs = Date.now();
  renameSync(`${file}.new`, file);
  const line = await untilApplied(forwarder, from);
  return Date.parse(JSON.parse(line).time) - savedMs;
}

/** The next line that says that something is in the maps. */
async function untilApplied(forwarder: LabProcess, from: number): Promise<string> {
  const deadlineMs = performance.now() + EDIT_LIMIT_MS;
  while (performance.now() < deadlineMs) {
    const found = /^.*"target":"xdp".*$/m.exec(forwarder.output().slice(from));
    if (found) return found[0];
    await sleep(POLL_MS);
  }
  throw new Error(`An edit did not reach the maps in ${EDIT_LIMIT_MS} ms`);
}

function fileOf(folder: string, index: number): string {
  return `${folder}/manifests/s${index}.yaml`;
}

const POOL = `apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: { name: all, namespace: metallb-system }
spec: { addresses: [198.18.0.0/15] }
`;

function settings(folder: string, bpfDir: string): string {
  return `stateDir: ${folder}/state
runDir: ${folder}/run
cluster: { files: { path: ${folder}/manifests } }
forwarder:
  interfaces: [${EDGE_PORT}]
  bpfDir: ${bpfDir}
  health: { check: none }
`;
}

function manifest(index: number, turn: number): string {
  const endpoints = podsOf(index, turn, 4).map((address) => `- addresses: ["${address}"]`);
  return `apiVersion: v1
kind: Service
metadata: { name: s${index}, namespace: default }
spec: { type: LoadBalancer, ports: [{ port: 80, targetPort: 8080 }] }
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: s${index}
  namespace: default
  labels: { kubernetes.io/service-name: s${index} }
addressType: IPv4
ports: [{ name: "", port: 8080 }]
endpoints:
${endpoints.join('\n')}
`;
}
