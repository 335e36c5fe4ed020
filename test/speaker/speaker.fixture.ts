/**
 * A speaker for speaker.test.ts: `speaker.fixture.ts RUN_DIR INTERFACE ADDRESS…`. Each address is that
 * of a Service; what is announced follows the forwarder's report in RUN_DIR. Prints its log, and its
 * counters at SIGUSR2.
 */

import type { ClusterSource } from '../../src/domain/cluster-source.ts';
import { KeyedMap } from '../../src/domain/keyed-map.ts';
import { ALONE } from '../../src/domain/leadership.ts';
import type { Log, LogFields } from '../../src/domain/log.ts';
import { EMPTY_SNAPSHOT, type Snapshot } from '../../src/domain/snapshot.ts';
import { startSpeaker } from '../../src/speaker/speaker.ts';
import { realClock } from '../../src/system/real-clock.ts';
import { encodeAnnouncement } from '../../src/system/reports.ts';
import { service, status } from '../support/objects.ts';

const [runDir = '', name = '', ...addresses] = process.argv.slice(2);

const keys = addresses.map((address) => [`default/s${address}`, address] as const);
const snapshot: Snapshot = {
  ...EMPTY_SNAPSHOT,
  revision: 1,
  services: KeyedMap.from(keys.map(([key, address]) => [key, service(`s${address}`)])),
  statuses: KeyedMap.from(keys.map(([key, address]) => [key, status([address])])),
};

const source: ClusterSource = {
  current: () => snapshot,
  subscribe: () => () => {},
  leadership: ALONE,
  writeStatuses: () => Promise.reject(new Error('read only')),
  reportConfiguration: () => {},
  stop: async () => {},
};

const write = (level: string) => (message: string, fields?: LogFields) =>
  console.log(level, message, JSON.stringify(fields));

const log: Log = {
  debug: () => {},
  info: write('info'),
  warn: write('warn'),
  error: write('error'),
  child: () => log,
};

// Sockets do not keep a process alive.
const keepAlive = setInterval(() => {}, 1000);

const speaker = await startSpeaker({
  settings: {
    interfaces: [name],
    gratuitous: { burst: 3, spacingMs: 200, refreshMs: 60_000 },
    bgp: { routerId: undefined, port: 179, restartTimeMs: 120_000, shutdownWaitMs: 100 },
    runDir,
    loadBalancer: { class: 'tidegate.io/tidegate', handleUnclassed: true },
    box: { name: 'edge-1', labels: {} },
  },
  source,
  clock: realClock,
  log,
  random: Math.random,
});
console.log('started', JSON.stringify(speaker.readiness()));

process.on('SIGUSR2', () => console.log('counters', JSON.stringify([...speaker.counters()])));
process.once('SIGTERM', () => {
  speaker.stop().then(() => {
    clearInterval(keepAlive);
    console.log(
      'stopped',
      JSON.stringify([...speaker.announcements().values()].map(encodeAnnouncement)),
    );
  });
});
