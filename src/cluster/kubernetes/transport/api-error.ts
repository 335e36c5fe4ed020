/**
 * Why a request to the API server failed. The message names server, request, what was answered and
 * what to do about it; it never holds a token, a key or a header.
 */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  /** HTTP status; 0 when there was no answer, or none that could be understood. */
  readonly status: number;
  /**
   * The API's own word (`Conflict`, `NotFound`, `Expired`, `TooManyRequests`, …), or one of
   * {@link NoAnswer} when the status is 0.
   */
  readonly reason: string;
  /** How long the server asks to be left alone, ms; {@link RETRY_AFTER_CAP_MS} at most. */
  readonly retryAfterMs: number | undefined;

  constructor(message: string, details: ApiErrorDetails) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.status = details.status;
    this.reason = details.reason;
    const { retryAfterMs } = details;
    this.retryAfterMs = retryAfterMs && Math.min(retryAfterMs, RETRY_AFTER_CAP_MS);
  }

  /** As errors of the world have one; those without are bugs, and logged with their stack. */
  get code(): string {
    return this.reason;
  }
}

/** A server that asks for longer is not believed: it may have been a proxy's page. */
export const RETRY_AFTER_CAP_MS = 60_000;

export interface ApiErrorDetails {
  readonly status: number;
  readonly reason: string;
  readonly retryAfterMs?: number | undefined;
  readonly cause?: unknown;
}

/** What `ApiError.reason` says where no status of the API is at hand. */
export type NoAnswer =
  /** The server, or its proxy, takes no connection. */
  | 'ConnectionRefused'
  /** The connection broke before the answer was complete. */
  | 'ConnectionLost'
  /** No way there: name not found, no route. */
  | 'Unreachable'
  | 'Timeout'
  /** The server's certificate, or ours, does not do. */
  | 'Certificate'
  /** kubeconfig, token file, exec plugin, certificate files: cannot be read or used. */
  | 'Credentials'
  /** What came is not what the API promises. */
  | 'Garbage'
  /** The answer is larger than a bound. */
  | 'TooLarge'
  /** The caller's signal, or `close()`. */
  | 'Aborted';

/** Where no answer came, the server is what is wrong, and not what was asked. */
const UNREACHABLE = new Set<string>([
  'ConnectionRefused',
  'ConnectionLost',
  'Unreachable',
  'Timeout',
  'Certificate',
] satisfies NoAnswer[]);

export function isUnreachable(error: Error | undefined): boolean {
  return error instanceof ApiError && error.status === 0 && UNREACHABLE.has(error.reason);
}
