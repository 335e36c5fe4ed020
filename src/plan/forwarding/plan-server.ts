import { type Address, familyOf, formatAddress } from '../../domain/address.ts';
import { ADMIT_ALL, type Backend, type VirtualServer } from '../../domain/forwarding.ts';
import type { HealthCheck } from '../../domain/health.ts';
import type { Prefix } from '../../domain/prefix.ts';
import { type Candidate, type Candidates, nodeCandidates, podCandidates } from './candidates.ts';
import { checkOf, nodeCheckOf } from './check-of.ts';
import { targetOf } from './forward-settings.ts';
import { preferNear } from './prefer-near.ts';
import { chooseFrom, sameChoosing } from './ring.ts';
import type { PlainPort, ServiceInput } from './service-input.ts';
import { rampUp, type Starts } from './slow-start.ts';
import { type CheckedCandidate, decideUse, type Verdict } from './usable.ts';

export interface PlannedServer {
  readonly server: VirtualServer;
  readonly checks: readonly HealthCheck[];
  readonly notes: readonly string[];
  readonly allFail: boolean;
  /** With slow start: to be remembered for the next step. */
  readonly starts: Starts | undefined;
  readonly nextStepMs: number | undefined;
}

/** Plans one address and port of a Service; equal to what was before, it is the same object. */
export function planServer(
  input: ServiceInput,
  address: Address,
  port: PlainPort,
  sourceRanges: readonly Prefix[],
): PlannedServer {
  const { service, settings } = input;
  const id = `${formatAddress(address)} ${port.protocol} ${port.port}`;
  const { candidates, notes } = candidatesOf(input, port, address);
  const near = preferNear(checkedOf(input, port, candidates), settings.place, input.health);
  const { checked } = near;
  const { verdicts, allFail } = decideUse(checked, input.health, settings.healthFallback);
  const members = checked.map((each, index) => memberOf(each, verdicts[index] as Verdict));
  members.sort((a, b) => (a.backend.id < b.backend.id ? -1 : 1));
  const ramp = rampOf(input, id, members, allFail);
  const fields: Omit<VirtualServer, 'choice' | 'ring'> = {
    id,
    service: service.key,
    address,
    protocol: port.protocol,
    port: port.port,
    scheduler: service.scheduler ?? settings.scheduler,
    affinityTimeoutSec: service.affinityTimeoutSec,
    affinityGroup: service.key,
    sourceRanges,
    newFlowsPerSec: service.newFlowsPerSec,
    clientNewFlowsPerSec: service.clientNewFlowsPerSec ?? settings.clientNewFlowsPerSec,
    slowStartSec: service.slowStartSec,
    resetDead: (service.deadBackend ?? settings.deadBackends) === 'reset',
    backends: members.map(({ backend }, index) => {
      return ramp ? { ...backend, admit: ramp.admits[index] as number } : backend;
    }),
  };
  return {
    server: serverOf(
      fields,
      input.before?.servers.find((each) => each.id === id),
    ),
    checks: checked.flatMap(({ check, nodeCheck }) => [check ?? [], nodeCheck ?? []].flat()),
    notes: [...notes, ...near.notes],
    allFail,
    starts: ramp?.starts,
    nextStepMs: ramp?.nextMs,
  };
}

interface Member {
  readonly backend: Backend;
  readonly pending: boolean;
}

function memberOf({ candidate, check, nodeCheck }: CheckedCandidate, verdict: Verdict): Member {
  const { address, port, weight, node, pod } = candidate;
  const { use, reason, pending } = verdict;
  const id = `${formatAddress(address)} ${port}`;
  const rest = {
    weight,
    admit: ADMIT_ALL,
    use,
    reason,
    node,
    pod,
    check: (check ?? nodeCheck)?.id,
  };
  return { backend: { id, address, port, ...rest }, pending };
}

function rampOf(input: ServiceInput, id: string, members: readonly Member[], allFail: boolean) {
  const { service, history, nowMs } = input;
  if (service.slowStartSec === 0) return undefined;
  return rampUp(
    members.map(({ backend, pending }) => ({ id: backend.id, use: backend.use, pending })),
    { before: history?.get(id), allFail, slowStartMs: service.slowStartSec * 1000, nowMs },
  );
}

function candidatesOf(input: ServiceInput, port: PlainPort, address: Address): Candidates {
  const { service, snapshot, settings } = input;
  const endpoints = snapshot.endpoints.get(service.key);
  const candidates = targetOf(service, settings) === 'pod' ? podCandidates : nodeCandidates;
  return candidates(service, port, familyOf(address), endpoints, snapshot);
}

function checkedOf(
  { service, settings, snapshot }: ServiceInput,
  port: PlainPort,
  candidates: readonly Candidate[],
): CheckedCandidate[] {
  const nodeTarget = targetOf(service, settings) === 'node';
  return candidates.map((candidate) => ({
    candidate,
    check: checkOf(service, candidate, port.protocol, nodeTarget, settings),
    nodeCheck: nodeTarget
      ? nodeCheckOf(service, snapshot.nodes.get(candidate.node ?? ''), settings)
      : undefined,
  }));
}

function serverOf(
  fields: Omit<VirtualServer, 'choice' | 'ring'>,
  before: VirtualServer | undefined,
): VirtualServer {
  const { scheduler, backends } = fields;
  const kept = before && sameChoosing(before, fields) ? before : chooseFrom(scheduler, backends);
  const server = { ...fields, choice: kept.choice, ring: kept.ring };
  return before && sameServer(before, server) ? before : server;
}

/** Equal in all that can differ between servers of one id; lists by identity. */
function sameServer(before: VirtualServer, now: VirtualServer): boolean {
  return (
    before.ring === now.ring &&
    before.service === now.service &&
    before.scheduler === now.scheduler &&
    before.affinityTimeoutSec === now.affinityTimeoutSec &&
    before.sourceRanges === now.sourceRanges &&
    before.newFlowsPerSec === now.newFlowsPerSec &&
    before.clientNewFlowsPerSec === now.clientNewFlowsPerSec &&
    before.slowStartSec === now.slowStartSec &&
    before.resetDead === now.resetDead &&
    now.backends.every((backend, index) => sameBackend(before.backends[index] as Backend, backend))
  );
}

function sameBackend(before: Backend, now: Backend): boolean {
  return (
    before.id === now.id &&
    before.use === now.use &&
    before.reason === now.reason &&
    before.weight === now.weight &&
    before.admit === now.admit &&
    before.node === now.node &&
    before.pod === now.pod &&
    before.check === now.check
  );
}
