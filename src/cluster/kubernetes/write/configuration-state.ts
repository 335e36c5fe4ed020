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

/**
 * What the problems amount to, in MetalLB's words; `undefined` when `current` says so already. `type`
 * is that of the condition, MetalLB's name for the part of it that would have found them. A
 * condition keeps its time while its status does.
 */
export function nextConfigurationStatus(
  problems: readonly Problem[],
  current: unknown,
  type: string,
  nowMs: number,
): ConfigurationStatus | undefined {
  const errors = problems.filter(({ severity }) => severity === 'error');
  const isValid = errors.length === 0;
  const errorSummary = errors.map(formatProblem).join('\n').slice(0, MAX_TEXT);
  const before = (current ?? {}) as Partial<ConfigurationStatus>;
  const known = before.conditions?.find((condition) => condition.type === type);
  const status = isValid ? 'True' : 'False';
  const condition = {
    type,
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
