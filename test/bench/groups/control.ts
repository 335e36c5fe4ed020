import { mkdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Host } from '../../../lab/host.ts';
import { createLab, type Lab } from '../../../lab/lab.ts';
import { type FileCluster, openFileCluster } from '../file-cluster.ts';
import type { BenchContext, BenchGroup } from '../group.ts';
import { buildEdge } from '../large-cluster.ts';
import { cpuMs, residentBytes } from '../proc.ts';
import type { ChangesJob, ChangesResult } from '../programs/changes.ts';
import { createRows, type Rows } from '../rows.ts';
import { percentile } from '../statistics.ts';

const CHANGES = fileURLToPath(new URL('../programs/changes.ts', import.meta.url));
const SIZES = [10, 1000, 10_000] as const;
const LARGEST = 10_000;
const MIB = 2 ** 20;
/** Until a forwarder that has just started has nothing more to do. */
const SETTLE_MS = 6000;

const REST_MS = 5000;
const STARTS_MAX = 3;
const QUICK_STARTS = 1;

const AIMS = { change: { p50: { atMost: 2 }, p99: { atMost: 10 } }, edit: undefined } as const;
const START = { name: 'cold start, 10,000 Services', aim: { atMost: 5 } };
const RESIDENT = { name: 'resident memory of the role, 10,000 Services', aim: { atMost: 200 } };
const OWN = { name: 'its own part (without mapped BPF maps and program text)' };
const REST = { name: 'CPU at rest, 10,000 Services', aim: { atMost: 1 } };
const MAPS = {
  name: 'memory of all maps, 10,000 Services, both families',
  aim: { atMost: 300 },
};

/** From the cluster to the maps. */
export const control: BenchGroup = {
  name: 'control',
  describe: `from a changed endpoint to the BPF maps, with so many Services of 10 endpoints. "Change": from
the snapshot in the forwarder. "Edit": from the rename of a manifest file, through the whole role in a
process of its own (its log has whole milliseconds). Then what 10,000 Services cost.`,
  needs: [],
  run: async (context) => {
    const lab = createLab();
    try {
      const edge = buildEdge(lab);
      const rows = createRows();
      await measureChanges(lab, edge, context, rows);
      for (const services of SIZES) await measureEdits(lab, edge, services, context, rows);
      return rows.all();
    } finally {
      lab.remove();
    }
  },
};

async function measureChanges(lab: Lab, edge: Host, context: BenchContext, rows: Rows) {
  for (let round = 1; round <= context.rounds; round++) {
    for (const services of SIZES) {
      context.progress(`control: round ${round} of ${context.rounds}, ${services} Services`);
      const changes = context.quick ? 200 : 1000;
      const { changeMs } = await runChanges(lab, edge, { services, families: [4], changes });
      addPercentiles(rows, 'change', services, changeMs);
    }
  }
  context.progress('control: memory of the maps');
  const both = await runChanges(lab, edge, { services: LARGEST, families: [4, 6], changes: 0 });
  rows.add({ ...MAPS, unit: 'MiB' }, both.mapBytes / MIB);
}

let started = 0;

async function runChanges(
  lab: Lab,
  edge: Host,
  what: Pick<ChangesJob, 'services' | 'families' | 'changes'>,
): Promise<ChangesResult> {
  started += 1;
  const runDir = `${lab.directory}/changes-${started}`;
  const bpfDir = `${lab.bpffs}/changes-${started}`;
  mkdirSync(runDir);
  const job: ChangesJob = { ...what, runDir, bpfDir };
  const { stdout, stderr } = await edge.finish([process.execPath, CHANGES, JSON.stringify(job)]);
  if (stdout === '') throw new Error(`The forwarder failed: ${stderr}`);
  edge.run(['rm', '-r', bpfDir]);
  return JSON.parse(stdout);
}

/** Cold starts, rest and edits of a forwarder that reads a folder of manifests. */
async function measureEdits(
  lab: Lab,
  edge: Host,
  services: number,
  context: BenchContext,
  rows: Rows,
): Promise<void> {
  context.progress(`control: ${services} Services as files`);
  const cluster = await openFileCluster(lab, edge, services);
  if (services === LARGEST) await measureStarts(cluster, context, rows);
  const { process } = await cluster.startForwarder();
  if (services === LARGEST) await measureRest(process.pid, context, rows);
  for (let round = 1; round <= context.rounds; round++) {
    context.progress(`control: round ${round} of ${context.rounds}, edits of ${services} Services`);
    const edits = await cluster.edit(process, context.quick ? 20 : 50);
    addPercentiles(rows, 'edit', services, edits);
  }
  await cluster.close(process);
}

async function measureStarts(cluster: FileCluster, context: BenchContext, rows: Rows) {
  const starts = context.quick ? QUICK_STARTS : Math.min(context.rounds, STARTS_MAX);
  for (let start = 1; start <= starts; start++) {
    context.progress(`control: cold start ${start} of ${starts}`);
    const { process, tookMs } = await cluster.startForwarder();
    await sleep(SETTLE_MS);
    rows.add({ ...START, unit: 's' }, tookMs / 1000);
    const { all, own } = residentBytes(process.pid);
    rows.add({ ...RESIDENT, unit: 'MiB' }, all / MIB);
    rows.add({ ...OWN, unit: 'MiB' }, own / MIB);
    await cluster.stopForwarder(process);
  }
}

async function measureRest(pid: number, context: BenchContext, rows: Rows) {
  const pieces = context.quick ? 1 : 3;
  await sleep(SETTLE_MS);
  for (let piece = 1; piece <= pieces; piece++) {
    context.progress(`control: rest, ${piece} of ${pieces}`);
    const busyMs = cpuMs(pid);
    await sleep(REST_MS);
    rows.add({ ...REST, unit: '% of a core' }, (100 * (cpuMs(pid) - busyMs)) / REST_MS);
  }
}

function addPercentiles(
  rows: Rows,
  kind: keyof typeof AIMS,
  services: number,
  samples: readonly number[],
): void {
  for (const [name, share] of [
    ['p50', 0.5],
    ['p99', 0.99],
  ] as const) {
    const aim = services === LARGEST ? AIMS[kind]?.[name] : undefined;
    const row = { name: `${kind}, ${services.toLocaleString('en')} Services, ${name}`, unit: 'ms' };
    rows.add({ ...row, ...(aim && { aim }) }, percentile(samples, share));
  }
}
