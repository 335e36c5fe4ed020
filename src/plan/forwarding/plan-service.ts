import { type Address, familyOf, formatAddress } from '../../domain/address.ts';
import {
  ADMIT_ALL,
  type Backend,
  type ServiceForwarding,
  type VirtualServer,
} from '../../domain/forwarding.ts';
import type { CheckHealth, HealthCheck, HealthCheckSettings } from '../../domain/health.ts';
import type { KeyedMap } from '../../domain/keyed-map.ts';
import type { Scheduler } from '../../domain/scheduler.ts';
import type { DeadBackend, Service, ServicePort, TargetKind } from '../../domain/service.ts';
import type { LoadBalancerClass } from '../../domain/service-class.ts';
import type { Snapshot } from '../../domain/snapshot.ts';
import { maglevSize, maglevTable } from '../maglev.ts';
import { type Candidates, nodeCandidates, podCandidates } from './candidates.ts';
import { checkOf } from './check-of.ts';
import { decideUse, type HealthFallback } from './usable.ts';

/** What planning takes from the settings. */
export interface ForwardSettings {
  readonly loadBalancer: LoadBalancerClass;
  /** Where packets go when the Service has no `tidegate.io/target`. */
  readonly target: TargetKind;
  /** Defaults of every health check. */
  readonly health: HealthCheckSettings;
  readonly healthFallback: HealthFallback;
  readonly scheduler: Scheduler;
  readonly deadBackends: DeadBackend;
  /** 0: no limit. */
  readonly clientNewFlowsPerSec: number;
}

/** What planning one Service reads. */
export interface ServiceInput {
  readonly service: Service;
  readonly addresses: readonly Address[];
  readonly snapshot: Snapshot;
  readonly health: KeyedMap<CheckHealth>;
  readonly settings: ForwardSettings;
  /** The Service's part in the plan before: what is equal in it is kept as the same object. */
  readonly before: ServiceForwarding | undefined;
}

type PlainPort = ServicePort & { readonly protocol: 'TCP' | 'UDP' };

/** Plans one Service: for each address and port a virtual server with its backends and ring. */
export function planService(input: ServiceInput): ServiceForwarding {
  const { service, addresses } = input;
  const checks = new Map<string, HealthCheck>();
  const notes = service.ports
    .filter((port) => port.protocol === 'SCTP')
    .map((port) => `Port ${port.port}/SCTP is not forwarded: only TCP and UDP are`);
  const servers: VirtualServer[] = [];
  const alarms: string[] = [];
  for (const address of addresses) {
    for (const port of service.ports) {
      if (!isPlain(port)) continue;
      const planned = planServer(input, address, port, checks);
      servers.push(planned.server);
      notes.push(...planned.notes);
      if (planned.allFail) alarms.push(alarmOf(planned.server));
    }
  }
  const servable = servers.some(({ ring }) => ring.length > 0);
  return {
    service: service.key,
    addresses,
    servers,
    checks: [...checks.values()],
    servable,
    reason: servable ? '' : alarms.length > 0 ? 'backendsFailing' : 'noEndpoints',
    alarms,
    notes: [...new Set(notes)],
  };
}

function isPlain(port: ServicePort): port is PlainPort {
  return port.protocol !== 'SCTP';
}

function planServer(
  input: ServiceInput,
  address: Address,
  port: PlainPort,
  checks: Map<string, HealthCheck>,
): { server: VirtualServer; notes: readonly string[]; allFail: boolean } {
  const { service, settings, health, before } = input;
  const { candidates, notes } = candidatesOf(input, port, address);
  const nodeTarget = targetOf(service, settings) === 'node';
  const checked = candidates.map((candidate) => ({
    candidate,
    check: checkOf(service, candidate, port.protocol, nodeTarget, settings.health),
  }));
  for (const { check } of checked) if (check) checks.set(check.id, checks.get(check.id) ?? check);
  const { verdicts, allFail } = decideUse(checked, health, settings.healthFallback);
  const backends = checked.map(({ candidate, check }, index): Backend => {
    const { use, reason } = verdicts[index] ?? { use: 'down', reason: '' };
    const { address, port, node, pod } = candidate;
    const id = `${formatAddress(address)} ${port}`;
    return {
      id,
      address,
      port,
      weight: 1,
      admit: ADMIT_ALL,
      use,
      reason,
      node,
      pod,
      check: check?.id,
    };
  });
  backends.sort((a, b) => (a.id < b.id ? -1 : 1));
  const id = `${formatAddress(address)} ${port.protocol} ${port.port}`;
  const previous = before?.servers.find((server) => server.id === id);
  const server: VirtualServer = {
    id,
    service: service.key,
    address,
    protocol: port.protocol,
    port: port.port,
    scheduler: service.scheduler ?? settings.scheduler,
    affinityTimeoutSec: service.affinityTimeoutSec,
    affinityGroup: service.key,
    sourceRanges: service.sourceRanges,
    newFlowsPerSec: service.newFlowsPerSec,
    clientNewFlowsPerSec: service.clientNewFlowsPerSec ?? settings.clientNewFlowsPerSec,
    slowStartSec: service.slowStartSec,
    resetDead: (service.deadBackend ?? settings.deadBackends) === 'reset',
    backends,
    choice: 'ring',
    ring: ringOf(backends, previous),
  };
  const kept = previous && sameServer(previous, server) ? previous : server;
  return { server: kept, notes, allFail };
}

function alarmOf({ id, ring, backends }: VirtualServer): string {
  const what = `Every health check of ${id} fails`;
  if (ring.length === 0) return `${what}; no backend takes new flows (fail-closed)`;
  const used = backends.filter(({ use }) => use === 'active').length;
  return `${what}; traffic goes to all ${used} of its backends all the same (fail-open)`;
}

function candidatesOf(input: ServiceInput, port: ServicePort, address: Address): Candidates {
  const { service, snapshot, settings } = input;
  const endpoints = snapshot.endpoints.get(service.key);
  const family = familyOf(address);
  return targetOf(service, settings) === 'pod'
    ? podCandidates(service, port, family, endpoints, snapshot.pods)
    : nodeCandidates(service, port, family, endpoints, snapshot);
}

/** Where this Service's packets go. */
export function targetOf(service: Service, settings: ForwardSettings): TargetKind {
  return service.target ?? settings.target;
}

/**
 * The ring of those that take new flows, as indices into `backends`. Its size follows the number of
 * all backends, so that one which fails and comes back does not resize it. The key is the address
 * alone, so that a client with affinity meets the same endpoint on every port.
 */
function ringOf(backends: readonly Backend[], previous: VirtualServer | undefined): Uint16Array {
  if (previous && sameRing(previous.backends, backends)) return previous.ring;
  const active = [...backends.keys()].filter((index) => backends[index]?.use === 'active');
  const size = active.length <= 1 ? 1 : maglevSize(backends.length);
  const seen = new Set<string>();
  const members = active.map((index) => {
    const { address, id, weight } = backends[index] as Backend;
    const text = formatAddress(address);
    const key = seen.has(text) ? id : text;
    seen.add(text);
    return { key, weight };
  });
  return maglevTable(members, size).map((entry) => active[entry] ?? 0);
}

function sameRing(before: readonly Backend[], now: readonly Backend[]): boolean {
  return (
    before.length === now.length &&
    now.every((backend, index) => {
      const other = before[index] as Backend;
      return (
        other.id === backend.id &&
        other.weight === backend.weight &&
        (other.use === 'active') === (backend.use === 'active')
      );
    })
  );
}

function sameServer(before: VirtualServer, now: VirtualServer): boolean {
  return (
    before.ring === now.ring &&
    before.service === now.service &&
    before.affinityTimeoutSec === now.affinityTimeoutSec &&
    now.backends.every((backend, index) => sameBackend(before.backends[index] as Backend, backend))
  );
}

function sameBackend(before: Backend, now: Backend): boolean {
  return (
    before.id === now.id &&
    before.use === now.use &&
    before.reason === now.reason &&
    before.weight === now.weight &&
    before.node === now.node &&
    before.pod === now.pod &&
    before.check === now.check
  );
}
