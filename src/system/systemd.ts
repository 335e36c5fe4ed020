import type { Clock } from '../domain/clock.ts';
import { loadNative } from './native.ts';

/** What a service of `Type=notify` tells systemd (sd_notify(3)). Outside systemd nothing happens. */
export interface ServiceManager {
  /** Start-up is complete; dependent units may start. */
  ready(): void;
  /** Stopping has begun, and may take so long, whatever `TimeoutStopSec` says. */
  stopping(withinMs: number): void;
  /** One line for `systemctl status`. */
  status(text: string): void;
  /**
   * Pings the watchdog at half its interval for as long as `isAlive` says so; when it no longer does,
   * systemd kills and restarts the service. Returns a function that ends the pings. Does nothing when the
   * unit sets no `WatchdogSec`, or sets it for another process.
   */
  watchdog(isAlive: () => boolean): () => void;
}

interface NotifyBinding {
  notifySend(socketPath: string, message: string): void;
}

/** The environment's variables that systemd sets. */
export type ManagerEnvironment = Readonly<Record<string, string | undefined>>;

/**
 * The service manager that started this process, if any. A notification that cannot be delivered is
 * given to `onError` and not thrown: a full notify socket must not end a load balancer.
 */
export function serviceManager(
  environment: ManagerEnvironment,
  clock: Clock,
  onError: (error: Error) => void,
): ServiceManager {
  const path = environment['NOTIFY_SOCKET'] ?? '';
  const notify = (message: string) => {
    if (path === '') return;
    try {
      loadNative<NotifyBinding>().notifySend(path, message);
    } catch (error) {
      onError(error as Error);
    }
  };
  return {
    ready: () => notify('READY=1'),
    stopping: (withinMs) => notify(`STOPPING=1\nEXTEND_TIMEOUT_USEC=${Math.ceil(withinMs * 1000)}`),
    status: (text) => notify(`STATUS=${text.replaceAll('\n', ' ')}`),
    watchdog: (isAlive) => {
      const intervalMs = watchdogIntervalMs(environment);
      if (path === '' || intervalMs === undefined) return () => undefined;
      const ping = () => {
        if (isAlive()) notify('WATCHDOG=1');
        cancel = clock.after(intervalMs / 2, ping);
      };
      let cancel = () => {};
      ping();
      return () => cancel();
    },
  };
}

function watchdogIntervalMs(environment: ManagerEnvironment): number | undefined {
  const microseconds = Number(environment['WATCHDOG_USEC'] ?? '');
  const pid = environment['WATCHDOG_PID'];
  const forUs = pid === undefined || Number(pid) === process.pid;
  return forUs && microseconds > 0 ? microseconds / 1000 : undefined;
}
