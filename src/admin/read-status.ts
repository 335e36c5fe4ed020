import { isOurs } from '../domain/service-class.ts';
import type { Readiness, Status } from './api.ts';
import type { BgpView } from './bgp-view.ts';
import { encodeProblem, timeText } from './encode.ts';
import type { AdminView, ClusterView } from './view.ts';

/** Problems in one status answer; errors come first. */
const PROBLEMS_MAX = 200;

export function readinessOf(view: AdminView): Readiness {
  const roles = view.roles().map((role) => ({ ...role }));
  return { ready: roles.every(({ ready }) => ready), roles };
}

/** The state of this process in a few dozen numbers. Cost grows with the number of Services. */
export function statusOf(view: AdminView): Status {
  const { identity, forwarding, announcing } = view;
  return {
    instance: identity.instance,
    node: identity.node,
    version: identity.version,
    startedAt: timeText(identity.startedMs),
    revision: view.snapshot().revision,
    ...readinessOf(view),
    problems: view.problems().slice(0, PROBLEMS_MAX).map(encodeProblem),
    services: countServices(view),
    ...(view.cluster && { cluster: clusterOf(view.cluster) }),
    ...(forwarding && {
      flows: { ...forwarding.usage().flows },
      drops: dropsOf(forwarding.counters()),
      links: [...forwarding.interfaces()].map(({ name, mode }) => ({ name, mode })),
    }),
    ...(announcing && {
      ports: announcing
        .interfaces()
        .map(({ name, mac, sendErrors }) => ({ name, mac, sendErrors })),
      bgp: countSessions(announcing.bgp),
    }),
  };
}

function countSessions(bgp: BgpView): NonNullable<Status['bgp']> {
  const sessions = [...bgp.sessions().values()];
  const established = sessions.filter(({ state }) => state === 'Established').length;
  return { sessions: sessions.length, established };
}

function clusterOf(view: ClusterView): NonNullable<Status['cluster']> {
  const { server, synced, troubleMs, kinds } = view.state();
  return {
    server,
    synced,
    remembered: view.isRemembered(),
    troubleSeconds: seconds(troubleMs),
    leads: view.leads(),
    leader: view.leader(),
    kinds: kinds.map(({ kind, installed, synced, objects, contactAgeMs, failures, error }) => ({
      ...{ kind, installed, synced, objects, failures, error },
      ...(contactAgeMs !== undefined && { contactAgeSeconds: seconds(contactAgeMs) }),
    })),
  };
}

/** To the millisecond. */
function seconds(ms: number): number {
  return Math.round(ms) / 1000;
}

/** Counters of packets dropped, by reason, those at zero left out. */
function dropsOf(counters: ReadonlyMap<string, bigint>): Record<string, number> {
  const drops: Record<string, number> = {};
  for (const [name, count] of counters) {
    if (name.startsWith('drop_') && count > 0n) drops[name.slice('drop_'.length)] = Number(count);
  }
  return drops;
}

function countServices(view: AdminView): Status['services'] {
  const { services, statuses } = view.snapshot();
  const assignments = view.allocation?.assignments();
  let ours = 0;
  let withAddress = 0;
  let refused = 0;
  for (const service of services.values()) {
    if (!isOurs(service, view.loadBalancer)) continue;
    ours += 1;
    if ((statuses.get(service.key)?.addresses.length ?? 0) > 0) withAddress += 1;
    if (assignments?.get(service.key)?.refusal) refused += 1;
  }
  return { ours, withAddress, ...(assignments && { refused }) };
}
