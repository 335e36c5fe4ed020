/**
 * A forwarder as a process of its own, to be started on a host of the lab: the cluster is a JSON file
 * (`ClusterFile`), read again whenever it changes; every backend counts as healthy.
 *
 * `node forwarder-process.ts <file> <settings>` prints its log as JSON lines; SIGUSR2 makes it print
 * `STATUS {…}`; `detach` in place of a file detaches.
 */

import { readFileSync, watch } from 'node:fs';
import { basename, dirname } from 'node:path';
import { formatAddress, parseAddress } from '../../src/domain/address.ts';
import type { ClusterSource } from '../../src/domain/cluster-source.ts';
import { KeyedMap } from '../../src/domain/keyed-map.ts';
import { ALONE } from '../../src/domain/leadership.ts';
import type { Log, LogFields } from '../../src/domain/log.ts';
import { EMPTY_SNAPSHOT, type Snapshot } from '../../src/domain/snapshot.ts';
import { detach } from '../../src/forwarder/detach.ts';
import type { Forwarder } from '../../src/forwarder/forwarder.ts';
import type { ForwarderSettings } from '../../src/forwarder/settings.ts';
import { startForwarder } from '../../src/forwarder/start-forwarder.ts';
import { realClock } from '../../src/system/real-clock.ts';
import { endpoint, endpointsOf, service, servicePort, status } from '../support/objects.ts';
import { forwarderSettings } from './forwarder-settings.ts';

/** What the cluster holds: Services by name. */
export type ClusterFile = Readonly<Record<string, ClusterService>>;

export interface ClusterService {
  readonly addresses: readonly string[];
  readonly port: number;
  readonly endpoints: readonly string[];
  readonly affinitySec?: number;
}

export interface ForwarderStatus {
  readonly pid: number;
  readonly rssMib: number;
  readonly counters: Readonly<Record<string, number>>;
  readonly usage: ReturnType<Forwarder['usage']>;
  readonly interfaces: readonly { readonly name: string; readonly mode: string }[];
  readonly reachability: Readonly<Record<string, string>>;
  /** Established TCP connections. */
  readonly flows: readonly string[];
}

/** The port that all backends listen on, TCP and UDP. */
export const BACKEND_PORT = 8080;

const [file = '', settingsText = '{}'] = process.argv.slice(2);
if (process.argv[1] === import.meta.filename) await main();

async function main(): Promise<void> {
  const settings = forwarderSettings({ localClients: true, ...JSON.parse(settingsText) });
  if (file === 'detach') {
    console.log(JSON.stringify(await detach(settings)));
    return;
  }
  const forwarder = await start(settings);
  process.on('SIGUSR2', () => void printStatus(forwarder));
  process.once('SIGTERM', () => void forwarder.stop().then(() => process.exit(0)));
  setInterval(() => undefined, 60_000);
  console.log('STARTED');
}

function start(settings: ForwarderSettings): Promise<Forwarder> {
  return startForwarder({
    source: watchClusterFile(file),
    settings,
    clock: realClock,
    log: jsonLog({}),
    startHealth: async () => ({
      want: () => undefined,
      states: () => KeyedMap.empty(),
      onChange: () => () => undefined,
      stop: async () => undefined,
    }),
  });
}

async function printStatus(forwarder: Forwarder): Promise<void> {
  const servers = [...(forwarder.plan()?.servers.values() ?? [])];
  const backends = servers.flatMap((server) => server.backends.map((each) => each.address));
  const { flows } = await forwarder.flows({}, 10_000);
  const answer: ForwarderStatus = {
    pid: process.pid,
    rssMib: process.memoryUsage.rss() / 2 ** 20,
    counters: Object.fromEntries([...forwarder.counters()].map(([key, n]) => [key, Number(n)])),
    usage: forwarder.usage(),
    interfaces: [...forwarder.interfaces()].map(({ name, mode }) => ({ name, mode })),
    reachability: Object.fromEntries(
      backends.map((each) => [
        formatAddress(each),
        JSON.stringify(forwarder.reachability(each), (_, value) => plain(value)),
      ]),
    ),
    flows: flows
      .filter(({ state }) => state === 'established')
      .map(({ client, backend }) => `${formatAddress(client)} to ${formatAddress(backend)}`),
  };
  console.log(`STATUS ${JSON.stringify(answer, (_, value) => plain(value))}`);
}

function plain(value: unknown): unknown {
  return typeof value === 'bigint' ? value.toString() : value;
}

function watchClusterFile(path: string): ClusterSource {
  const listeners = new Set<(snapshot: Snapshot) => void>();
  let text = '';
  let snapshot = EMPTY_SNAPSHOT;
  const read = () => {
    const now = readFileSync(path, 'utf8');
    if (now === text || now === '') return;
    text = now;
    snapshot = snapshotOf(JSON.parse(now), snapshot.revision + 1);
    for (const listener of listeners) listener(snapshot);
  };
  read();
  watch(dirname(path), (_, name) => {
    if (name === basename(path)) read();
  });
  return {
    current: () => snapshot,
    subscribe(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    leadership: ALONE,
    writeStatuses: () => Promise.reject(new Error('read only')),
    reportConfiguration: () => {},
    stop: async () => undefined,
  };
}

function snapshotOf(cluster: ClusterFile, revision: number): Snapshot {
  const protocols = ['TCP', 'UDP'] as const;
  const entries = Object.entries(cluster);
  const named = protocols.map((protocol) => ({ name: protocol.toLowerCase(), protocol }));
  return {
    ...EMPTY_SNAPSHOT,
    revision,
    services: KeyedMap.from(
      entries.map(([name, { port, affinitySec = 0 }]) => {
        const ports = named.map((each) => servicePort({ ...each, port }));
        const object = service(name, { ports, affinityTimeoutSec: affinitySec });
        return [object.key, object] as const;
      }),
    ),
    statuses: KeyedMap.from(
      entries.map(([name, { addresses }]) => [`default/${name}`, status(addresses)] as const),
    ),
    endpoints: KeyedMap.from(
      entries.map(([name, { endpoints }]) => {
        const ports = named.map((each) => ({ ...each, port: BACKEND_PORT }));
        const known = endpoints.filter((each) => parseAddress(each) !== undefined);
        const all = known.map((each) => endpoint(each));
        return [`default/${name}`, endpointsOf(`default/${name}`, all, ports)] as const;
      }),
    ),
  };
}

function jsonLog(base: LogFields): Log {
  const at = (level: string) => (message: string, fields: LogFields) => {
    const line = { level, message, ...base, ...fields };
    console.log(
      JSON.stringify(line, (_, value) =>
        value instanceof Error ? String(value.stack) : plain(value),
      ),
    );
  };
  return {
    debug: () => undefined,
    info: (message, fields = {}) => at('info')(message, fields),
    warn: (message, fields = {}) => at('warn')(message, fields),
    error: (message, fields = {}) => at('error')(message, fields),
    child: (fields) => jsonLog({ ...base, ...fields }),
  };
}
