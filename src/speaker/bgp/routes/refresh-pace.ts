import type { Family } from '../../../domain/address.ts';
import type { Clock } from '../../../domain/clock.ts';

/** Lets a peer have a family said again as often as it asks, but for those who ask all the time. */
export interface RefreshPace {
  /** Answered at once, or together with all others of that family when the pause is over. */
  request(family: Family): void;
  /** The session has ended: nobody waits any more. */
  clear(): void;
}

/** Between two answers: one is the whole table, for a request of 23 octets. */
export const REFRESH_PAUSE_MS = 1000;

export function createRefreshPace(clock: Clock, answer: (family: Family) => void): RefreshPace {
  const pauses = new Map<Family, () => void>();
  const asked = new Set<Family>();

  function request(family: Family) {
    if (pauses.has(family)) {
      asked.add(family);
      return;
    }
    const resume = () => {
      pauses.delete(family);
      if (asked.delete(family)) request(family);
    };
    pauses.set(family, clock.after(REFRESH_PAUSE_MS, resume));
    answer(family);
  }

  return {
    request,
    clear() {
      for (const cancel of pauses.values()) cancel();
      pauses.clear();
      asked.clear();
    },
  };
}
