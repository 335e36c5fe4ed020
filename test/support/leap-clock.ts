import type { Clock } from '../../src/domain/clock.ts';

/** The real clocks, that a test sets forward: an hour passes without waiting for it. */
export interface LeapClock extends Clock {
  /** Timers that are due by then run at once, in the order of their time. */
  leap(ms: number): void;
}

export function leapClock(): LeapClock {
  const timers = new Set<{ readonly dueMs: number; readonly run: () => void }>();
  let aheadMs = 0;
  const monotonicMs = () => performance.now() + aheadMs;
  return {
    wallMs: () => Date.now() + aheadMs,
    monotonicMs,
    after(delayMs, run) {
      const fire = () => {
        clearTimeout(real);
        if (timers.delete(timer)) run();
      };
      const real = setTimeout(fire, Math.max(0, delayMs));
      real.unref();
      const timer = { dueMs: monotonicMs() + delayMs, run: fire };
      timers.add(timer);
      return () => {
        clearTimeout(real);
        timers.delete(timer);
      };
    },
    leap(ms) {
      aheadMs += ms;
      const due = [...timers].filter(({ dueMs }) => dueMs <= monotonicMs());
      for (const { run } of due.sort((a, b) => a.dueMs - b.dueMs)) run();
    },
  };
}
