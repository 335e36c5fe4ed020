import type { Address } from '../domain/address.ts';
import type { Condition, PortError, Service, ServiceStatus } from '../domain/service.ts';
import { ALLOCATED, ANNOUNCED, PORTS_ERROR, SERVING } from '../domain/service-conditions.ts';
import { allocatedVerdict } from '../plan/allocation/allocated.ts';
import type { Assignment } from '../plan/allocation/assignment.ts';
import type { Observed, Verdict } from './observed.ts';

/** A condition before it is known since when. */
export type Finding = Omit<Condition, 'sinceMs'>;

type Reader = Pick<Observed, 'serving' | 'announced'>;

/**
 * How a Service stands, by the allocator and by what boxes report. That all its ports are served is
 * said only where somebody has said otherwise before.
 */
export function findingsOf(
  assignment: Assignment,
  spec: Service,
  current: ServiceStatus | undefined,
  observed: Reader,
): readonly Finding[] {
  const { service } = assignment;
  const findings: Finding[] = [
    { type: ALLOCATED, ...allocatedVerdict(assignment) },
    { type: SERVING, ...combine(assignment, (address) => observed.serving(service, address)) },
    { type: ANNOUNCED, ...combine(assignment, (address) => observed.announced(service, address)) },
  ];
  const errors = portErrorsOf(spec);
  const wasSaid = current?.conditions.some(({ type }) => type === PORTS_ERROR) ?? false;
  if (errors.length > 0 || wasSaid)
    findings.push({ type: PORTS_ERROR, ...portsVerdict(spec, errors) });
  return findings;
}

/** The ports that no forwarding core serves (KEP-1435). */
export function portErrorsOf({ ports }: Service): readonly PortError[] {
  return ports
    .filter(({ protocol }) => protocol === 'SCTP')
    .map(({ port, protocol }) => ({ port, protocol, error: PROTOCOL_ERROR }));
}

const PROTOCOL_ERROR = 'tidegate.io/ProtocolNotSupported';

function portsVerdict({ ports }: Service, errors: readonly PortError[]): Verdict {
  if (errors.length === 0) {
    return { status: 'False', reason: 'PortsSupported', message: 'All ports can be served' };
  }
  const list = errors.map(({ port, protocol }) => `${port}/${protocol}`).join(', ');
  const isMixed = errors.length < ports.length;
  return {
    status: 'True',
    reason: isMixed ? 'LoadBalancerMixedProtocolNotSupported' : 'ProtocolNotSupported',
    message: `Not served: ${list}. Only TCP and UDP are; serve SCTP by another way, for example NodePort`,
  };
}

/** True when it is true of every address; else what is wrong with those of which it is not. */
function combine({ addresses }: Assignment, of: (address: Address) => Verdict): Verdict {
  if (addresses.length === 0) {
    const message = 'The Service has no address. See the condition tidegate.io/Allocated';
    return { status: 'False', reason: 'noIPAllocated', message };
  }
  const verdicts = addresses.map(of);
  const worst =
    verdicts.find(({ status }) => status === 'False') ??
    verdicts.find(({ status }) => status === 'Unknown');
  const shown = verdicts.filter(({ status }) => !worst || status === worst.status);
  const { status, reason } = worst ?? (verdicts[0] as Verdict);
  return { status, reason, message: shown.map(({ message }) => message).join('. ') };
}
