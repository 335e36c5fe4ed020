import { rmSync, symlinkSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Host } from '../../../lab/host.ts';
import { type AuditEvent, isForeignWrite } from '../../../lab/kubernetes/audit-log.ts';
import { inParallel } from '../../../lab/kubernetes/bulk.ts';
import type { ControlPlane } from '../../../lab/kubernetes/control-plane.ts';
import { createLab, type Lab } from '../../../lab/lab.ts';
import type { LabProcess } from '../../../lab/process.ts';
import { openApiCluster, SERVICES, serviceName } from '../api-cluster.ts';
import { findPeers, type Peer, type Resource, runPeer } from '../api-peers.ts';
import { bpfDirOf, type RoleStart, type RunningRole, startRole, stateDirOf } from '../api-roles.ts';
import type { Aim, BenchContext, BenchGroup } from '../group.ts';
import { buildEdge, changedService } from '../large-cluster.ts';
import { residentBytes } from '../proc.ts';
import type { ApiChangesJob, ApiChangesRound } from '../programs/api-changes.ts';
import { createRows, type Rows } from '../rows.ts';
import { percentile } from '../statistics.ts';

const CHANGES = fileURLToPath(new URL('../programs/api-changes.ts', import.meta.url));
const COUNT = 10_000;
const QUICK_COUNT = 1000;
/** Ten a second for five minutes. */
const CHURN = 3000;
const QUICK_CHURN = 300;
const RELAY_PORT = 7443;
const MEGA = 1e6;
const LIMIT_MS = 300_000;
/** Until a role that has just got to work has nothing more to do. */
const SETTLE_MS = 6000;
/** Longer than anything that is collected before it is written, and a renewal of the Lease. */
const QUIET_MS = 8000;
const TAKE_OVERS_MAX = 3;

const READ = /"msg":"The cluster has been read"/;
const LEADS = /"msg":"Leading"/;
const ASSIGNED = /"msg":"Assigned IP/;

/** One that nothing of an unknown earlier leader can follow, and the address. */
const FIRST_WRITES: Aim = { atMost: 2 };
const SYNC: Aim = { atMost: 10 };
const MEMORY: Aim = { atMost: 300 };

/** From a real API server, and back. */
export const kubernetes: BenchGroup = {
  name: 'kubernetes',
  describe: `10,000 Services of 10 endpoints on a real API server, which shares this machine (--quick: 1,000).
Starts are from the start of the process, and warm: its files are in the page cache. "Peer" is a program
that only reads the same objects by that library's informers. "Event": from the first byte of the watch on
its way into the forwarder's socket (a relay in between tells) until the maps have the change, by a log of
whole milliseconds, rounded up; "write" also has the API server in it. Memory is what is resident, in 10^6
bytes; the forwarder's has the node program's 60 MB and the BPF maps that it has looked into.
client-go needs a Go 1.24 or later on PATH.`,
  needs: [],
  run: async (context) => {
    const lab = createLab();
    let plane: ControlPlane | undefined;
    try {
      const edge = buildEdge(lab);
      const services = context.quick ? QUICK_COUNT : COUNT;
      context.progress(`kubernetes: writing ${services} Services to an API server`);
      plane = await openApiCluster(edge, services);
      return await measureAll({ lab, edge, plane, services, context, rows: createRows() });
    } finally {
      await plane?.stop();
      lab.remove();
    }
  },
};

interface Bench {
  readonly lab: Lab;
  readonly edge: Host;
  readonly plane: ControlPlane;
  readonly services: number;
  readonly context: BenchContext;
  readonly rows: Rows;
}

async function measureAll(bench: Bench) {
  const { context, lab, rows } = bench;
  context.progress('kubernetes: the first start of the controller');
  await measureFirstStart(bench);
  context.progress('kubernetes: building the peers');
  const peers = findPeers(lab);
  for (let round = 1; round <= context.rounds; round++) {
    context.progress(`kubernetes: round ${round} of ${context.rounds}, starts`);
    await measureRestart(bench, peers);
    await measureForwarder(bench, peers);
  }
  context.progress('kubernetes: changes');
  await measureControllerChurn(bench);
  await measureChanges(bench);
  const takeOvers = Math.min(context.rounds, TAKE_OVERS_MAX);
  for (let round = 1; round <= takeOvers; round++) {
    context.progress(`kubernetes: take-over ${round} of ${takeOvers}`);
    await measureTakeOver(bench, 'a clean stop', 'SIGTERM', { atMost: 5 });
    await measureTakeOver(bench, 'kill -9', 'SIGKILL', { atMost: 15 });
  }
  return rows.all();
}

function start({ lab, edge, plane }: Bench, role: RoleStart['role'], name: string) {
  return startRole(lab, edge, plane, { role, name, server: plane.url });
}

async function measureFirstStart(bench: Bench): Promise<void> {
  const { rows, services } = bench;
  const sinceMs = Date.now();
  const controller = await start(bench, 'controller', 'box-1');
  const readMs = await controller.logs(READ);
  const writtenMs = await controller.logsTimes(ASSIGNED, services);
  const writes = await writesSince(bench, sinceMs);
  const perService = writes.filter(({ resource }) => resource === 'services').length / services;
  await sleep(SETTLE_MS);
  const row = (what: string) => `controller, the very first start: ${what}`;
  rows.add({ name: row('all is read'), unit: 's', aim: SYNC }, readMs / 1000);
  rows.add({ name: row('each Service has its address'), unit: 's' }, writtenMs / 1000);
  rows.add({ name: row('writes a Service'), unit: '', aim: FIRST_WRITES }, perService);
  addMemory(rows, row('memory'), controller.process, MEMORY);
  await controller.process.stop();
}

/** What a process of ours wrote besides renewing Leases. */
async function writesSince({ plane }: Bench, sinceMs: number): Promise<readonly AuditEvent[]> {
  return plane.audit(
    (event) => isForeignWrite(event) && event.atMs >= sinceMs && event.resource !== 'leases',
  );
}

async function measureRestart(bench: Bench, peers: readonly Peer[]): Promise<void> {
  const { rows } = bench;
  const sinceMs = Date.now();
  const controller = await start(bench, 'controller', 'box-1');
  const readMs = await controller.logs(READ);
  const leadsMs = await controller.logs(LEADS);
  await sleep(QUIET_MS);
  const row = (what: string) => `controller, restart: ${what}`;
  addReading(rows, row('all is read'), readMs, peers, ['services']);
  rows.add({ name: row('it leads'), unit: 's' }, leadsMs / 1000);
  addMemory(rows, row('memory'), controller.process, MEMORY);
  await controller.process.stop();
  const writes = await writesSince(bench, sinceMs);
  rows.add({ name: row('writes'), unit: '', aim: { atMost: 0 } }, writes.length);
  await measurePeers(bench, peers, ['services']);
}

async function measureForwarder(bench: Bench, peers: readonly Peer[]): Promise<void> {
  const { rows, services, lab } = bench;
  const forwarder = await start(bench, 'forwarder', 'box-2');
  const readMs = await forwarder.logs(READ);
  const appliedMs = await forwarder.logs(inMaps(services));
  await sleep(SETTLE_MS);
  const resources = ['services', 'endpointslices'] as const;
  addReading(rows, 'forwarder: all is read', readMs, peers, resources);
  rows.add({ name: 'forwarder: all is in the maps', unit: 's' }, appliedMs / 1000);
  addMemory(rows, 'forwarder: memory', forwarder.process);
  await forwarder.process.stop();
  // The next start is a cold one, too: nothing in the maps, nothing remembered.
  for (const folder of [bpfDirOf(lab, 'box-2'), stateDirOf(lab, 'box-2')]) {
    rmSync(folder, { recursive: true });
  }
  await measurePeers(bench, peers, resources);
}

function inMaps(services: number): RegExp {
  return new RegExp(`"target":"xdp".*"objects":${services},`);
}

function addReading(
  rows: Rows,
  name: string,
  readMs: number,
  peers: readonly Peer[],
  resources: readonly Resource[],
): void {
  const against = peers.map((peer) => ({ to: peerRow(peer, resources) }));
  rows.add({ name, unit: 's', aim: SYNC, against }, readMs / 1000);
}

async function measurePeers(
  { edge, plane, rows }: Bench,
  peers: readonly Peer[],
  resources: readonly Resource[],
): Promise<void> {
  for (const peer of peers) {
    const { tookMs, bytes } = await runPeer(edge, plane, peer, resources);
    const name = peerRow(peer, resources);
    rows.add({ name, unit: 's' }, tookMs / 1000);
    rows.add({ name: `${name}: memory`, unit: 'MB' }, bytes / MEGA);
  }
}

function peerRow({ name }: Peer, resources: readonly Resource[]): string {
  return `peer ${name}, ${resources.join(' and ')}`;
}

function addMemory(rows: Rows, name: string, { pid }: LabProcess, aim?: Aim): void {
  rows.add({ name, unit: 'MB', ...(aim && { aim }) }, residentBytes(pid).all / MEGA);
}

/** Somebody writes to Services what concerns no load balancer, as fast as the API server takes it. */
async function measureControllerChurn(bench: Bench): Promise<void> {
  const { plane, rows, services, context } = bench;
  const controller = await start(bench, 'controller', 'box-1');
  await controller.logs(LEADS);
  const changes = context.quick ? QUICK_CHURN : CHURN;
  await inParallel(changes, async (i) => {
    const path = `${SERVICES}/${serviceName(changedService(i, services))}`;
    const body = { metadata: { annotations: { 'example.com/changed': `${i}` } } };
    await plane.must('PATCH', path, body, 'application/merge-patch+json');
  });
  await sleep(SETTLE_MS);
  const name = `controller, after ${changes} changes of Services: memory`;
  addMemory(rows, name, controller.process, MEMORY);
  await controller.process.stop();
}

async function measureChanges(bench: Bench): Promise<void> {
  const { lab, edge, plane, services, context, rows } = bench;
  const server = `https://127.0.0.1:${RELAY_PORT}`;
  const log = `${lab.directory}/changes.log`;
  const job: ApiChangesJob = {
    ...{ url: plane.url, ca: plane.ca, token: plane.adminToken, port: RELAY_PORT, log, services },
    rounds: context.rounds,
    changes: context.quick ? 100 : 500,
    churn: context.quick ? QUICK_CHURN : CHURN,
  };
  const driver = edge.start([process.execPath, CHANGES, JSON.stringify(job)]);
  await driver.prints(/^relays$/m);
  const start: RoleStart = { role: 'forwarder', name: 'box-3', server };
  const forwarder: RunningRole = await startRole(lab, edge, plane, start);
  symlinkSync(forwarder.process.log, log);
  await driver.prints(/^churned$/m, LIMIT_MS);
  for (const line of driver.output().match(/^\{"changes".*$/gm) ?? []) {
    addChanges(rows, JSON.parse(line));
  }
  addMemory(rows, `forwarder, after ${job.churn} changes: memory`, forwarder.process);
  await forwarder.process.stop();
  await driver.stop('SIGKILL');
}

function addChanges(rows: Rows, { changes }: ApiChangesRound): void {
  const kinds = [
    ['event', changes.map(({ arrivedMs, appliedMs }) => appliedMs - arrivedMs), { atMost: 10 }],
    ['write', changes.map(({ appliedMs }) => appliedMs), undefined],
    ['write → its answer', changes.map(({ answeredMs }) => answeredMs), undefined],
  ] as const;
  for (const [kind, samples, aim] of kinds) {
    const name = kind.includes('→') ? kind : `${kind} → map`;
    rows.add({ name: `${name}, p50`, unit: 'ms' }, percentile(samples, 0.5));
    rows.add({ name: `${name}, p99`, unit: 'ms', ...(aim && { aim }) }, percentile(samples, 0.99));
  }
}

/** Two controllers, of whom the one that leads ends; seconds until the other leads. */
async function measureTakeOver(bench: Bench, how: string, signal: NodeJS.Signals, aim: Aim) {
  const leader = await start(bench, 'controller', 'box-1');
  await leader.logs(LEADS);
  const standby = await start(bench, 'controller', 'box-2');
  const readMs = await standby.logs(READ);
  await sleep(SETTLE_MS);
  const endedMs = Date.now() - standby.startedMs;
  await leader.process.stop(signal);
  const leadsMs = await standby.logs(LEADS);
  if (leadsMs < endedMs || readMs > endedMs) throw new Error('The standby led before its time');
  await standby.process.stop();
  const name = `take-over after ${how} of the leader`;
  bench.rows.add({ name, unit: 's', aim }, (leadsMs - endedMs) / 1000);
}
