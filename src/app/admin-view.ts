import type { AdminView, Identity } from '../admin/view.ts';
import type { ClusterSource } from '../domain/cluster-source.ts';
import { KeyedMap } from '../domain/keyed-map.ts';
import type { Problem } from '../domain/problem.ts';
import type { LoadBalancerClass } from '../domain/service-class.ts';
import type { Forwarder } from '../forwarder/forwarder.ts';
import type { EventHistory } from '../telemetry/event-history.ts';
import type { RunningRoles } from './start-roles.ts';

/** What the admin API reads of this process. */
export function adminView(
  identity: Identity,
  loadBalancer: LoadBalancerClass,
  source: ClusterSource,
  roles: RunningRoles,
  history: EventHistory,
): AdminView {
  const { controller, forwarder, health, speaker } = roles;
  return {
    identity,
    loadBalancer,
    roles: () => roles.all.map((role) => ({ role: role.name, ...role.readiness() })),
    snapshot: source.current,
    problems: () => problemsOf(source, roles),
    events: (limit, object) => history.newest(limit, object),
    ...(controller && {
      allocation: {
        assignments: () => controller.allocation()?.services ?? KeyedMap.empty(),
        pools: () => controller.allocation()?.pools ?? KeyedMap.empty(),
      },
    }),
    ...(speaker && { announcing: speaker }),
    ...(forwarder && {
      forwarding: {
        plan: () => forwarder.plan(),
        health: (check) => health?.states().get(check),
        stateOf: (id) => forwarder.stateOf(id),
        reachability: (address) => forwarder.reachability(address),
        defaultRouteTo: (address) => forwarder.defaultRouteTo(address),
        interfaces: () => forwarder.interfaces(),
        counters: () => forwarder.counters(),
        serverStats: (id) => forwarder.serverStats(id),
        backendStats: (server, backend) => forwarder.backendStats(server, backend),
        usage: () => forwarder.usage(),
        flows: (filter, limit) => forwarder.flows(filter, limit),
        inspect: forwarder.inspect,
      },
    }),
  };
}

const FORWARDER_REMEDY = 'See the part "forwarder" of the settings';

/** The input's problems and the roles', errors first. */
function problemsOf(
  source: ClusterSource,
  { controller, forwarder, speaker }: RunningRoles,
): Problem[] {
  const all = [
    ...source.current().problems,
    ...(controller?.allocation()?.problems ?? []),
    ...(forwarder?.problems() ?? []).map((message) => ofBox(message, FORWARDER_REMEDY)),
    ...alarmsOf(forwarder),
    ...(speaker?.failures() ?? []).map(({ object, error }) =>
      ofBox(`Cannot announce ${object}: ${error}`, 'It is tried again; look at the interface'),
    ),
  ];
  return all.sort((a, b) => Number(a.severity === 'warning') - Number(b.severity === 'warning'));
}

function alarmsOf(forwarder: Forwarder | undefined): Problem[] {
  return [...(forwarder?.plan()?.services.values() ?? [])].flatMap(({ service, alarms }) =>
    alarms.map((message) => ({
      severity: 'error' as const,
      object: { kind: 'Service', key: service },
      message,
      remedy: `Look at its backends with "tidegate explain service ${service}"`,
    })),
  );
}

function ofBox(message: string, remedy: string): Problem {
  return { severity: 'error', message, remedy };
}
