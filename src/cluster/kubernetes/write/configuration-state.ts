import { formatProblem, type Problem } from '../../../domain/problem.ts';
import { apiTime } from '../status/status-patch.ts';

/** `ConfigurationState.status` of metallb.io/v1beta1. */
export interface ConfigurationStatus {
  readonly result: 'Valid' | 'Invalid';
  readonly errorSummary: string;
  readonly conditions: readonly {
    readonly type: string;
    readonly status: 'True' | 'False';
    readonly reason: string;
    readonly message: string;
    readonly lastTransitionTime: string;
  }[];
}

/** Of the CRD. */
const MAX_TEXT = 32_768;
/** MetalLB's name for the part of its controller that reads pools. */
const POOLS_VALID = 'poolReconcilerValid';

/**
 * What the problems amount to, in MetalLB's words; `undefined` when `current` says so already. A
 * condition keeps its time while its status does.
 */
export function nextConfigurationStatus(
  problems: readonly Problem[],
  current: unknown,
  nowMs: number,
): ConfigurationStatus | undefined {
  const errors = problems.filter(({ severity }) => severity === 'error');
  const isValid = errors.length === 0;
  const errorSummary = errors.map(formatProblem).join('\n').slice(0, MAX_TEXT);
  const before = (current ?? {}) as Partial<ConfigurationStatus>;
  const known = before.conditions?.find(({ type }) => type === POOLS_VALID);
  const status = isValid ? 'True' : 'False';
  const condition = {
    type: POOLS_VALID,
    status,
    reason: isValid ? 'Reconciled' : 'ConfigurationError',
    message: errorSummary,
    lastTransitionTime: known?.status === status ? known.lastTransitionTime : apiTime(nowMs),
  } as const;
  const result = isValid ? 'Valid' : 'Invalid';
  const isSaid =
    before.result === result &&
    (before.errorSummary ?? '') === errorSummary &&
    known?.status === status &&
    known.message === errorSummary;
  return isSaid ? undefined : { result, errorSummary, conditions: [condition] };
}
