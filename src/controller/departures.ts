import type { Clock } from '../domain/clock.ts';
import type { Log } from '../domain/log.ts';
import type { ObjectKey } from '../domain/object.ts';
import type { Observed } from './observed.ts';

/** A deleted Service's addresses are given away after so long, though a box still announces them. */
export const DEPARTURE_LIMIT_MS = 30_000;

/** Deleted Services whose addresses may still be announced. */
export interface Departures {
  /** True when nobody announces the Service any more, or it has taken too long. */
  mayLeave(service: ObjectKey): boolean;
  /** It has left, or will not. */
  forget(service: ObjectKey): void;
  stop(): void;
}

interface Departure {
  readonly limitMs: number;
  readonly cancel: () => void;
}

/** `wake` is called when the limit of a Service has passed. */
export function createDepartures(
  observed: Pick<Observed, 'announcers'>,
  clock: Clock,
  log: Log,
  wake: (service: ObjectKey) => void,
): Departures {
  const waiting = new Map<ObjectKey, Departure>();

  function begin(service: ObjectKey): Departure {
    const departure = {
      limitMs: clock.monotonicMs() + DEPARTURE_LIMIT_MS,
      cancel: clock.after(DEPARTURE_LIMIT_MS, () => wake(service)),
    };
    waiting.set(service, departure);
    return departure;
  }

  return {
    mayLeave(service) {
      const boxes = observed.announcers(service);
      if (boxes.length === 0) return true;
      const { limitMs } = waiting.get(service) ?? begin(service);
      if (clock.monotonicMs() < limitMs) return false;
      const message = 'The address of a deleted Service is given back, though boxes announce it';
      log.warn(message, { object: `Service ${service}`, boxes });
      return true;
    },
    forget(service) {
      waiting.get(service)?.cancel();
      waiting.delete(service);
    },
    stop() {
      for (const { cancel } of waiting.values()) cancel();
      waiting.clear();
    },
  };
}
