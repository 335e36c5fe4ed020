import type { Backend } from '../../domain/forwarding.ts';
import type { CheckHealth, HealthCheck } from '../../domain/health.ts';
import type { KeyedMap } from '../../domain/keyed-map.ts';
import type { Candidate } from './candidates.ts';

/** What to do when every check of a server fails. */
export type HealthFallback = 'fail-open' | 'fail-closed';

/** Who takes new flows, in the order of the candidates. */
export interface Decision {
  readonly verdicts: readonly Pick<Backend, 'use' | 'reason'>[];
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
  const verdicts = checked.map((each): Decision['verdicts'][number] => {
    const { stage, reason } = each.candidate;
    if (stage === 'leaving') return { use: 'draining', reason };
    if (stage === 'unready') return { use: 'down', reason };
    const state = stateOf(each);
    if (state === 'up') return { use: 'active', reason };
    if (state === 'unknown') {
      return anyUp
        ? { use: 'down', reason: 'health not known yet' }
        : { use: 'active', reason: 'health not known yet, and no healthy backend' };
    }
    const failure = `health check failed: ${(each.check && health.get(each.check.id)?.reason) || 'no reason given'}`;
    if (!allFail || fallback === 'fail-closed') return { use: 'down', reason: failure };
    return { use: 'active', reason: `${failure}; used because all fail (fail-open)` };
  });
  return { verdicts, allFail };
}
