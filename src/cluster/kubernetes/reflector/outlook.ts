import type { Clock } from '../../../domain/clock.ts';
import { ApiError, isUnreachable } from '../transport/api-error.ts';
import { createPauses, PAUSE_CAP_MS, UNREACHABLE_CAP_MS } from './pause.ts';

/**
 * Out of contact for longer, the kind is listed and not resumed: a server's history may have been
 * replaced meanwhile, and have caught up with the resourceVersion that we know.
 */
const RESUME_WITHIN_MS = 10_000;
/** Answers after which resuming again and again would lead nowhere: the second time, a list is made. */
const HOPELESS = new Set(['Garbage', 'TooLarge', 'BadRequest', 'InternalError', 'Invalid']);

/** The part of a reflector that decides: what to do next, by how things went. */
export interface Outlook {
  /** `verify`: ask where the server is now, before a watch is resumed. */
  next(): 'list' | 'verify' | 'watch';
  listed(): void;
  /** `isBehind`: the server is at a resourceVersion before ours. */
  verified(isBehind: boolean): void;
  /** A watch has shown that it works. */
  works(): void;
  /** A watch ended in a way that says nothing of the server's history. */
  doubts(): void;
  /** Takes a failure; returns how long to leave the server alone, ms, or undefined when it was none. */
  failed(error: Error): number | undefined;
}

export function createOutlook(clock: Clock, random: () => number): Outlook {
  const pauses = createPauses(random);
  let mustList = true;
  /** Since when the server's history is in doubt; undefined when it is not. */
  let doubtSinceMs: number | undefined;
  let hopelessTries = 0;
  let expiredTries = 0;

  return {
    next() {
      if (mustList) return 'list';
      return doubtSinceMs === undefined ? 'watch' : 'verify';
    },
    listed() {
      mustList = false;
      doubtSinceMs = undefined;
    },
    verified(isBehind) {
      const isLate = clock.monotonicMs() - (doubtSinceMs ?? 0) > RESUME_WITHIN_MS;
      mustList = isLate || isBehind;
      doubtSinceMs = undefined;
    },
    works() {
      pauses.reset();
      hopelessTries = 0;
      expiredTries = 0;
    },
    doubts() {
      doubtSinceMs = clock.monotonicMs();
    },
    failed(error) {
      const { status, reason, retryAfterMs } =
        error instanceof ApiError ? error : { status: 0, reason: 'Bug', retryAfterMs: undefined };
      if (status === 410) {
        mustList = true;
        expiredTries += 1;
        // The way of things, once; the second time in a row something is wrong.
        if (expiredTries === 1) return undefined;
      }
      if (HOPELESS.has(reason)) hopelessTries += 1;
      // After a dead link nobody knows since when; what the sink has thrown at is not in force.
      if (hopelessTries >= 2 || reason === 'Timeout' || reason === 'Bug') mustList = true;
      doubtSinceMs ??= clock.monotonicMs();
      const capMs = isUnreachable(error) ? UNREACHABLE_CAP_MS : PAUSE_CAP_MS;
      return pauses.next(retryAfterMs, capMs);
    },
  };
}
