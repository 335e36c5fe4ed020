/**
 * How many health checks a second one core does, against servers on loopback in another process:
 * `node test/bench/health.ts`. More checks are asked for than can be done; what is done is counted.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { HealthCheck } from '../../src/domain/health.ts';
import { KeyedMap } from '../../src/domain/keyed-map.ts';
import type { Log } from '../../src/domain/log.ts';
import { startHealthChecker } from '../../src/forwarder/health/checker.ts';
import { realClock } from '../../src/system/real-clock.ts';
import { checkOf } from '../forwarder/health/support.ts';

const CHECKS = 5_000;
const SETTINGS = { intervalMs: 200, timeoutMs: 2_000 };
const WARM_UP_MS = 1_500;
const MEASURE_MS = 3_000;

const SERVER = `
  const net = require('node:net');
  net.createServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', () => socket.end('HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nok'));
  }).listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, function () {
    process.send(this.address().port);
  });
  process.on('disconnect', () => process.exit());`;

const SILENT: Log = {
  debug: () => undefined,
  info: () => undefined,
  warn: (message, fields) => console.error(message, fields),
  error: (message, fields) => console.error(message, fields),
  child: () => SILENT,
};

async function measure(kind: 'tcp' | 'http' | 'icmp', port: number, ledger: string) {
  const checker = await startHealthChecker({ clock: realClock, log: SILENT, ledger });
  const checks = Array.from({ length: CHECKS }, (_, i): HealthCheck => {
    const address = kind === 'icmp' ? `127.0.${i >> 8}.${i & 255}` : '127.0.0.1';
    // A number tells equal checks of one server apart.
    const check = checkOf(address, kind === 'icmp' ? 0 : port, { ...SETTINGS, kind });
    return { ...check, id: `${check.id} ${i}` };
  });
  checker.want(KeyedMap.from(checks.map((check) => [check.id, check] as const)));
  await pause(WARM_UP_MS);
  const before = { ...checker.metrics(), cpu: process.cpuUsage(), at: performance.now() };
  await pause(MEASURE_MS);
  const after = checker.metrics();
  const cpu = process.cpuUsage(before.cpu);
  const seconds = (performance.now() - before.at) / 1000;
  await checker.stop();
  const done = after.passed - before.passed;
  const cpuSeconds = (cpu.user + cpu.system) / 1e6;
  return {
    kind,
    'checks/s': Math.round(done / seconds),
    'checks/CPU s': Math.round(done / cpuSeconds),
    'CPU %': Math.round((100 * cpuSeconds) / seconds),
    failed: after.failed,
    discarded: after.discarded,
    down: after.down,
  };
}

function pause(ms: number) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

const folder = await mkdtemp(join(tmpdir(), 'tidegate-bench-'));
const server = spawn(process.execPath, ['-e', SERVER], {
  stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
});
try {
  const [port] = (await once(server, 'message')) as [number];
  const rows = [];
  for (const kind of ['tcp', 'http', 'icmp'] as const) {
    rows.push(await measure(kind, port, join(folder, `${kind}.ledger`)));
  }
  console.table(rows);
} finally {
  server.disconnect();
  await rm(folder, { recursive: true });
}
