import type { Endpoint } from '../domain/endpoints.ts';
import type { ForwardPlan, ServiceForwarding, VirtualServer } from '../domain/forwarding.ts';
import type { CheckHealth, HealthCheck } from '../domain/health.ts';
import { KeyedMap } from '../domain/keyed-map.ts';
import { AUTOSCALER_TAINT, EXCLUDE_LABEL, type Node } from '../domain/node.ts';
import type { ObjectKey } from '../domain/object.ts';
import { isOurs } from '../domain/service-class.ts';
import { EMPTY_SNAPSHOT, type Snapshot } from '../domain/snapshot.ts';
import { type ForwardSettings, targetOf } from './forwarding/forward-settings.ts';
import { type PlannedService, planService } from './forwarding/plan-service.ts';
import type { ServiceHistory, ServiceInput } from './forwarding/service-input.ts';

/** A plan with what it was made from, so that the next step plans only what differs. */
export interface ForwardPlanning extends ForwardPlan {
  readonly basis: {
    readonly snapshot: Snapshot;
    readonly health: KeyedMap<CheckHealth>;
    readonly settings: ForwardSettings;
    /** Which Services use a check. */
    readonly users: KeyedMap<ReadonlySet<ObjectKey>>;
    /** What only the past tells, by Service key. A change of the settings does not touch it. */
    readonly history: KeyedMap<ServiceHistory>;
    /** When Services must be planned again although nothing changed. */
    readonly steps: KeyedMap<number>;
  };
}

/**
 * Plans forwarding for every LoadBalancer Service of ours that holds an address.
 *
 * Incremental by identity: a Service is planned anew when its object, status, endpoints or one of
 * their Pods changed, when the health of one of its checks changed, when a Node changed (node
 * targets; of Pod targets only those on a Node whose weight changed), or when the time for its next
 * step of a slow start has come. The result is the same as planning all of it anew with the same
 * history. Cost grows with what changed.
 *
 * `nowMs` is of any one clock that never goes back; `nextStepMs` of the plan is of the same one.
 */
export function planForward(
  previous: ForwardPlanning | undefined,
  snapshot: Snapshot,
  health: KeyedMap<CheckHealth>,
  settings: ForwardSettings,
  nowMs: number,
): ForwardPlanning {
  const usable = previous?.basis.settings === settings ? previous : undefined;
  // Whole, so that the sums of start and steps are exact.
  const moment = { snapshot, health, settings, nowMs: Math.floor(nowMs) };
  const dirty = dirtyServices(usable, moment);
  const planned = [...dirty].map((key) => {
    const before = usable?.services.get(key);
    const history = previous?.basis.history.get(key);
    return { key, before, planned: planOne(key, { ...moment, before, history }) };
  });
  const replaced = planned.map((each): Replaced => {
    return { key: each.key, before: each.before, now: each.planned?.forwarding };
  });
  const services = (usable?.services ?? KeyedMap.empty<ServiceForwarding>()).withAll(
    replaced.map(({ key, now }) => [key, now] as const),
  );
  const { checks, users } = countChecks(usable, replaced);
  const steps = (usable?.basis.steps ?? KeyedMap.empty<number>()).withAll(
    planned.map((each) => [each.key, each.planned?.nextStepMs] as const),
  );
  const history = (usable?.basis.history ?? KeyedMap.empty<ServiceHistory>()).withAll(
    planned.map((each) => [each.key, each.planned?.history] as const),
  );
  return {
    revision: snapshot.revision,
    services,
    servers: replaceServers(usable, replaced),
    checks,
    planned: dirty.size,
    nextStepMs: earliest(steps),
    basis: { snapshot, health, settings, users, history, steps },
  };
}

function earliest(steps: KeyedMap<number>): number | undefined {
  let first: number | undefined;
  for (const step of steps.values()) first = Math.min(first ?? step, step);
  return first;
}

/** What a step of planning is made from. */
type Moment = Pick<ServiceInput, 'snapshot' | 'health' | 'settings' | 'nowMs'>;

interface Replaced {
  readonly key: ObjectKey;
  readonly before: ServiceForwarding | undefined;
  readonly now: ServiceForwarding | undefined;
}

function dirtyServices(
  previous: ForwardPlanning | undefined,
  { snapshot, health, settings, nowMs }: Moment,
): Set<ObjectKey> {
  const before = previous?.basis.snapshot ?? EMPTY_SNAPSHOT;
  const dirty = new Set<ObjectKey>();
  const mark = (keys: Iterable<string>) => {
    for (const key of keys)
      if (snapshot.services.has(key) || previous?.services.has(key)) dirty.add(key);
  };
  mark(snapshot.services.changedKeys(before.services));
  mark(snapshot.statuses.changedKeys(before.statuses));
  mark(snapshot.endpoints.changedKeys(before.endpoints));
  if (!previous) return dirty;
  for (const id of health.changedKeys(previous.basis.health)) {
    mark(previous.basis.users.get(id) ?? []);
  }
  for (const [key, stepMs] of previous.basis.steps) if (stepMs <= nowMs) mark([key]);
  mark(servicesOfHosts(before, snapshot));
  if (nodesDiffer(before, snapshot)) {
    for (const key of previous.services.keys()) {
      const service = snapshot.services.get(key);
      if (service && targetOf(service, settings) === 'node') dirty.add(key);
    }
  }
  return dirty;
}

/**
 * True when a Node changed in what node targets depend on. A kubelet writes its Node every few
 * minutes, mostly with news of no interest here.
 */
function nodesDiffer(before: Snapshot, now: Snapshot): boolean {
  return now.nodes
    .changedKeys(before.nodes)
    .some((key) => targetFacts(before.nodes.get(key)) !== targetFacts(now.nodes.get(key)));
}

/** What planning of node targets reads of a Node. */
function targetFacts(node: Node | undefined): string {
  if (!node) return '';
  const { ready, networkUnavailable, deleting, internalAddresses, weight, labels, taints } = node;
  const isExcluded = Object.hasOwn(labels, EXCLUDE_LABEL);
  const isGoing = taints.includes(AUTOSCALER_TAINT);
  const flags = [ready, networkUnavailable, deleting, isExcluded, isGoing];
  return [...flags, weight, ...internalAddresses].join(' ');
}

/**
 * Services with an endpoint whose Pod or Node changed in what counts here. They do so a few times in
 * their lives; then all endpoints are looked through, which costs less than an index of them would.
 */
function servicesOfHosts(before: Snapshot, now: Snapshot): ObjectKey[] {
  const pods = new Set(
    now.pods.changedKeys(before.pods).filter((key) => {
      const [old, pod] = [before.pods.get(key), now.pods.get(key)];
      return (
        old?.deleting !== pod?.deleting ||
        old?.nodeName !== pod?.nodeName ||
        old?.weight !== pod?.weight
      );
    }),
  );
  const nodes = new Set(
    now.nodes
      .changedKeys(before.nodes)
      .filter((key) => before.nodes.get(key)?.weight !== now.nodes.get(key)?.weight),
  );
  if (pods.size === 0 && nodes.size === 0) return [];
  const concerns = ({ pod, nodeName }: Endpoint) => {
    const node = nodeName ?? (pod === undefined ? undefined : now.pods.get(pod)?.nodeName);
    return (pod !== undefined && pods.has(pod)) || (node !== undefined && nodes.has(node));
  };
  return [...now.endpoints.values()]
    .filter(({ slices }) => slices.some(({ endpoints }) => endpoints.some(concerns)))
    .map(({ service }) => service);
}

function planOne(
  key: ObjectKey,
  input: Omit<ServiceInput, 'service' | 'addresses'>,
): PlannedService | undefined {
  const { snapshot, settings } = input;
  const service = snapshot.services.get(key);
  const addresses = snapshot.statuses.get(key)?.addresses ?? [];
  if (!service || addresses.length === 0 || !isOurs(service, settings.loadBalancer)) {
    return undefined;
  }
  return planService({ ...input, service, addresses });
}

/**
 * Takes out the servers of the old parts, then puts in those of the new: a port that moves from one
 * Service to another in one step ends with its new owner. Where two claim one port (statuses written
 * by hand), the Service with the smaller key has it.
 */
function replaceServers(
  previous: ForwardPlanning | undefined,
  replaced: readonly Replaced[],
): KeyedMap<VirtualServer> {
  const servers = previous?.servers ?? KeyedMap.empty<VirtualServer>();
  const changes = new Map<string, VirtualServer | undefined>();
  for (const { key, before } of replaced) {
    for (const { id } of before?.servers ?? []) {
      if (servers.get(id)?.service === key) changes.set(id, undefined);
    }
  }
  for (const { now } of replaced) {
    for (const server of now?.servers ?? []) {
      const holder = changes.has(server.id) ? changes.get(server.id) : servers.get(server.id);
      if (!holder || holder.service >= server.service) changes.set(server.id, server);
    }
  }
  return servers.withAll(changes);
}

function countChecks(
  previous: ForwardPlanning | undefined,
  replaced: readonly Replaced[],
): { checks: KeyedMap<HealthCheck>; users: KeyedMap<ReadonlySet<ObjectKey>> } {
  const checks = new Map<string, HealthCheck | undefined>();
  const users = new Map<string, Set<ObjectKey>>();
  const usersOf = (id: string) => {
    const known = users.get(id) ?? new Set(previous?.basis.users.get(id));
    users.set(id, known);
    return known;
  };
  for (const { key, before, now } of replaced) {
    const former = new Set(before?.checks.map(({ id }) => id));
    for (const check of now?.checks ?? []) {
      // A check of a node has thousands of users: they are copied only for news.
      if (former.delete(check.id)) continue;
      usersOf(check.id).add(key);
      if (!previous?.checks.has(check.id)) checks.set(check.id, check);
    }
    for (const id of former) usersOf(id).delete(key);
  }
  for (const [id, set] of users) if (set.size === 0) checks.set(id, undefined);
  return {
    checks: (previous?.checks ?? KeyedMap.empty<HealthCheck>()).withAll(checks),
    users: (previous?.basis.users ?? KeyedMap.empty<ReadonlySet<ObjectKey>>()).withAll(
      [...users].map(([id, set]) => [id, set.size === 0 ? undefined : set] as const),
    ),
  };
}
