import { ApiError } from '../transport/api-error.ts';

/**
 * What is known after a request that changes something failed.
 * - `gone`: there is nothing left to change.
 * - `refused`: nothing was changed, and asking again as it stands will not help.
 * - `unsent`: nothing was changed; the server may take it later.
 * - `unknown`: it may have been changed, or still be.
 */
export type Failure = 'gone' | 'refused' | 'unsent' | 'unknown';

export function failureOf(error: unknown): Failure {
  if (!(error instanceof ApiError)) return 'unknown';
  const { status, reason } = error;
  if (status === 404) return 'gone';
  if (status === 429) return 'unsent';
  if (status === 0) return NEVER_SENT.has(reason) ? 'unsent' : 'unknown';
  return status >= 400 && status < 500 && status !== 408 ? 'refused' : 'unknown';
}

const NEVER_SENT: ReadonlySet<string> = new Set([
  'ConnectionRefused',
  'Unreachable',
  'Certificate',
  'Credentials',
]);
