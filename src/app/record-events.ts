import { join } from 'node:path';
import type { ClusterSource } from '../domain/cluster-source.ts';
import { describeCheck } from '../domain/health.ts';
import type { ObjectRef } from '../domain/object.ts';
import type { RoleName } from '../domain/role.ts';
import type { ServiceEvent } from '../domain/service.ts';
import type { Forwarder } from '../forwarder/forwarder.ts';
import type { HealthChecker } from '../forwarder/health-checker.ts';
import type { Json } from '../system/json.ts';
import {
  decodeAnnouncement,
  decodeServing,
  FORWARDER_REPORT,
  SPEAKER_REPORT,
} from '../system/reports.ts';
import { watchLedger } from '../system/watch-ledger.ts';
import type { EventHistory } from '../telemetry/event-history.ts';
import { recordSessions } from './record-sessions.ts';
import type { RunningRoles } from './start-roles.ts';

type Stop = () => void;

/** Records what the roles here do as events for the API; the returned function ends it. */
export function recordEvents(
  runDir: string,
  source: ClusterSource,
  { controller, forwarder, health, speaker }: RunningRoles,
  history: EventHistory,
): Stop {
  const stops = [
    ...(controller ? [recordStatusEvents(source, history)] : []),
    ...(forwarder && health ? [recordForwardingEvents(runDir, forwarder, health, history)] : []),
    ...(speaker
      ? [recordAnnouncements(runDir, history), recordSessions(speaker.bgp, history)]
      : []),
  ];
  return () => {
    for (const stop of stops) stop();
  };
}

/** The controller's: what it wrote into Services' statuses. */
function recordStatusEvents(source: ClusterSource, history: EventHistory): Stop {
  let seen = source.current();
  return source.subscribe((snapshot) => {
    for (const key of snapshot.statuses.changedKeys(seen.statuses)) {
      const before = seen.statuses.get(key)?.events ?? [];
      for (const event of snapshot.statuses.get(key)?.events ?? []) {
        if (before.some((old) => sameEvent(old, event))) continue;
        history.record({
          severity: event.type === 'Warning' ? 'warning' : 'info',
          role: 'controller',
          reason: event.reason,
          message: event.message,
          object: { kind: 'Service', key },
          revision: snapshot.revision,
        });
      }
    }
    seen = snapshot;
  });
}

/** The forwarder's: backends that fail and recover, addresses that can be served or no longer. */
function recordForwardingEvents(
  runDir: string,
  forwarder: Forwarder,
  health: HealthChecker,
  history: EventHistory,
): Stop {
  let seen = health.states();
  const unsubscribe = health.onChange(() => {
    const now = health.states();
    for (const id of now.changedKeys(seen)) {
      const state = now.get(id);
      const check = forwarder.plan()?.checks.get(id);
      if (!state || !check || state.state === seen.get(id)?.state) continue;
      const up = state.state === 'up';
      for (const key of forwarder.usersOf(id)) {
        history.record({
          severity: up ? 'info' : 'warning',
          role: 'forwarder',
          reason: up ? 'BackendUp' : 'BackendDown',
          message: `${describeCheck(check)}: ${up ? 'healthy' : state.reason}`,
          object: { kind: 'Service', key },
        });
      }
    }
    seen = now;
  });
  const stopReport = recordReport(join(runDir, FORWARDER_REPORT), 'forwarder', history, (json) => {
    const serving = decodeServing(json);
    if (!serving) return undefined;
    const { servable, usableBackends, backends, reason, service } = serving;
    return {
      object: { kind: 'Service', key: service },
      state: servable ? 'Servable' : 'NotServable',
      good: servable,
      detail: servable ? `${usableBackends} of ${backends} backends usable` : reason,
    };
  });
  return () => {
    unsubscribe();
    stopReport();
  };
}

/** The speaker's: addresses announced, by either way, and withdrawn. */
function recordAnnouncements(runDir: string, history: EventHistory): Stop {
  return recordReport(join(runDir, SPEAKER_REPORT), 'speaker', history, (json) => {
    const announcement = decodeAnnouncement(json);
    if (!announcement) return undefined;
    const { announced, interfaces, peers, reason } = announcement;
    const ways = [
      ...(interfaces.length > 0 ? [`on ${interfaces.join(', ')}`] : []),
      ...(peers.length > 0 ? [`to ${peers.join(', ')}`] : []),
    ];
    return {
      object: undefined,
      state: announced ? 'Announced' : 'Withdrawn',
      good: announced,
      detail: announced ? ways.join(' and ') : reason,
    };
  });
}

/** What one entry of a report says, as far as it is worth an event. */
interface Said {
  readonly object: ObjectRef | undefined;
  readonly state: string;
  readonly good: boolean;
  readonly detail: string;
}

function recordReport(
  path: string,
  role: RoleName,
  history: EventHistory,
  read: (json: Json | undefined) => Said | undefined,
): Stop {
  const states = new Map<string, string>();
  const note = (address: string, isNews: boolean) => {
    const said = read(report.entries.get(address));
    if (!said) {
      states.delete(address);
      return;
    }
    const known = states.get(address) === said.state;
    states.set(address, said.state);
    if (known || !isNews) return;
    history.record({
      severity: said.good ? 'info' : 'warning',
      role,
      reason: said.state,
      message: `${address}: ${said.detail}`,
      ...(said.object && { object: said.object }),
    });
  };
  const report = watchLedger(path, (keys) => {
    for (const key of keys) note(key, true);
  });
  for (const key of report.entries.keys()) note(key, false);
  return () => report.close();
}

function sameEvent(a: ServiceEvent, b: ServiceEvent): boolean {
  return a.reason === b.reason && a.message === b.message && a.count === b.count;
}
