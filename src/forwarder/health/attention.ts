import type { Clock } from '../../domain/clock.ts';

/** Lateness of a wake-up up to which its time still counts as attended, ms. */
const COUNTED_LATE_MS = 40;
/** Lateness from which on failures of probes under way say nothing about the backend, ms. */
export const STALL_MS = 250;

/**
 * Attended time: monotonic time, less what passed while nobody could look.
 *
 * A blocked event loop, a suspended machine or a starved CPU leaves answers lying in socket buffers;
 * by the plain clock their probes have timed out. In attended time they have not: overload makes
 * checking slower, and never makes a backend look dead.
 */
export interface Attention {
  nowMs(): number;
  /** Grows with every stall: what began under another number was under way during one. */
  readonly stalls: number;
  /** Looks at the clock; returns the length in ms of a stall that just ended, else 0. */
  look(): number;
  /** Says that the next look will come `delayMs` after the last; infinity when nothing is awaited. */
  expect(delayMs: number): void;
}

export function createAttention(clock: Clock): Attention {
  let seenMs = clock.monotonicMs();
  let attendedMs = seenMs;
  let plannedMs = Number.POSITIVE_INFINITY;
  let stalls = 0;
  const attended = (elapsedMs: number) =>
    attendedMs + Math.min(elapsedMs, plannedMs + COUNTED_LATE_MS);

  return {
    nowMs: () => attended(clock.monotonicMs() - seenMs),
    get stalls() {
      return stalls;
    },
    look() {
      const monotonicMs = clock.monotonicMs();
      const elapsedMs = monotonicMs - seenMs;
      const lateMs = elapsedMs - plannedMs;
      attendedMs = attended(elapsedMs);
      seenMs = monotonicMs;
      plannedMs = Math.max(0, plannedMs - elapsedMs);
      if (lateMs <= STALL_MS) return 0;
      stalls += 1;
      return lateMs;
    },
    expect(delayMs) {
      plannedMs = delayMs;
    },
  };
}
