import type { Clock } from '../../domain/clock.ts';
import type { CheckHealth, CheckId } from '../../domain/health.ts';
import type { Log } from '../../domain/log.ts';

/** Changes logged one by one in a second; of the rest only the number is said. */
const LOGGED_PER_SECOND = 100;

export interface ChangeLog {
  say(check: CheckId, health: CheckHealth): void;
  /** Says what is left. */
  stop(): void;
}

/** Logs each change, up to the limit, and once a second how many more there were. */
export function createChangeLog(clock: Clock, log: Log): ChangeLog {
  let said = 0;
  let unsaid = 0;
  let cancelSecond: (() => void) | undefined;

  function endSecond() {
    if (unsaid > 0) log.warn('More backends changed health', { changes: unsaid });
    said = 0;
    unsaid = 0;
    cancelSecond = undefined;
  }

  return {
    say(check, { state, reason }) {
      cancelSecond ??= clock.after(1_000, endSecond);
      if (said === LOGGED_PER_SECOND) {
        unsaid += 1;
        return;
      }
      said += 1;
      if (state === 'up') log.info('Backend is up', { check });
      else log.warn('Backend is down', { check, reason });
    },
    stop() {
      cancelSecond?.();
      endSecond();
    },
  };
}
