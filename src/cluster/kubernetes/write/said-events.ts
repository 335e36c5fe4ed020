import type { ServiceEvent } from '../../../domain/service.ts';
import type { StatusBase } from '../status/status-base.ts';
import { createBoundedMap } from './bounded-map.ts';
import type { EventRecorder } from './event-recorder.ts';

/** Services whose events are remembered. */
const REMEMBERED = 20_000;
const NO_EVENTS: readonly ServiceEvent[] = [];

/** What this process has said about Services by events; an API server is not asked for them. */
export interface SaidEvents {
  /** By the Service's uid. */
  of(uid: string): readonly ServiceEvent[];
  /** Says what is new among `events`, and forgets what is not in them. True when anything changed. */
  say(base: StatusBase, events: readonly ServiceEvent[]): boolean;
}

export function createSaidEvents(recorder: Pick<EventRecorder, 'record'>): SaidEvents {
  const said = createBoundedMap<string, readonly ServiceEvent[]>(REMEMBERED);
  const of = (uid: string) => said.get(uid) ?? NO_EVENTS;
  return {
    of,
    say(base, events) {
      const before = of(base.uid);
      if (events === before || (events.length === 0 && before.length === 0)) return false;
      if (events.length > 0) said.set(base.uid, events);
      else said.delete(base.uid);
      for (const event of events) {
        const known = before.find((one) => isSame(one, event));
        const count = event.count - (known?.count ?? 0);
        if (count > 0) recorder.record(subjectOf(base), event, count);
      }
      return true;
    },
  };
}

/** The Service as events name it. */
export function subjectOf({ namespace, name, uid }: StatusBase) {
  return { apiVersion: 'v1', kind: 'Service', namespace, name, uid };
}

function isSame(a: ServiceEvent, b: ServiceEvent): boolean {
  return a.type === b.type && a.reason === b.reason && a.message === b.message;
}
