import type { Clock } from '../../domain/clock.ts';
import type { Log } from '../../domain/log.ts';
import type { SweepResult } from '../../system/bpf.ts';

/** Sweeps the flow table again and again. */
export interface Sweeper {
  /** What the last sweep found. */
  last(): SweepResult | undefined;
  /** Resolves when no sweep is under way any more. */
  stop(): Promise<void>;
}

/** From the end of one sweep to the begin of the next. */
export const SWEEP_INTERVAL_MS = 3000;

export function startSweeper(sweep: () => Promise<SweepResult>, clock: Clock, log: Log): Sweeper {
  let last: SweepResult | undefined;
  let running: Promise<void> = Promise.resolve();
  let stopped = false;
  // At once, so that what an earlier process left is counted.
  let cancel = clock.after(0, begin);

  function begin(): void {
    running = sweep()
      .then(
        (result) => {
          last = result;
        },
        (error) => log.error('Cannot sweep the flow table; will try again', { error }),
      )
      .then(() => {
        if (!stopped) cancel = clock.after(SWEEP_INTERVAL_MS, begin);
      });
  }

  return {
    last: () => last,
    stop() {
      stopped = true;
      cancel();
      return running;
    },
  };
}
