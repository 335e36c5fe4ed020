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
}

/**
 * Decides who takes new flows. Healthy ones; when there are none, those not yet checked (their first
 * probe takes milliseconds); when all fail, everybody (`fail-open`: the checks may be what is
 * broken) or nobody. A draining backend keeps its flows whatever its check says.
 */
export function decideUse(
  checked: readonly CheckedCandidate[],
  health: KeyedMap<CheckHealth>,
  fallback: HealthFallback,
): Decision {
  const ready = checked.filter(({ candidate }) => candidate.stage === 'ready');
  const stateOf = ({ check }: CheckedCandidate) =>
    check === undefined ? 'up' : (health.get(check.id)?.state ?? 'unknown');
  const anyUp = ready.some((each) => stateOf(each) === 'up');
  const anyUnknown = ready.some((each) => stateOf(each) === 'unknown');
  const allFail = ready.length > 0 && !anyUp && !anyUnknown;
  const verdict = (use: Backend['use'], reason: string, pending = false) => {
    return { use, reason, pending };
  };
  const verdicts = checked.map((each): Verdict => {
    const { stage, reason } = each.candidate;
    if (stage === 'leaving') return verdict('draining', reason);
    if (stage === 'unready') return verdict('down', reason);
    const state = stateOf(each);
    if (state === 'up') return verdict('active', reason);
    if (state === 'unknown') {
      return anyUp
        ? verdict('down', 'health not known yet', true)
        : verdict('active', 'health not known yet, and no healthy backend');
    }
    const failure = `health check failed: ${(each.check && health.get(each.check.id)?.reason) || 'no reason given'}`;
    if (!allFail || fallback === 'fail-closed') return verdict('down', failure);
    return verdict('active', `${failure}; used because all fail (fail-open)`);
  });
  return { verdicts, allFail };
}
