import { type Address, familyOf, formatAddress } from '../../domain/address.ts';
import type { Backend, ServiceForwarding, VirtualServer } from '../../domain/forwarding.ts';
import type { HealthCheck } from '../../domain/health.ts';
import { nameOf } from '../../domain/object.ts';
import type { Prefix } from '../../domain/prefix.ts';
import type { Service, ServicePort } from '../../domain/service.ts';
import { type PlannedServer, planServer } from './plan-server.ts';
import type { PlainPort, ServiceHistory, ServiceInput } from './service-input.ts';
import { namesOf } from './weight-of.ts';

/** One Service's part of the plan, with what the next step must know. */
export interface PlannedService {
  readonly forwarding: ServiceForwarding;
  /** `undefined` when there is nothing to remember. */
  readonly history: ServiceHistory | undefined;
  /** When the Service must be planned again although nothing changed. */
  readonly nextStepMs: number | undefined;
}

/** Plans one Service: for each address and port a virtual server with its backends and ring. */
export function planService(input: ServiceInput): PlannedService {
  const { service, addresses, before } = input;
  const sourceRanges = keptRanges(service, before);
  const planned = addresses.flatMap((address) =>
    service.ports.filter(isPlain).map((port) => planServer(input, address, port, sourceRanges)),
  );
  const servers = planned.map(({ server }) => server);
  const servable = servers.some(({ ring }) => ring.length > 0);
  const alarms = planned.filter(({ allFail }) => allFail).map(({ server }) => alarmOf(server));
  const forwarding: ServiceForwarding = {
    service: service.key,
    addresses,
    servers,
    checks: distinctChecks(planned),
    servable,
    reason: servable ? '' : alarms.length > 0 ? 'backendsFailing' : 'noEndpoints',
    alarms,
    notes: [
      ...new Set([
        ...sctpNotes(service),
        ...planned.flatMap(({ notes }) => notes),
        ...weightNotes(service, servers),
        ...rangeNotes(service, addresses),
      ]),
    ],
  };
  const history = planned.flatMap(({ server, starts }) =>
    starts ? [[server.id, starts] as const] : [],
  );
  const steps = planned.flatMap(({ nextStepMs }) => nextStepMs ?? []);
  return {
    forwarding,
    history: history.length > 0 ? new Map(history) : undefined,
    nextStepMs: steps.length > 0 ? Math.min(...steps) : undefined,
  };
}

function isPlain(port: ServicePort): port is PlainPort {
  return port.protocol !== 'SCTP';
}

/** The ranges of the step before while they are equal: a list of thousands is written only once. */
function keptRanges(service: Service, before: ServiceForwarding | undefined): readonly Prefix[] {
  const now = service.sourceRanges;
  const known = before?.servers[0]?.sourceRanges;
  if (known?.length !== now.length) return now;
  const same = now.every((range, index) => {
    const other = known[index] as Prefix;
    return other.base === range.base && other.length === range.length;
  });
  return same ? known : now;
}

function distinctChecks(planned: readonly PlannedServer[]): HealthCheck[] {
  const checks = new Map<string, HealthCheck>();
  for (const check of planned.flatMap((each) => each.checks)) {
    if (!checks.has(check.id)) checks.set(check.id, check);
  }
  return [...checks.values()];
}

function alarmOf({ id, ring, backends }: VirtualServer): string {
  const what = `Every health check of ${id} fails`;
  if (ring.length === 0) return `${what}; no backend takes new flows (fail-closed)`;
  const used = backends.filter(({ use }) => use === 'active').length;
  return `${what}; traffic goes to all ${used} of its backends all the same (fail-open)`;
}

function sctpNotes({ ports }: Service): string[] {
  return ports
    .filter(({ protocol }) => protocol === 'SCTP')
    .map(({ port }) => `Port ${port}/SCTP is not forwarded: only TCP and UDP are`);
}

/** Names in `tidegate.io/weights` that mean nobody, and ports of which every backend has weight 0. */
function weightNotes(service: Service, servers: readonly VirtualServer[]): string[] {
  const idle = servers.filter(({ backends }) => isIdle(backends));
  const notes = idle.map(({ id }) => {
    const remedy =
      'raise tidegate.io/weight of a Pod or Node, or the annotation tidegate.io/weights';
    return `Every backend of ${id} that could take new flows has weight 0; ${remedy}`;
  });
  const backends = servers.flatMap((server) => server.backends);
  if (service.weights.size === 0 || backends.length === 0) return notes;
  const known = new Set(
    backends.flatMap(({ address, pod, node }) =>
      namesOf({ address, podName: pod && nameOf(pod), nodeName: node }),
    ),
  );
  const strangers = [...service.weights.keys()].filter((name) => !known.has(name));
  const remedy = 'name a Node, a Pod or an address of its backends';
  return [
    ...notes,
    ...strangers.map(
      (name) =>
        `Annotation tidegate.io/weights of Service ${service.key} names "${name}", which is ` +
        `none of its backends; ${remedy}`,
    ),
  ];
}

function isIdle(backends: readonly Backend[]): boolean {
  const isActive = backends.some(({ use }) => use === 'active');
  return !isActive && backends.some(({ weight, use }) => weight === 0 && use === 'draining');
}

/** An address of a family of which no range is. */
function rangeNotes(service: Service, addresses: readonly Address[]): string[] {
  if (service.sourceRanges.length === 0) return [];
  const families = new Set(service.sourceRanges.map(({ base }) => familyOf(base)));
  return addresses
    .filter((address) => !families.has(familyOf(address)))
    .map((address) => {
      const what = `No client may use ${formatAddress(address)} of Service ${service.key}`;
      const range = `spec.loadBalancerSourceRanges has no IPv${familyOf(address)} range`;
      return `${what}, since ${range}; add one, for example ${familyOf(address) === 4 ? '0.0.0.0/0' : '::/0'} for everybody`;
    });
}
