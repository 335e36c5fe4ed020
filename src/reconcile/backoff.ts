/** Delay before try number `attempt` (1 is the first retry): doubled each time between the two bounds, in ms. */
export function backoffMs(attempt: number): number {
  return Math.min(RETRY_MAX_MS, RETRY_MIN_MS * 2 ** Math.min(attempt - 1, 20));
}

const RETRY_MIN_MS = 100;
const RETRY_MAX_MS = 30_000;
