import type { Clock } from '../domain/clock.ts';
import type { ObjectRef } from '../domain/object.ts';
import type { RoleName } from '../domain/role.ts';

/** How many events a process remembers; the oldest go first. */
const EVENT_HISTORY_LIMIT = 1000;

/** Something that happened on this box, for people: an address given, a backend lost. */
export interface BoxEvent {
  readonly severity: 'info' | 'warning';
  readonly role: RoleName;
  /** One word in CamelCase, to filter by: `BackendDown`, `Announced`. */
  readonly reason: string;
  readonly message: string;
  readonly object?: ObjectRef;
  /** The snapshot's revision it happened at. */
  readonly revision?: number;
}

export interface RecordedEvent extends BoxEvent {
  /** Counts from 1 and never repeats in a process, so that a reader sees what it missed. */
  readonly sequence: number;
  /** ms since 1970. */
  readonly atMs: number;
}

/** A bounded memory of events; the durable ones stand in the Service's status. */
export interface EventHistory {
  record(event: BoxEvent): void;
  /** The newest `limit` events, newest last; only those about `object` (a key) when it is given. */
  newest(limit: number, object?: string): readonly RecordedEvent[];
}

export function createEventHistory(clock: Clock, limit = EVENT_HISTORY_LIMIT): EventHistory {
  const ring: RecordedEvent[] = [];
  let recorded = 0;
  return {
    record: (event) => {
      ring[recorded % limit] = { ...event, sequence: recorded + 1, atMs: clock.wallMs() };
      recorded += 1;
    },
    newest: (count, object) => {
      const found: RecordedEvent[] = [];
      const oldest = Math.max(0, recorded - limit);
      for (let index = recorded - 1; index >= oldest && found.length < count; index--) {
        const event = ring[index % limit] as RecordedEvent;
        if (object === undefined || event.object?.key === object) found.push(event);
      }
      return found.reverse();
    },
  };
}
