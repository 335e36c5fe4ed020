import type { Clock } from '../domain/clock.ts';

/** Longest delay a Node timer takes; a longer one would fire at once. */
const TIMER_MAX_MS = 2 ** 31 - 1;

/** The machine's clocks and Node's timers. */
export const realClock: Clock = {
  wallMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  after: (delayMs, run) => {
    const dueMs = performance.now() + delayMs;
    let timer: NodeJS.Timeout;
    const arm = () => {
      timer = setTimeout(fire, Math.min(Math.max(dueMs - performance.now(), 0), TIMER_MAX_MS));
      timer.unref();
    };
    // Node counts from when this turn of the event loop began, and so fires early after a long turn.
    const fire = () => {
      if (performance.now() < dueMs) arm();
      else run();
    };
    arm();
    return () => clearTimeout(timer);
  },
};
