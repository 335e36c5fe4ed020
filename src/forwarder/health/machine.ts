import type { CheckHealth } from '../../domain/health.ts';

/** What one probe says about the backend. */
export type Verdict = { readonly pass: true } | Failure;

interface Failure {
  readonly pass: false;
  readonly reason: string;
  /** HTTP status, when the backend answered with one that is not expected. */
  readonly status?: number;
}

/** How a check stands. The start is `UNANSWERED`. */
export interface CheckState {
  readonly health: CheckHealth | undefined;
  /** Verdicts in a row that speak against `health.state`. */
  readonly against: number;
}

export const UNANSWERED: CheckState = { health: undefined, against: 0 };

/**
 * Rise and fall: `fall` failures in a row turn `up` into `down`, `rise` passes in a row turn it back.
 *
 * The first verdict of an unanswered check decides at once: there is nothing yet that could flap, and
 * a new backend should take traffic (or be kept from it) after one probe. While down, the reason
 * follows the last failure; `health` stays identical when nothing in it changed.
 *
 * @param nowMs wall clock, ms since 1970
 */
export function judge(
  state: CheckState,
  verdict: Verdict,
  rules: { readonly rise: number; readonly fall: number },
  nowMs: number,
): CheckState {
  const { health } = state;
  const says = verdict.pass ? 'up' : 'down';
  const news = { state: says, ...(verdict.pass ? { reason: '' } : told(verdict)) } as const;
  if (health?.state === says) {
    if (health.reason === news.reason) return state.against === 0 ? state : { health, against: 0 };
    return { health: { ...news, sinceMs: health.sinceMs }, against: 0 };
  }
  const against = state.against + 1;
  if (health !== undefined && against < (verdict.pass ? rules.rise : rules.fall)) {
    return { health, against };
  }
  return { health: { ...news, sinceMs: nowMs }, against: 0 };
}

function told({ reason, status }: Failure): Pick<CheckHealth, 'reason' | 'status'> {
  return status === undefined ? { reason } : { reason, status };
}
