import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { createLab } from '../../../lab/lab.ts';
import type { HealthCheck } from '../../../src/domain/health.ts';
import { KeyedMap } from '../../../src/domain/keyed-map.ts';
import type { Log } from '../../../src/domain/log.ts';
import { startHealthChecker } from '../../../src/forwarder/health/checker.ts';
import { realClock } from '../../../src/system/real-clock.ts';
import { checkOf } from '../../forwarder/health/support.ts';
import type { BenchGroup } from '../group.ts';
import { createRows } from '../rows.ts';

/** More than can be done: what is done is counted. */
const CHECKS = 5000;
const SETTINGS = { intervalMs: 200, timeoutMs: 2000 };
const WARM_UP_MS = 1500;
const MEASURE_MS = 2000;
const QUICK_MEASURE_MS = 1000;
/** It starts and fills 15,000 sockets each time. */
const ROUNDS_MAX = 3;

const SERVER = `
  const net = require('node:net');
  net.createServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', () => socket.end('HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nok'));
  }).listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, function () {
    process.send(this.address().port);
  });
  process.on('disconnect', () => process.exit());`;

const QUIET: Log = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: (message, fields) => console.error(message, fields),
  child: () => QUIET,
};

/** How many health checks the forwarder does. */
export const health: BenchGroup = {
  name: 'health',
  describe: `health checks, against servers on loopback in another process: how many a second, and how
many for a second of one CPU's time.`,
  needs: [],
  run: async ({ rounds, quick, progress }) => {
    const rows = createRows();
    const lab = createLab();
    const server = startServer();
    try {
      const [port] = (await once(server, 'message')) as [number];
      for (let round = 1; round <= Math.min(rounds, ROUNDS_MAX); round++) {
        for (const kind of ['tcp', 'http', 'icmp'] as const) {
          progress(`health: round ${round}, ${kind}`);
          const ledger = `${lab.directory}/${kind}-${round}.ledger`;
          const measured = await measure(kind, port, ledger, quick ? QUICK_MEASURE_MS : MEASURE_MS);
          rows.add({ name: `${kind}, a second`, unit: 'checks' }, measured.perSecond);
          rows.add({ name: `${kind}, a CPU second`, unit: 'checks' }, measured.perCpuSecond);
        }
      }
    } finally {
      server.disconnect();
      lab.remove();
    }
    return rows.all();
  },
};

/** It ends with this process. */
function startServer(): ChildProcess {
  return spawn(process.execPath, ['-e', SERVER], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
}

async function measure(kind: 'tcp' | 'http' | 'icmp', port: number, ledger: string, ms: number) {
  const checker = await startHealthChecker({ clock: realClock, log: QUIET, ledger });
  const checks = Array.from({ length: CHECKS }, (_, i): HealthCheck => {
    const address = kind === 'icmp' ? `127.0.${i >> 8}.${i & 255}` : '127.0.0.1';
    const check = checkOf(address, kind === 'icmp' ? 0 : port, { ...SETTINGS, kind });
    // A number tells equal checks of one server apart.
    return { ...check, id: `${check.id} ${i}` };
  });
  checker.want(KeyedMap.from(checks.map((check) => [check.id, check] as const)));
  await sleep(WARM_UP_MS);
  const before = { ...checker.metrics(), cpu: process.cpuUsage(), at: performance.now() };
  await sleep(ms);
  const after = checker.metrics();
  const cpu = process.cpuUsage(before.cpu);
  const seconds = (performance.now() - before.at) / 1000;
  await checker.stop();
  if (after.failed > 0 || after.down > 0) {
    throw new Error(`${after.failed} ${kind} checks failed: the server could not keep up`);
  }
  const done = after.passed - before.passed;
  return { perSecond: done / seconds, perCpuSecond: (1e6 * done) / (cpu.user + cpu.system) };
}
