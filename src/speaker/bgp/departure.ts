import type { Clock } from '../../domain/clock.ts';

/**
 * How a box takes its leave of its peers: first it asks them to prefer others (RFC 8326), and so much
 * later it withdraws its routes. Sessions stay, so that it can come back.
 */
export interface Departure {
  /** Whether the box is leaving, by the plan. */
  follow(leaving: boolean): void;
  /** The wait is over: nothing is announced any more. */
  isOver(): boolean;
  /** Resolves when the wait is over, or at once where nobody has to be waited for. */
  over(): Promise<void>;
  /** Ends the wait now. */
  hasten(): void;
}

/** `hasRoutes`: whether any peer has been told of anything; `onOver` is called when the wait ends. */
export function createDeparture(
  clock: Clock,
  waitMs: number,
  hasRoutes: () => boolean,
  onOver: () => void,
): Departure {
  let isOver = false;
  let cancel: (() => void) | undefined;
  const waiters: (() => void)[] = [];

  function end() {
    cancel?.();
    cancel = undefined;
    if (!isOver) {
      isOver = true;
      onOver();
    }
    for (const resolve of waiters.splice(0)) resolve();
  }

  return {
    follow(leaving) {
      if (!leaving) {
        cancel?.();
        cancel = undefined;
        isOver = false;
      } else if (!isOver && !cancel) {
        if (hasRoutes()) cancel = clock.after(waitMs, end);
        else end();
      }
    },
    isOver: () => isOver,
    over: () => (cancel ? new Promise((resolve) => waiters.push(resolve)) : Promise.resolve()),
    hasten: end,
  };
}
