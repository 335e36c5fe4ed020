import type { Clock } from '../../../domain/clock.ts';
import type { Log } from '../../../domain/log.ts';
import type { Problem } from '../../../domain/problem.ts';
import { ApiError, isUnreachable } from '../transport/api-error.ts';

/** A kind that cannot be read now. */
export interface Trouble {
  readonly kind: string;
  readonly error: Error;
}

/** Whether the API server can be read; says in the log when that changes. */
export interface Contact {
  /** What cannot be read has changed, or is the same still. */
  update(troubles: readonly Trouble[]): void;
  /** Since when there is trouble, ms ago; 0 when there is none. */
  troubleMs(): number;
  problems(): readonly Problem[];
  /** No answer comes, of whatever kind. */
  isCutOff(): boolean;
  stop(): void;
}

export interface ContactOptions {
  /** For messages; may change with the kubeconfig. */
  readonly server: () => string;
  readonly clock: Clock;
  readonly log: Log;
}

/** Trouble that goes on is told again so often. */
const REPEAT_MS = 60_000;

export function createContact({ server, clock, log }: ContactOptions): Contact {
  let troubles: readonly Trouble[] = [];
  let sinceMs: number | undefined;
  let cancel: (() => void) | undefined;
  let isStopped = false;

  function repeat() {
    cancel = clock.after(REPEAT_MS, () => {
      tell('Still no news from the API server; what is known stays in force');
      repeat();
    });
  }

  function tell(message: string) {
    const ms = clock.monotonicMs() - (sinceMs ?? 0);
    log.warn(message, {
      server: server(),
      kinds: kindsOf(troubles),
      ms,
      error: troubles[0]?.error,
    });
  }

  return {
    update(now) {
      if (isStopped) return;
      troubles = now;
      if (now.length > 0 && sinceMs === undefined) {
        sinceMs = clock.monotonicMs();
        tell('Cannot read from the API server; what is known stays in force');
        repeat();
      }
      if (now.length > 0 || sinceMs === undefined) return;
      const ms = clock.monotonicMs() - sinceMs;
      log.info('Reading from the API server again', { server: server(), ms });
      sinceMs = undefined;
      cancel?.();
    },
    troubleMs: () => (sinceMs === undefined ? 0 : clock.monotonicMs() - sinceMs),
    isCutOff: () => troubles.some(({ error }) => isUnreachable(error)),
    problems: () =>
      [...Map.groupBy(troubles, sortOf).values()].map((some) => problemOf(some, server())),
    stop() {
      isStopped = true;
      cancel?.();
    },
  };
}

/** What is wrong with the server as a whole is said once; a refusal for each kind. */
function sortOf({ error }: Trouble): string {
  if (isUnreachable(error)) return 'unreachable';
  if (!(error instanceof ApiError) || error.status === 403) return error.message;
  return `${error.status} ${error.reason}`;
}

function problemOf(some: readonly Trouble[], server: string): Problem {
  const kinds = kindsOf(some);
  const error = some[0]?.error;
  // Which request it was that found out tells nothing.
  const why = error?.message.replace(/^[A-Z]+ \S+: /, '');
  return {
    severity: 'error',
    message: isUnreachable(error)
      ? `The API server ${server} cannot be reached: ${why}`
      : `${kinds} cannot be read: ${error?.message}`,
    remedy: `What is known of ${kinds} stays in force, and it is tried again by itself`,
  };
}

function kindsOf(troubles: readonly Trouble[]): string {
  return troubles.map(({ kind }) => kind).join(', ');
}
