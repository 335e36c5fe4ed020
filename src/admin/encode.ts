import { type Address, formatAddress } from '../domain/address.ts';
import { ADMIT_ALL, type Backend, type VirtualServer } from '../domain/forwarding.ts';
import type { CheckHealth } from '../domain/health.ts';
import type { ObjectRef } from '../domain/object.ts';
import type { VipAnnouncement } from '../domain/observed.ts';
import type { Pool } from '../domain/pool.ts';
import type { Problem } from '../domain/problem.ts';
import type { Service, ServiceStatus } from '../domain/service.ts';
import type { PoolUsage } from '../plan/allocation/assignment.ts';
import type { ObjectState } from '../reconcile/target.ts';
import type { RecordedEvent } from '../telemetry/event-history.ts';
import type * as api from './api.ts';
import type { AdminView, FlowRow, ForwardingView, TrafficCounts } from './view.ts';

/** Domain values as the API writes them. The only place where they become JSON. */

export const addressTexts = (addresses: readonly Address[]): string[] =>
  addresses.map(formatAddress);

export function timeText(ms: number): string {
  return new Date(ms).toISOString();
}

const refText = ({ kind, key }: ObjectRef): string => `${kind} ${key}`;

export function encodeProblem(problem: Problem): api.Problem {
  const { severity, object, position, field, message, remedy } = problem;
  return {
    severity,
    ...(object && { object: refText(object) }),
    ...(position?.file !== undefined && { file: position.file }),
    ...(position?.line !== undefined && { line: position.line }),
    ...(position?.column !== undefined && { column: position.column }),
    ...(field !== undefined && { field }),
    message,
    remedy,
  };
}

export function encodeEvent(event: RecordedEvent): api.Event {
  const { sequence, atMs, severity, role, reason, message, object, revision } = event;
  return {
    sequence,
    at: timeText(atMs),
    severity,
    role,
    reason,
    message,
    ...(object && { object: refText(object) }),
    ...(revision !== undefined && { revision }),
  };
}

/** Counts of packets and bytes stay below 2^53 for centuries of line rate. */
export function encodeTraffic(traffic: TrafficCounts): api.Traffic {
  return {
    newFlows: Number(traffic.newFlows),
    inPackets: Number(traffic.inPackets),
    inBytes: Number(traffic.inBytes),
    outPackets: Number(traffic.outPackets),
    outBytes: Number(traffic.outBytes),
  };
}

export function encodeAnnouncement(
  announcement: VipAnnouncement,
  { announcing }: AdminView,
): api.Announcement {
  const { address, announced, interfaces, peers, reason, sinceMs } = announcement;
  const text = formatAddress(address);
  const planned = announcing?.planned().get(text);
  const bgp = announcing?.bgp.planned()?.vips.get(text);
  const drained = announcing?.bgp.hasLeft() ? 'draining' : '';
  const owner = planned?.owner ?? '';
  const advertisements = [...(planned?.advertisements ?? []), ...(bgp?.advertisements ?? [])];
  return {
    address: text,
    announced,
    interfaces: [...interfaces],
    peers: [...peers],
    reason,
    since: timeText(sinceMs),
    ...(owner !== '' && { owner }),
    ...(advertisements.length > 0 && { advertisements }),
    ...(bgp && {
      bgp: { peers: [...bgp.peers], prefixes: [...bgp.prefixes], reason: bgp.reason || drained },
    }),
  };
}

export function encodePool(pool: Pool, usage: PoolUsage | undefined): api.Pool {
  return {
    name: pool.name,
    addresses: [...pool.addressTexts],
    autoAssign: pool.autoAssign,
    avoidBuggyIPs: pool.avoidBuggyIPs,
    ...(usage && {
      usage: {
        assignedIPv4: usage.assignedIPv4.toString(),
        assignedIPv6: usage.assignedIPv6.toString(),
        availableIPv4: usage.availableIPv4.toString(),
        availableIPv6: usage.availableIPv6.toString(),
        services: usage.services,
      },
    }),
  };
}

export function encodeFlow(flow: FlowRow): api.Flow {
  const { idleSec, client, vip, backend, natAddress, ...rest } = flow;
  return {
    ...rest,
    client: formatAddress(client),
    vip: formatAddress(vip),
    backend: formatAddress(backend),
    natAddress: formatAddress(natAddress),
    idleSeconds: idleSec,
  };
}

export function encodeSpec(service: Service): api.ServiceDetail['spec'] {
  const { request } = service;
  return {
    type: service.type,
    ...(service.loadBalancerClass !== undefined && { class: service.loadBalancerClass }),
    families: [...service.families],
    ipFamilyPolicy: service.ipFamilyPolicy,
    ports: service.ports.map((port) => ({ ...port, targetPort: String(port.targetPort) })),
    externalTrafficPolicy: service.externalTrafficPolicy,
    affinitySeconds: service.affinityTimeoutSec,
    selector: service.selector,
    ...(service.target !== undefined && { target: service.target }),
    ...(request.kind === 'addresses' && { requestedAddresses: addressTexts(request.addresses) }),
    ...(service.poolRequest !== undefined && { requestedPool: service.poolRequest }),
    ...(service.sharingKey !== '' && { sharingKey: service.sharingKey }),
  };
}

export function encodeConditions(status: ServiceStatus): api.ServiceDetail['conditions'] {
  return status.conditions.map(({ sinceMs, ...condition }) => ({
    ...condition,
    since: timeText(sinceMs),
  }));
}

export function encodeStatusEvents(status: ServiceStatus): api.ServiceDetail['statusEvents'] {
  return status.events.map(({ firstMs, lastMs, ...event }) => ({
    ...event,
    first: timeText(firstMs),
    last: timeText(lastMs),
  }));
}

export function encodeServer(server: VirtualServer, view: ForwardingView): api.Server {
  const state = view.stateOf(server.id);
  const traffic = view.serverStats(server.id);
  return {
    id: server.id,
    address: formatAddress(server.address),
    protocol: server.protocol,
    port: server.port,
    scheduler: server.scheduler,
    affinitySeconds: server.affinityTimeoutSec,
    slowStartSeconds: server.slowStartSec,
    sourceRanges: server.sourceRanges.length,
    newFlowsPerSecond: server.newFlowsPerSec,
    clientNewFlowsPerSecond: server.clientNewFlowsPerSec,
    resetDead: server.resetDead,
    ...(state && { installed: encodeState(state) }),
    backends: server.backends.map((backend) => encodeBackend(server.id, backend, view)),
    ...(traffic && { traffic: encodeTraffic(traffic) }),
  };
}

export function encodeBackend(
  serverId: string,
  backend: Backend,
  view: ForwardingView,
): api.Backend {
  const { id, port, weight, admit, use, reason, node, pod, check } = backend;
  const traffic = view.backendStats(serverId, id);
  const hop = view.reachability(backend.address);
  return {
    id,
    address: formatAddress(backend.address),
    port,
    weight,
    ...(admit < ADMIT_ALL && { sharePercent: Math.round((100 * admit) / ADMIT_ALL) }),
    use,
    reason,
    ...(node !== undefined && { node }),
    ...(pod !== undefined && { pod }),
    ...(check !== undefined && { health: encodeHealth(view.health(check)) }),
    nextHop: { state: hop.state, reason: hop.reason ?? '' },
    ...(traffic && { traffic: encodeTraffic(traffic) }),
  };
}

function encodeHealth(health: CheckHealth | undefined): NonNullable<api.Backend['health']> {
  if (!health) return { state: 'unanswered', reason: 'not checked yet' };
  return { state: health.state, since: timeText(health.sinceMs), reason: health.reason };
}

function encodeState(state: ObjectState): NonNullable<api.Server['installed']> {
  return {
    state: state.state,
    revision: state.revision,
    ...(state.state === 'failed' && { error: state.error }),
    ...(state.state === 'done' && { tookMs: state.tookMs }),
  };
}
