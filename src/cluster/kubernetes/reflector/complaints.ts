import type { Clock } from '../../../domain/clock.ts';
import type { Log } from '../../../domain/log.ts';
import { ApiError } from '../transport/api-error.ts';

/** What is said. */
export interface Words {
  readonly failed: string;
  readonly recovered: string;
}

/** The same failure is told again after so long, ms. */
const REPEAT_MS = 60_000;

/** Tells failures once a kind, not once a try. */
export interface Complaints {
  failed(error: unknown, fields?: Readonly<Record<string, unknown>>): void;
  /** Tells that all is well again, when something had been told. */
  recovered(): void;
  /** Why it fails now; `undefined` when it does not. */
  trouble(): unknown;
}

export function createComplaints(log: Log, clock: Clock, words: Words): Complaints {
  const toldMs = new Map<string, number>();
  let sinceMs: number | undefined;
  let trouble: unknown;
  let isTold = false;
  return {
    failed(error, fields = {}) {
      const now = clock.monotonicMs();
      sinceMs ??= now;
      trouble = error;
      const kind = error instanceof ApiError ? error.reason : '';
      const before = toldMs.get(kind);
      // A kind that is not installed is no trouble that grows: told once.
      if (before !== undefined && (kind === NOT_FOUND || now - before < REPEAT_MS)) return;
      toldMs.set(kind, now);
      isTold = true;
      log.warn(words.failed, { ...fields, error });
    },
    recovered() {
      if (sinceMs === undefined) return;
      const awayMs = clock.monotonicMs() - sinceMs;
      sinceMs = undefined;
      trouble = undefined;
      toldMs.delete(NOT_FOUND);
      // When failures come and go, each kind is still told once in a while only.
      if (isTold) log.info(words.recovered, { awayMs });
      isTold = false;
    },
    trouble: () => trouble,
  };
}

const NOT_FOUND = 'NotFound';
