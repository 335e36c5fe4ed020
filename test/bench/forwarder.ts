/**
 * How long a change takes from the snapshot to the maps, and what a large cluster costs: 10,000
 * Services with 10 endpoints each, out of 20,000 Pods behind 100 nodes.
 *
 * `node test/bench/forwarder.ts` as root; makes a lab, takes half a minute, prints a few lines.
 */
import { createLab } from '../../lab/lab.ts';
import { ipv4 } from '../../src/domain/address.ts';
import type { ClusterSource } from '../../src/domain/cluster-source.ts';
import type { ServiceEndpoints } from '../../src/domain/endpoints.ts';
import { KeyedMap } from '../../src/domain/keyed-map.ts';
import type { Log } from '../../src/domain/log.ts';
import { EMPTY_SNAPSHOT, type Snapshot } from '../../src/domain/snapshot.ts';
import { type Forwarder, startForwarder } from '../../src/forwarder/forwarder.ts';
import { realClock } from '../../src/system/real-clock.ts';
import { forwarderSettings } from '../netns/forwarder-settings.ts';
import { endpoint, endpointsOf, service } from '../support/objects.ts';

const SERVICES = 10_000;
const ENDPOINTS = 10;
const PODS = 20_000;
const NODES = 100;
const CHANGES = 2000;
const SILENT: Log = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: (message, fields) => console.error(message, fields),
  child: () => SILENT,
};
const [bpfDir = '', runDir = ''] = process.argv.slice(2);

if (bpfDir === '') runOnLab();
else await measure();

function runOnLab(): void {
  const lab = createLab();
  try {
    const [edge, far] = [lab.host('edge', 'forwards'), lab.host('far')];
    lab.cable(
      { host: edge, name: 'eth0', addresses: ['10.0.0.1/16'], xdp: true },
      { host: far, name: 'eth0' },
    );
    edge.ip(...Array.from({ length: NODES }, (_, node) => nodeLines(node)).flat());
    for (const round of ['cold start', 'restart']) {
      const command = [process.execPath, import.meta.filename, `${lab.bpffs}/maps`, lab.directory];
      console.log(`${round}: ${edge.run(command)}`);
    }
  } finally {
    lab.remove();
  }
}

function nodeLines(node: number): string[] {
  const gateway = `10.0.1.${node + 1}`;
  const mac = `02:00:00:00:01:${node.toString(16).padStart(2, '0')}`;
  return [
    `neigh replace ${gateway} lladdr ${mac} dev eth0 nud permanent`,
    `route add 10.${100 + node}.0.0/16 via ${gateway}`,
  ];
}

async function measure(): Promise<void> {
  const alive = setInterval(() => undefined, 1000);
  const emptyMib = rssMib();
  const source = clusterOfServices();
  const beforeMib = rssMib();
  const startedMs = performance.now();
  const forwarder = await startForwarder({
    source,
    settings: forwarderSettings({
      bpfDir,
      runDir,
      interfaces: ['eth0'],
      limits: {
        flows: 262_144,
        servers: 16_384,
        backends: 262_144,
        affinity: 65_536,
        fragments: 1024,
        sourceRanges: 4096,
      },
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
  await until(() => forwarder.stateOf('198.18.0.0 TCP 80')?.state === 'done');
  const appliedMs = performance.now() - startedMs;
  await until(() => {
    const { addresses, reachable } = forwarder.usage().nextHops;
    return addresses > 0 && addresses === reachable;
  });
  const reachableMs = performance.now() - startedMs;
  const changeMs: number[] = [];
  for (let i = 0; i < CHANGES; i++) changeMs.push(await change(source, forwarder, i));
  changeMs.sort((a, b) => a - b);
  const { writes, backends, rings } = forwarder.usage();
  const round = (value: number) => Math.round(value * 100) / 100;
  console.log(
    JSON.stringify({
      appliedMs: round(appliedMs),
      reachableMs: round(reachableMs),
      changeP50Ms: round(changeMs[CHANGES / 2] as number),
      changeP99Ms: round(changeMs[Math.floor(CHANGES * 0.99)] as number),
      changeMaxMs: round(changeMs.at(-1) as number),
      rssMib: { node: round(emptyMib), withCluster: round(beforeMib), now: round(rssMib()) },
      heapMib: round(process.memoryUsage().heapUsed / 2 ** 20),
      writes,
      backends,
      rings,
    }),
  );
  await forwarder.stop();
  clearInterval(alive);
}

interface BenchSource extends ClusterSource {
  publish(snapshot: Snapshot): void;
}

/** One endpoint of one Service is replaced; ms until its revision is in the maps. */
async function change(source: BenchSource, forwarder: Forwarder, i: number): Promise<number> {
  const before = source.current();
  const index = (i * 7919) % SERVICES;
  const { key } = nameOf(index);
  const next = {
    ...before,
    revision: before.revision + 1,
    endpoints: before.endpoints.with(key, endpointsFor(index, i + 1)),
  };
  const id = `${addressText(index)} TCP 80`;
  const startedMs = performance.now();
  source.publish(next);
  while (true) {
    const state = forwarder.stateOf(id);
    if (state?.state === 'done' && state.revision === next.revision) break;
    await new Promise((resolve) => setImmediate(resolve));
  }
  return performance.now() - startedMs;
}

function clusterOfServices(): BenchSource {
  const indices = Array.from({ length: SERVICES }, (_, index) => index);
  const objects = indices.map((index) => service(nameOf(index).name));
  const listeners = new Set<(snapshot: Snapshot) => void>();
  let snapshot: Snapshot = {
    ...EMPTY_SNAPSHOT,
    revision: 1,
    services: KeyedMap.from(objects.map((object) => [object.key, object] as const)),
    statuses: KeyedMap.from(
      indices.map((index) => {
        const addresses = [ipv4(0xc612_0000 + index)];
        const status = { addresses, hostnames: [], pool: '', conditions: [], events: [] };
        return [nameOf(index).key, status] as const;
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
    writeStatuses: () => Promise.reject(new Error('read only')),
    stop: async () => undefined,
  };
}

function nameOf(index: number): { readonly name: string; readonly key: string } {
  return { name: `service-${index}`, key: `default/service-${index}` };
}

function addressText(index: number): string {
  return `198.${18 + (index >> 16)}.${(index >> 8) & 255}.${index & 255}`;
}

/** Endpoints of a Service; `turn` replaces one of them. */
function endpointsFor(index: number, turn: number): ServiceEndpoints {
  const pods = Array.from({ length: ENDPOINTS }, (_, i) => {
    const pod = (index * ENDPOINTS + i + (i === 0 ? turn * 31 : 0)) % PODS;
    return endpoint(
      `10.${100 + (pod % NODES)}.${(pod / NODES) >> 7}.${1 + (Math.floor(pod / NODES) % 128)}`,
    );
  });
  const unique = [...new Map(pods.map((pod) => [pod.address, pod])).values()];
  return endpointsOf(nameOf(index).key, unique);
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 1));
}

function rssMib(): number {
  return process.memoryUsage.rss() / 2 ** 20;
}
