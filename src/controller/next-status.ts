import { isDeepStrictEqual } from 'node:util';
import {
  type Condition,
  EVENTS_PER_SERVICE,
  type PortError,
  type ServiceEvent,
  type ServiceStatus,
} from '../domain/service.ts';
import { ALLOCATED, isOurCondition } from '../domain/service-conditions.ts';
import {
  type Assignment,
  type PlannedEvent,
  sameAddresses,
} from '../plan/allocation/assignment.ts';
import type { Finding } from './conditions.ts';

/**
 * The status that says what was decided and found; the very same object when it says so already.
 * A host name (another controller's work) is replaced. A condition keeps its time while it holds.
 */
export function nextStatus(
  current: ServiceStatus | undefined,
  assignment: Assignment,
  errors: readonly PortError[],
  findings: readonly Finding[],
  events: readonly PlannedEvent[],
  nowMs: number,
): ServiceStatus {
  const { addresses, pool } = assignment;
  const next: ServiceStatus = {
    addresses,
    hostnames: [],
    pool,
    // They are said beside an address.
    ports: addresses.length > 0 ? errors : [],
    guarded: true,
    conditions: nextConditions(current?.conditions ?? [], findings, nowMs),
    events: nextEvents(current?.events ?? [], events, nowMs),
  };
  return current && sameStatus(current, next) ? current : next;
}

/** True for a status that this program wrote, on this box or another. */
export function isOurStatus({ pool, conditions }: ServiceStatus): boolean {
  return pool !== '' || conditions.some(({ type }) => type === ALLOCATED);
}

function nextConditions(
  current: readonly Condition[],
  findings: readonly Finding[],
  nowMs: number,
): readonly Condition[] {
  const ours = new Map(
    findings.map((finding): [string, Condition] => {
      const before = current.find(({ type }) => type === finding.type);
      const sinceMs = before?.status === finding.status ? before.sinceMs : nowMs;
      return [finding.type, { ...finding, sinceMs }];
    }),
  );
  // Each stays in its place, so that what a cluster gives back compares as equal.
  const next = current.flatMap((condition) => {
    if (!isOurCondition(condition.type)) return condition;
    const mine = ours.get(condition.type) ?? [];
    ours.delete(condition.type);
    return mine;
  });
  next.push(...ours.values());
  return sameConditions(current, next) ? current : next;
}

/** One entry for equal events, counted; the newest last, the oldest dropped. */
function nextEvents(
  current: readonly ServiceEvent[],
  events: readonly PlannedEvent[],
  nowMs: number,
): readonly ServiceEvent[] {
  if (events.length === 0) return current;
  const list = [...current];
  for (const { type, reason, message } of events) {
    const at = list.findIndex(
      (event) => event.type === type && event.reason === reason && event.message === message,
    );
    const [before] = at < 0 ? [] : list.splice(at, 1);
    const { firstMs, count } = before ?? { firstMs: nowMs, count: 0 };
    list.push({ type, reason, message, firstMs, lastMs: nowMs, count: count + 1 });
  }
  return list.slice(-EVENTS_PER_SERVICE);
}

function sameStatus(a: ServiceStatus, b: ServiceStatus): boolean {
  return (
    a.pool === b.pool &&
    a.guarded === b.guarded &&
    isDeepStrictEqual(a.ports, b.ports) &&
    a.events === b.events &&
    a.conditions === b.conditions &&
    a.hostnames.length === b.hostnames.length &&
    sameAddresses(a.addresses, b.addresses)
  );
}

function sameConditions(a: readonly Condition[], b: readonly Condition[]): boolean {
  const same = (one: Condition, other: Condition | undefined) =>
    one.type === other?.type &&
    one.status === other.status &&
    one.reason === other.reason &&
    one.message === other.message &&
    one.sinceMs === other.sinceMs;
  return a.length === b.length && a.every((condition, index) => same(condition, b[index]));
}
