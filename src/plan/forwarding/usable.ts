import type { Backend } from '../../domain/forwarding.ts';
import type { CheckHealth, HealthCheck } from '../../domain/health.ts';
import type { KeyedMap } from '../../domain/keyed-map.ts';
import type { Candidate } from './candidates.ts';

/** What to do when every check of a server fails. */
export type HealthFallback = 'fail-open' | 'fail-closed';

export interface Verdict extends Pick<Backend, 'use' | 'reason'> {
  /** It is not used only because its health is not known yet. */
  readonly pending: boolean;
}

/** Who takes new flows, in the order of the candidates. */
export interface Decision {
  readonly verdicts: readonly Verdict[];
  /** There are backends that could be used, and the check of each fails. */
  readonly allFail: boolean;
}

/** A candidate with its check (if it has one). */
export interface CheckedCandidate {
  readonly candidate: Candidate;
  readonly check: HealthCheck | undefined;
  /** Of its node, shared by all Services; both must pass. */
  readonly nodeCheck: HealthCheck | undefined;
}

/** What the checks of a candidate say together. */
export interface Standing {
  readonly state: CheckHealth['state'] | 'unknown';
  /** Why it is down. */
  readonly reason: string;
  /** Its node takes no new flows and keeps those it has. */
  readonly nodeLeaves: boolean;
}

/** kube-proxy's answer while its node is to have no new flows. */
const UNAVAILABLE = 503;

/** Up when both checks pass, and unknown while one is and none fails. */
export function standingOf(each: CheckedCandidate, health: KeyedMap<CheckHealth>): Standing {
  const node = each.nodeCheck && health.get(each.nodeCheck.id);
  const own = each.check && health.get(each.check.id);
  const down = (reason: string, nodeLeaves = false): Standing => {
    return { state: 'down', reason, nodeLeaves };
  };
  if (node?.state === 'down') {
    const reason = `kube-proxy's health check of the node failed: ${said(node)}`;
    return down(reason, node.status === UNAVAILABLE);
  }
  if (own?.state === 'down') return down(`health check failed: ${said(own)}`);
  const isUnknown = (each.nodeCheck && !node) || (each.check && !own);
  return { state: isUnknown ? 'unknown' : 'up', reason: '', nodeLeaves: false };
}

function said({ reason }: CheckHealth): string {
  return reason || 'no reason given';
}

/**
 * Decides who takes new flows. Healthy ones; when there are none, those not yet checked (their first
 * probe takes milliseconds); when all fail, everybody (`fail-open`: the checks may be what is
 * broken) or nobody. A draining backend keeps its flows whatever its check says, and so does one whose
 * node refuses new flows by kube-proxy's word.
 */
export function decideUse(
  checked: readonly CheckedCandidate[],
  health: KeyedMap<CheckHealth>,
  fallback: HealthFallback,
): Decision {
  const ready = checked
    .filter(({ candidate }) => candidate.stage === 'ready')
    .map((each) => standingOf(each, health));
  const anyUp = ready.some(({ state }) => state === 'up');
  const anyUnknown = ready.some(({ state }) => state === 'unknown');
  const allFail = ready.length > 0 && !anyUp && !anyUnknown;
  const verdict = (use: Backend['use'], reason: string, pending = false) => {
    return { use, reason, pending };
  };
  const verdicts = checked.map((each): Verdict => {
    const { stage, reason } = each.candidate;
    if (stage === 'leaving') return verdict('draining', reason);
    if (stage === 'unready') return verdict('down', reason);
    const { state, reason: failure, nodeLeaves } = standingOf(each, health);
    if (state === 'up') return verdict('active', reason);
    if (state === 'unknown') {
      return anyUp
        ? verdict('down', 'health not known yet', true)
        : verdict('active', 'health not known yet, and no healthy backend');
    }
    if (!allFail || fallback === 'fail-closed') {
      return verdict(nodeLeaves ? 'draining' : 'down', failure);
    }
    return verdict('active', `${failure}; used because all fail (fail-open)`);
  });
  return { verdicts, allFail };
}
