import { readFileSync } from 'node:fs';
import type { AddressInfo, Server, Socket } from 'node:net';
import { parseAddress } from '../../../src/domain/address.ts';
import { checkId, type HealthCheck, type HealthCheckSettings } from '../../../src/domain/health.ts';
import type { Outcome, Probe } from '../../../src/forwarder/health/probe.ts';

const DEFAULTS: HealthCheckSettings = {
  kind: 'tcp',
  port: 0,
  path: '/',
  host: '',
  expectedStatus: [[200, 399]],
  intervalMs: 1000,
  timeoutMs: 500,
  rise: 2,
  fall: 3,
};

export function checkOf(
  address: string,
  port: number,
  settings: Partial<HealthCheckSettings> = {},
): HealthCheck {
  const parsed = parseAddress(address);
  if (parsed === undefined) throw new Error(`"${address}" is no address`);
  const whole = { ...DEFAULTS, ...settings };
  return { id: checkId(parsed, port, whole), address: parsed, port, settings: whole };
}

/** A probe's outcome, or what it was waiting for when it was stopped after `stopMs`. */
export function outcomeOf(probe: Probe, check: HealthCheck, stopMs = 5_000) {
  return new Promise<Outcome | { readonly stoppedAt: string }>((resolve) => {
    const timer = setTimeout(() => {
      const stoppedAt = running.stage();
      running.stop();
      resolve({ stoppedAt });
    }, stopMs);
    const running = probe(check, (outcome) => {
      clearTimeout(timer);
      resolve(outcome);
    });
  });
}

/** Resolves when `holds` does; rejects after `limitMs`. */
export async function until(holds: () => boolean, limitMs = 10_000): Promise<void> {
  const endMs = performance.now() + limitMs;
  while (!holds()) {
    if (performance.now() > endMs) throw new Error(`Still not so after ${limitMs} ms: ${holds}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Runs `use` with the port of a server that listens meanwhile. */
export async function listening<T>(
  server: Server,
  host: string,
  use: (port: number) => Promise<T>,
  port = 0,
): Promise<T> {
  const open = new Set<Socket>();
  server.on('connection', (socket) => {
    open.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => open.delete(socket));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, resolve);
  });
  try {
    return await use((server.address() as AddressInfo).port);
  } finally {
    for (const socket of open) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  }
}

/** The kernel's IPv4 sockets in TIME_WAIT (state 06) that have this port at either end. */
export function timeWaits(port: number): string[] {
  const end = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  return readFileSync('/proc/net/tcp', 'utf8')
    .split('\n')
    .filter((line) => line.includes(`${end} `) && line.trim().split(/\s+/)[3] === '06');
}
