import type { HealthCheck } from '../../domain/health.ts';
import type { Verdict } from './machine.ts';

/** How a probe ended. `undefined` verdict: this box was in the way, nothing was learnt; `reason` says how. */
export type Outcome = Verdict | { readonly pass: undefined; readonly reason: string };

export const PASS: Outcome = { pass: true };

/**
 * Starts one probe of a check and calls `done` once, or never after `stop`.
 * Probes have no timers: the schedule stops what takes too long.
 */
export type Probe = (check: HealthCheck, done: (outcome: Outcome) => void) => RunningProbe;

export interface RunningProbe {
  /** Ends it and frees its socket. */
  stop(): void;
  /** What it is waiting for, as it follows "timed out after 1000 ms" (` waiting for …`); may be empty. */
  stage(): string;
}

/** Errors of the network or the peer, in words. */
const FAILURES: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection reset',
  EPIPE: 'connection closed by the backend',
  EHOSTUNREACH: 'no route to host',
  ENETUNREACH: 'network unreachable',
  ETIMEDOUT: 'connection timed out',
  EADDRNOTAVAIL: 'no source address on this box',
  EACCES: 'not permitted by this box',
  EPERM: 'not permitted by this box',
};

/** Errors that say nothing of the backend: this box ran out of something, or has no socket. */
const OWN_TROUBLE: ReadonlySet<string> = new Set([
  'EAGAIN',
  'EMFILE',
  'ENFILE',
  'ENOBUFS',
  'ENOMEM',
  'ENOTCONN',
]);

/** `error:<code>:<library>:<function>:<reason in words>:…`, as OpenSSL puts it. */
const OPENSSL_ERROR = /error:[0-9A-F]+:[^:]*:[^:]*:([^:]+)/;

/** The outcome that an error of a socket means. */
export function outcomeOfError(error: Error): Outcome {
  const code = (error as NodeJS.ErrnoException).code ?? '';
  if (OWN_TROUBLE.has(code)) return { pass: undefined, reason: error.message };
  const tls = OPENSSL_ERROR.exec(error.message)?.[1];
  const words = tls === undefined ? error.message : `TLS: ${tls}`;
  return { pass: false, reason: FAILURES[code] ?? words };
}
