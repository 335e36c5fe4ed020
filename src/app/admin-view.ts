import type { AdminView, ClusterView, Identity } from '../admin/view.ts';
import { isHeartbeatLease } from '../cluster/kubernetes/box/lease-fields.ts';
import type { ClusterSource } from '../domain/cluster-source.ts';
import type { ClusterState } from '../domain/cluster-state.ts';
import { KeyedMap } from '../domain/keyed-map.ts';
import { nameOf } from '../domain/object.ts';
import { formatProblem, type Problem } from '../domain/problem.ts';
import type { Role } from '../domain/role.ts';
import type { LoadBalancerClass } from '../domain/service-class.ts';
import type { Forwarder } from '../forwarder/forwarder.ts';
import { advertisementProblems } from '../plan/announcing/advertisement-problems.ts';
import { bgpProblems } from '../plan/bgp/bgp-problems.ts';
import type { EventHistory } from '../telemetry/event-history.ts';
import type { RunningRoles } from './start-roles.ts';

/** A folder, or an API server, which can say how its reading goes. */
export type AnySource = ClusterSource & { readonly state?: () => ClusterState };

/** What the admin API reads of this process. */
export function adminView(
  identity: Identity,
  loadBalancer: LoadBalancerClass,
  source: AnySource,
  roles: RunningRoles,
  history: EventHistory,
): AdminView {
  const { controller, forwarder, health, speaker } = roles;
  const cluster = source.state && clusterView(source, source.state);
  return {
    identity,
    loadBalancer,
    roles: () => roles.all.map((role) => ({ role: role.name, ...readinessOf(role, source) })),
    snapshot: source.current,
    problems: () => problemsOf(source, roles),
    ...(cluster && { cluster }),
    events: (limit, object) => history.newest(limit, object),
    ...(controller && {
      allocation: {
        assignments: () => controller.allocation()?.services ?? KeyedMap.empty(),
        counters: () => controller.counters(),
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

function clusterView(source: ClusterSource, state: () => ClusterState): ClusterView {
  const { leadership } = source;
  return {
    state,
    isRemembered: () => source.current().remembered,
    leads: leadership.leads,
    leader: leadership.leader,
  };
}

/** A role that has nothing to go by yet waits for the cluster, whatever it says itself. */
function readinessOf(role: Role, source: AnySource): ReturnType<Role['readiness']> {
  const readiness = role.readiness();
  const state = source.state?.();
  if (!state) return readiness;
  const [refused] = role.name === 'speaker' ? state.unwritable.filter(isVital) : [];
  if (readiness.ready && refused) return { ready: false, reason: formatProblem(refused) };
  if (readiness.ready || source.current().revision > 0) return readiness;
  const missing = state.kinds.filter(({ installed, synced }) => installed && !synced);
  const why = state.problems[0]?.message ?? `${missing.map(({ kind }) => kind).join(', ')} to come`;
  return { ready: false, reason: `Waiting for the API server ${state.server}: ${why}` };
}

/** Without its EdgeNode and heartbeat the other boxes take this one for dead. */
function isVital({ object }: Problem): boolean {
  if (object === undefined) return false;
  const { kind, key } = object;
  return kind === 'EdgeNode' || (kind === 'Lease' && isHeartbeatLease(nameOf(key)));
}

/** The input's problems and the roles', errors first. */
function problemsOf(
  source: AnySource,
  { controller, forwarder, speaker }: RunningRoles,
): Problem[] {
  const all = [
    ...(source.state?.().problems ?? []),
    ...(source.state?.().unwritable ?? []),
    ...source.current().problems,
    ...(controller?.allocation()?.problems ?? []),
    ...(forwarder?.problems() ?? []).map((message) => ofBox(message, FORWARDER_REMEDY)),
    ...alarmsOf(forwarder),
    ...(speaker ? advertisementProblems(source.current()) : []),
    ...(speaker ? bgpProblems(source.current()) : []),
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
