import { instanceName } from '../admin/server.ts';
import type { Log } from '../domain/log.ts';
import type { RoleName } from '../domain/role.ts';
import type { Settings } from '../settings/settings.ts';
import { settingsFor } from '../settings/settings-for.ts';
import { realClock } from '../system/real-clock.ts';
import { serviceManager } from '../system/systemd.ts';
import { createLog } from '../telemetry/log.ts';
import { type Running, run } from './run.ts';

export interface ProcessOptions {
  readonly settings: Settings;
  readonly roles: readonly RoleName[];
  readonly version: string;
}

/** A clean stop takes milliseconds, and what BGP peers are given; whatever hangs longer is left to its fate. */
const STOP_LIMIT_MS = 10_000;
const KEEP_ALIVE_MS = 2 ** 30;

/**
 * Runs roles as a service until SIGTERM or SIGINT, telling systemd how it goes. Resolves with the
 * exit code: 0 after a clean stop, 1 when it could not start or not stop.
 */
export async function runProcess(options: ProcessOptions): Promise<number> {
  const { roles, version } = options;
  const settings = settingsFor(options.settings, instanceName(roles));
  const log = createLog(settings.log);
  const stopAsked = signalled();
  // Sockets and timers of the roles hold no process alive: whether it lives is decided here.
  const alive = setInterval(() => {}, KEEP_ALIVE_MS);
  try {
    const startedMs = realClock.monotonicMs();
    const running = await run({ settings, roles, version, clock: realClock, log });
    const ms = Math.round(realClock.monotonicMs() - startedMs);
    log.info('Running', { roles, version, admin: running.adminSocket, ms });
    const patienceMs = roles.includes('speaker') ? settings.speaker.bgp.shutdownWaitMs : 0;
    return await serve(running, stopAsked, STOP_LIMIT_MS + patienceMs, log);
  } catch (error) {
    log.error('Cannot start', { roles, error });
    return 1;
  } finally {
    clearInterval(alive);
  }
}

/**
 * The first signal. Another one (Ctrl-C reaches a process directly and by the program that started it)
 * does not cut the stop short: routers would keep the routes of a speaker that did not say farewell.
 */
function signalled(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, resolve);
  });
}

async function serve(
  running: Running,
  stopAsked: Promise<NodeJS.Signals>,
  stopLimitMs: number,
  log: Log,
): Promise<number> {
  const manager = serviceManager(process.env, realClock, (error) =>
    log.warn('Cannot notify systemd', { error }),
  );
  manager.ready();
  // The pings come from the event loop: one that hangs sends none.
  const endWatchdog = manager.watchdog(() => true);
  log.info('Stopping', { signal: await stopAsked });
  manager.stopping(stopLimitMs);
  endWatchdog();
  return stopWithin(stopLimitMs, running, log);
}

async function stopWithin(limitMs: number, running: Running, log: Log): Promise<number> {
  const late = new Promise<'late'>((resolve) => {
    realClock.after(limitMs, () => resolve('late'));
  });
  try {
    if ((await Promise.race([running.stop(), late])) !== 'late') {
      log.info('Stopped');
      return 0;
    }
    log.error('Did not stop in time; leaving', { ms: limitMs });
  } catch (error) {
    log.error('Cannot stop cleanly', { error });
  }
  return 1;
}
