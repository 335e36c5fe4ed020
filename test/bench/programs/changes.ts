/**
 * A forwarder in this process, fed with snapshots: how long a large cluster takes to reach the maps,
 * and then a change of one endpoint, without files or another process between.
 *
 * `node changes.ts <json>` on the edge of a lab; prints one JSON line.
 */

import type { ClusterSource } from '../../../src/domain/cluster-source.ts';
import type { ServiceEndpoints } from '../../../src/domain/endpoints.ts';
import { KeyedMap } from '../../../src/domain/keyed-map.ts';
import { ALONE } from '../../../src/domain/leadership.ts';
import type { Log } from '../../../src/domain/log.ts';
import { EMPTY_SNAPSHOT, type Snapshot } from '../../../src/domain/snapshot.ts';
import type { Forwarder } from '../../../src/forwarder/forwarder.ts';
import { startForwarder } from '../../../src/forwarder/start-forwarder.ts';
import { defaultSettings } from '../../../src/settings/load.ts';
import { realClock } from '../../../src/system/real-clock.ts';
import { forwarderSettings } from '../../netns/forwarder-settings.ts';
import { endpoint, endpointsOf, service, status } from '../../support/objects.ts';
import { type ClusterFamily, changedService, EDGE_PORT, podsOf, vipOf } from '../large-cluster.ts';
import { mapBytes } from '../proc.ts';

export interface ChangesJob {
  readonly bpfDir: string;
  readonly runDir: string;
  readonly services: number;
  readonly families: readonly ClusterFamily[];
  readonly changes: number;
}

export interface ChangesResult {
  /** From the start until everything is in the maps. */
  readonly appliedMs: number;
  /** From a snapshot with another endpoint until it is in the maps, each. */
  readonly changeMs: readonly number[];
  /** What the kernel holds for all maps. */
  readonly mapBytes: number;
}

const SILENT: Log = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: (message, fields) => console.error(message, fields),
  child: () => SILENT,
};

const job: ChangesJob = JSON.parse(process.argv[2] ?? '{}');
const alive = setInterval(() => undefined, 1000);
console.log(JSON.stringify(await measure()));
clearInterval(alive);

async function measure(): Promise<ChangesResult> {
  const source = clusterOfServices();
  const startedMs = performance.now();
  const { forwarder: defaults } = defaultSettings({ hostname: 'edge' });
  const forwarder = await startForwarder({
    source,
    settings: forwarderSettings({
      bpfDir: job.bpfDir,
      runDir: job.runDir,
      interfaces: [EDGE_PORT],
      limits: defaults.limits,
    }),
    clock: realClock,
    log: SILENT,
    startHealth: async () => ({
      want: () => undefined,
      states: () => KeyedMap.empty(),
      onChange: () => () => undefined,
      stop: async () => undefined,
    }),
  });
  const ids = job.families.flatMap((family) =>
    Array.from({ length: job.services }, (_, index) => idOf(index, family)),
  );
  await until(() => ids.every((id) => forwarder.stateOf(id)?.state === 'done'));
  const appliedMs = performance.now() - startedMs;
  await until(() => {
    const { addresses, reachable } = forwarder.usage().nextHops;
    return addresses > 0 && addresses === reachable;
  });
  const changeMs: number[] = [];
  for (let i = 1; i <= job.changes; i++) changeMs.push(await change(source, forwarder, i));
  const bytes = mapBytes(process.pid);
  await forwarder.stop();
  return { appliedMs, changeMs, mapBytes: bytes };
}

interface Cluster extends ClusterSource {
  publish(snapshot: Snapshot): void;
}

/** One endpoint of one Service is replaced; milliseconds until its revision is in the maps. */
async function change(source: Cluster, forwarder: Forwarder, turn: number): Promise<number> {
  const before = source.current();
  const index = changedService(turn, job.services);
  const { key } = nameOf(index);
  const endpoints = before.endpoints.with(key, endpointsFor(index, turn));
  const next = { ...before, revision: before.revision + 1, endpoints };
  const id = idOf(index, job.families[0] ?? 4);
  const startedMs = performance.now();
  source.publish(next);
  for (;;) {
    const state = forwarder.stateOf(id);
    if (state?.state === 'done' && state.revision === next.revision) break;
    await new Promise((resolve) => setImmediate(resolve));
  }
  return performance.now() - startedMs;
}

function clusterOfServices(): Cluster {
  const indices = Array.from({ length: job.services }, (_, index) => index);
  const objects = indices.map((index) =>
    service(nameOf(index).name, { families: [...job.families] }),
  );
  const listeners = new Set<(snapshot: Snapshot) => void>();
  let snapshot: Snapshot = {
    ...EMPTY_SNAPSHOT,
    revision: 1,
    services: KeyedMap.from(objects.map((object) => [object.key, object] as const)),
    statuses: KeyedMap.from(
      indices.map((index) => {
        const vips = job.families.map((family) => vipOf(index, family));
        return [nameOf(index).key, status(vips)] as const;
      }),
    ),
    endpoints: KeyedMap.from(
      indices.map((index) => [nameOf(index).key, endpointsFor(index, 0)] as const),
    ),
  };
  return {
    current: () => snapshot,
    subscribe(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    publish(next) {
      snapshot = next;
      for (const listener of listeners) listener(next);
    },
    leadership: ALONE,
    writeStatuses: () => Promise.reject(new Error('read only')),
    reportConfiguration: () => {},
    stop: async () => undefined,
  };
}

function endpointsFor(index: number, turn: number): ServiceEndpoints {
  const pods = job.families.flatMap((family) => podsOf(index, turn, family));
  return endpointsOf(
    nameOf(index).key,
    pods.map((pod) => endpoint(pod)),
  );
}

function nameOf(index: number): { readonly name: string; readonly key: string } {
  return { name: `service-${index}`, key: `default/service-${index}` };
}

function idOf(index: number, family: ClusterFamily): string {
  return `${vipOf(index, family)} TCP 80`;
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 1));
}
