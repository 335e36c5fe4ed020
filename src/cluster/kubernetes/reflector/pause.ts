/** Pauses between tries, ms. */
export const PAUSE_BASE_MS = 200;
export const PAUSE_CAP_MS = 10_000;
/** While nobody answers, who tries burdens nobody, and the network may be back at any moment. */
export const UNREACHABLE_CAP_MS = 5_000;

/** How long to wait after a failure, with decorrelated jitter: many boxes fail at the same instant. */
export interface Pauses {
  /** The next pause, ms; not shorter than what the server asked for. */
  next(retryAfterMs: number | undefined, capMs?: number): number;
  /** After a success: the next pause is the shortest again. */
  reset(): void;
}

/** `random` in [0, 1). See "Exponential Backoff And Jitter", AWS Architecture Blog, 2015. */
export function createPauses(random: () => number): Pauses {
  let last = PAUSE_BASE_MS;
  return {
    next(retryAfterMs = 0, capMs = PAUSE_CAP_MS) {
      last = Math.min(capMs, PAUSE_BASE_MS + random() * (last * 3 - PAUSE_BASE_MS));
      return Math.max(last, retryAfterMs);
    },
    reset() {
      last = PAUSE_BASE_MS;
    },
  };
}
