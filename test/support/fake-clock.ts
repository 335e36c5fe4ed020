import type { Clock } from '../../src/domain/clock.ts';

/** A clock that stands still until the test moves it; due timers run in order of their time. */
export interface FakeClock extends Clock {
  advance(ms: number): void;
}

export function fakeClock(startMs = 1_000_000): FakeClock {
  let now = startMs;
  let order = 0;
  const timers = new Map<number, { at: number; run: () => void }>();
  return {
    wallMs: () => now,
    monotonicMs: () => now,
    after(delayMs, run) {
      const id = order++;
      timers.set(id, { at: now + delayMs, run });
      return () => void timers.delete(id);
    },
    advance(ms) {
      const end = now + ms;
      for (;;) {
        const due = [...timers].filter(([, timer]) => timer.at <= end);
        due.sort(([a, x], [b, y]) => x.at - y.at || a - b);
        const [first] = due;
        if (!first) break;
        timers.delete(first[0]);
        now = Math.max(now, first[1].at);
        first[1].run();
      }
      now = end;
    },
  };
}
