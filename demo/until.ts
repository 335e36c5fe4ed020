import { setTimeout as sleep } from 'node:timers/promises';

const WAIT_MS = 10_000;
const POLL_MS = 20;

/** Asks again and again until there is an answer; throws when there is none in time. */
export async function until<T>(
  what: string,
  probe: () => Promise<T | undefined>,
  waitMs = WAIT_MS,
): Promise<T> {
  const deadline = performance.now() + waitMs;
  for (;;) {
    const answer = await probe();
    if (answer !== undefined) return answer;
    if (performance.now() > deadline) throw new Error(`Not within ${waitMs / 1000} s: ${what}`);
    await sleep(POLL_MS);
  }
}
