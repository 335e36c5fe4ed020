/**
 * From a saved manifest to the BPF maps, through the whole appliance in one process.
 *
 *     node test/bench/edit-to-map.ts [SERVICES] [ENDPOINTS]
 *
 * Starts `tidegate run` with all roles on a lab's edge box and a folder of SERVICES (default 10,000)
 * Services with ENDPOINTS (default 10) each, says how long it takes to allocate, forward and announce
 * them all, its memory, and then, for 100 edits of one endpoint, the time from the file's rename to
 * the line in the log that says it is in the maps.
 */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { buildEdgeSite } from '../../lab/edge-site.ts';
import { createLab } from '../../lab/lab.ts';
import type { LabProcess } from '../../lab/process.ts';

const TIDEGATE = fileURLToPath(new URL('../../bin/tidegate', import.meta.url));
const EDITS = 100;
const PAUSE_MS = 30;
/** The gratuitous burst of the new addresses is over then. */
const BURST_MS = 9000;
const START_LIMIT_MS = 120_000;

const services = Number(process.argv[2] ?? 10_000);
const endpoints = Number(process.argv[3] ?? 10);

const POOL = `apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: { name: all, namespace: metallb-system }
spec: { addresses: [172.16.0.0/12] }
`;

const lab = createLab();
try {
  await measure();
} finally {
  lab.remove();
}

async function measure(): Promise<void> {
  const { edge } = buildEdgeSite(lab);
  const folder = `${lab.directory}/manifests`;
  mkdirSync(folder);
  writeFileSync(`${folder}/pool.yaml`, POOL);
  for (let i = 0; i < services; i++) writeFileSync(`${folder}/s${i}.yaml`, manifest(i, 0));
  const config = `${lab.directory}/tidegate.yaml`;
  writeFileSync(config, settings(folder));
  const startedMs = Date.now();
  const args = ['run', '--config', config, '--roles', 'controller,forwarder,speaker'];
  const tidegate = edge.start([TIDEGATE, ...args]);
  const all = new RegExp(`"target":"announcements".*"objects":${services},`);
  await tidegate.prints(all, START_LIMIT_MS);
  say('all announced after', `${lastMs(tidegate, all) - startedMs} ms`);
  await sleep(BURST_MS);
  say('resident memory', `${Math.round(residentKb(tidegate) / 1024)} MB`);
  const busyMs = cpuMs(tidegate);
  await sleep(5000);
  say('CPU at rest', `${((cpuMs(tidegate) - busyMs) / 50).toFixed(1)} % of a core`);
  await measureEdits(tidegate, folder);
  await tidegate.stop();
}

async function measureEdits(tidegate: LabProcess, folder: string): Promise<void> {
  const took: number[] = [];
  for (let edit = 1; edit <= EDITS; edit++) {
    const file = `${folder}/s${(edit * 7919) % services}.yaml`;
    writeFileSync(`${file}.new`, manifest((edit * 7919) % services, edit));
    const from = tidegate.output().length;
    const savedMs = Date.now();
    renameSync(`${file}.new`, file);
    took.push((await appliedMs(tidegate, from)) - savedMs);
    await sleep(PAUSE_MS);
  }
  took.sort((a, b) => a - b);
  const at = (share: number) => `${took[Math.floor(share * (took.length - 1))]} ms`;
  say('edit to map', `p50 ${at(0.5)}, p90 ${at(0.9)}, p99 ${at(0.99)}, worst ${at(1)}`);
}

/** When the next line said that something is in the maps; the log's times have whole milliseconds. */
async function appliedMs(tidegate: LabProcess, from: number): Promise<number> {
  const deadlineMs = Date.now() + 5000;
  while (Date.now() < deadlineMs) {
    const line = tidegate
      .output()
      .slice(from)
      .match(/^.*"target":"xdp".*$/m)?.[0];
    if (line) return Date.parse(JSON.parse(line).time);
    await sleep(5);
  }
  throw new Error('The edit did not reach the maps');
}

function lastMs(tidegate: LabProcess, pattern: RegExp): number {
  const line = tidegate
    .output()
    .split('\n')
    .findLast((each) => pattern.test(each));
  return Date.parse(JSON.parse(line ?? '{}').time);
}

/** The launcher and nsenter replace themselves, so the pid is Tidegate's. */
function residentKb({ pid }: LabProcess): number {
  return Number(readFileSync(`/proc/${pid}/status`, 'utf8').match(/VmRSS:\s+(\d+)/)?.[1]);
}

function cpuMs({ pid }: LabProcess): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return 10 * (Number(fields[11]) + Number(fields[12]));
}

function say(what: string, figure: string): void {
  console.log(`${what.padEnd(22)}${figure}`);
}

function settings(folder: string): string {
  return `stateDir: ${lab.directory}/state
runDir: ${lab.directory}/run
cluster: { files: { path: ${folder} } }
speaker: { interfaces: [front] }
forwarder:
  interfaces: [front, back]
  bpfDir: ${lab.bpffs}/edge
  health: { check: none }
`;
}

/** Endpoints lie in the first node's Pod network; an edit moves the first of them. */
function manifest(i: number, edit: number): string {
  const addresses = Array.from(
    { length: endpoints },
    (_, n) =>
      `10.244.${1 + (i % 2)}.${1 + ((i + n + (n === 0 ? (edit === 0 ? 0 : 20 * (1 + (edit % 9))) : 0)) % 250)}`,
  );
  return `apiVersion: v1
kind: Service
metadata: { name: s${i}, namespace: default }
spec: { type: LoadBalancer, ports: [{ port: 80, targetPort: 8080 }] }
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: s${i}, namespace: default, labels: { kubernetes.io/service-name: s${i} } }
addressType: IPv4
ports: [{ name: "", port: 8080 }]
endpoints:
${[...new Set(addresses)].map((address) => `- addresses: ["${address}"]`).join('\n')}
`;
}
