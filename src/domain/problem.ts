import type { ObjectRef } from './object.ts';

/** Where in the input something stands; lines and columns count from 1. */
export interface SourcePosition {
  readonly file: string;
  readonly line?: number;
  readonly column?: number;
}

/**
 * Something wrong in the input, as a value. `message` says the state, `remedy` what the user can do.
 * A problem never takes away what worked: whoever makes one keeps the last good version.
 */
export interface Problem {
  readonly severity: 'error' | 'warning';
  readonly object?: ObjectRef;
  readonly position?: SourcePosition;
  /** Path of the field, for example `spec.addresses[0]`. */
  readonly field?: string;
  readonly message: string;
  readonly remedy: string;
}

/** One line for logs and terminals: position, object, field, message, remedy. */
export function formatProblem(problem: Problem): string {
  const { position, object, field } = problem;
  const where = position
    ? [position.file, position.line, position.column].filter((part) => part !== undefined).join(':')
    : '';
  const what = [object ? `${object.kind} ${object.key}` : '', field ?? '']
    .filter(Boolean)
    .join(' ');
  return [where, what, `${problem.message}. ${problem.remedy}`].filter(Boolean).join(': ');
}
