import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Clock } from '../domain/clock.ts';

/** Work on many things stops after so long, to let the rest of the process have its turn. */
const SLICE_MS = 10;

/** A function that waits for the next turn of the event loop once its time slice is over. */
export function createBreather(clock: Clock): () => Promise<void> | undefined {
  let sliceEndMs = clock.monotonicMs() + SLICE_MS;
  return () => {
    if (clock.monotonicMs() < sliceEndMs) return undefined;
    return nextTurn().then(() => {
      sliceEndMs = clock.monotonicMs() + SLICE_MS;
    });
  };
}
