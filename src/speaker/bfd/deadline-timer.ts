import type { Clock } from '../../domain/clock.ts';

/** One timer whose deadline moves all the time. */
export interface DeadlineTimer {
  /** Monotonic ms; `Infinity`: never. */
  set(deadlineMs: number): void;
  clear(): void;
}

/**
 * Calls `onTime` when the deadline has come, and sometimes before, so that it must look at the clock: a
 * deadline that is put off, as every packet does, leaves the timer as it is.
 */
export function createDeadlineTimer(clock: Clock, onTime: () => void): DeadlineTimer {
  let dueMs = Number.POSITIVE_INFINITY;
  let cancel = () => {};
  const clear = () => {
    cancel();
    dueMs = Number.POSITIVE_INFINITY;
  };
  return {
    set(deadlineMs) {
      if (deadlineMs === Number.POSITIVE_INFINITY || deadlineMs >= dueMs) return;
      cancel();
      dueMs = deadlineMs;
      cancel = clock.after(Math.max(deadlineMs - clock.monotonicMs(), 0), () => {
        dueMs = Number.POSITIVE_INFINITY;
        onTime();
      });
    },
    clear,
  };
}
