import type { Journal, JournalEntry, Pending } from './journal.ts';
import type { LeaseDurations } from './leader.ts';
import type { Lease, LeaseContent } from './lease.ts';

/** When something happens. */
export interface Moment {
  /** Monotonic; all deadlines are counted by it. */
  readonly nowMs: number;
  /** Goes into the Lease for people to read; nothing depends on it. */
  readonly wallMs: number;
  /** In [0, 1). */
  readonly random: number;
}

/** A call of `begin` that waits for its answer. */
export interface Begin {
  readonly id: number;
  readonly entries: readonly JournalEntry[];
}

/** A write under way, or one of which it is not known whether it was accepted. */
export interface LeaseWrite {
  readonly purpose: 'acquire' | 'renew' | 'release';
  readonly content: LeaseContent;
  readonly begins: readonly Begin[];
  /** Begun when what was under way had been seen to. */
  readonly tookOver: boolean;
  readonly startedMs: number;
}

export interface ElectorState {
  readonly identity: string;
  readonly durations: LeaseDurations;
  /** `standby`: the Lease is not ours. `taking`: it is, and what was under way is being looked at. */
  readonly role: 'standby' | 'taking' | 'leading';
  /** As the API server last told. */
  readonly lease: Lease | undefined;
  /** It told that there is none. */
  readonly missing: boolean;
  /** When what it says was last seen to change: expiry counts from here. */
  readonly changedMs: number;
  /** When the last successful write of ours was sent, while the Lease is ours. */
  readonly renewedMs: number;
  readonly renewDueMs: number;
  readonly request: 'read' | 'write' | undefined;
  readonly write: LeaseWrite | undefined;
  readonly queue: readonly Begin[];
  readonly pending: Pending;
  /** What stood in the Lease when it became ours has been seen to, and is replaced with the next write. */
  readonly tookOver: boolean;
  /** Of the Lease being ours, without a gap; results of earlier ones count no more. */
  readonly term: number;
  readonly takeOver: {
    readonly running: boolean;
    readonly attempts: number;
    readonly dueMs: number;
  };
  readonly mustRead: boolean;
  /** No request before. */
  readonly retryMs: number;
  /** Writes in a row that were not accepted, and when the next may be sent. */
  readonly notWritten: number;
  readonly writeAfterMs: number;
  /** A standby reads again then, whatever the watch does. */
  readonly pollMs: number;
  /** Others go first until then. */
  readonly holdOffMs: number;
  /** We give the Lease to others. */
  readonly yielding: boolean;
  /** Set by `stop`; what is not done by then is not done. */
  readonly stopByMs: number | undefined;
  readonly stopped: boolean;
  readonly acquired: number;
  readonly lost: number;
  readonly failures: number;
  /** Why the Lease cannot be read or written; empty when it can. */
  readonly problem: string;
}

export type ElectorEvent =
  /** Something may be due. */
  | { readonly kind: 'tick' }
  /** The Lease was read; `undefined`: there is none. */
  | { readonly kind: 'read'; readonly lease: Lease | undefined }
  | { readonly kind: 'readFailed'; readonly problem: string }
  | { readonly kind: 'written'; readonly lease: Lease }
  /** Not accepted, since the Lease is another by now (409), or gone. */
  | { readonly kind: 'writeRefused' }
  /** Not accepted, for a reason that does not lie in the Lease. */
  | { readonly kind: 'writeDenied'; readonly problem: string }
  /** No answer: it may have been accepted, or be later. */
  | { readonly kind: 'writeUnknown'; readonly problem: string }
  /** By watch; `undefined`: deleted. May be late. */
  | { readonly kind: 'seen'; readonly lease: Lease | undefined }
  | { readonly kind: 'tookOver'; readonly term: number }
  | { readonly kind: 'takeOverFailed'; readonly term: number; readonly problem: string }
  | { readonly kind: 'begin'; readonly begin: Begin }
  | { readonly kind: 'end'; readonly entries: Iterable<JournalEntry> }
  | { readonly kind: 'stop' };

export type ElectorEffect =
  | { readonly kind: 'read' }
  /** Creates it when there is no `lease`. */
  | { readonly kind: 'write'; readonly lease: Lease | undefined; readonly content: LeaseContent }
  | { readonly kind: 'takeOver'; readonly term: number; readonly journal: Journal }
  | { readonly kind: 'begun'; readonly begins: readonly Begin[] }
  | { readonly kind: 'notBegun'; readonly begins: readonly Begin[]; readonly problem: string }
  /** Replaces an earlier one. */
  | { readonly kind: 'wake'; readonly atMs: number }
  | {
      readonly kind: 'log';
      readonly level: 'info' | 'warn' | 'error';
      readonly message: string;
      readonly problem?: string;
    }
  | { readonly kind: 'stopped' };

export function initialElector(identity: string, durations: LeaseDurations): ElectorState {
  return {
    identity,
    durations,
    role: 'standby',
    lease: undefined,
    missing: false,
    changedMs: 0,
    renewedMs: 0,
    renewDueMs: 0,
    request: undefined,
    write: undefined,
    queue: [],
    pending: new Map(),
    tookOver: false,
    term: 0,
    takeOver: { running: false, attempts: 0, dueMs: 0 },
    mustRead: true,
    retryMs: Number.NEGATIVE_INFINITY,
    notWritten: 0,
    writeAfterMs: Number.NEGATIVE_INFINITY,
    pollMs: Number.NEGATIVE_INFINITY,
    holdOffMs: Number.NEGATIVE_INFINITY,
    yielding: false,
    stopByMs: undefined,
    stopped: false,
    acquired: 0,
    lost: 0,
    failures: 0,
    problem: '',
  };
}

/** Whether we may write now; asked before each write, since a process may have slept. */
export function leads(state: ElectorState, nowMs: number): boolean {
  const { role, stopByMs, yielding } = state;
  return role === 'leading' && stopByMs === undefined && !yielding && nowMs < deadlineOf(state);
}

/** Who is known to hold the Lease; empty when nobody is. */
export function holderOf(state: ElectorState, nowMs: number): string {
  const { role, lease, identity } = state;
  if (role !== 'standby') return nowMs < deadlineOf(state) ? identity : '';
  return lease && lease.holder !== identity && nowMs < expiryOf(state) ? lease.holder : '';
}

/** Until when we count as holding the Lease; others wait longer. */
export function deadlineOf({ renewedMs, durations }: ElectorState): number {
  return renewedMs + durations.renewDeadlineMs;
}

/** When somebody else's hold ends, as far as we have seen. */
export function expiryOf({ changedMs, lease }: ElectorState): number {
  return changedMs + Math.min(lease?.durationMs ?? 0, DURATION_MAX_MS);
}

/** A longer `leaseDurationSeconds` is taken for so long: nobody waits for years because of a typo. */
export const DURATION_MAX_MS = 300_000;
