import type { Clock } from '../../../domain/clock.ts';
import type { Leadership } from '../../../domain/leadership.ts';
import type { Log } from '../../../domain/log.ts';
import type { ObjectKey } from '../../../domain/object.ts';
import type { ApiConnection } from '../transport/connection.ts';
import type { Journal, JournalEntry } from './journal.ts';

/** As in client-go's leader election; each longer than the one after it. */
export interface LeaseDurations {
  /** Others take over so long after the last sign of the leader, by their own clocks. */
  readonly durationMs: number;
  /** A leader that could not renew for so long stops leading; shorter than `durationMs`. */
  readonly renewDeadlineMs: number;
  /** Between tries to renew or to acquire. */
  readonly retryPeriodMs: number;
}

export interface LeaderOptions {
  readonly connection: ApiConnection;
  /** Of the Lease; it must exist. */
  readonly namespace: string;
  /** Of the Lease; it is created when it is missing. */
  readonly name: string;
  /** Names this process to people; a random part is added, since two may be given the same name. */
  readonly identity: string;
  readonly durations: LeaseDurations;
  readonly clock: Clock;
  readonly log: Log;
  /** In [0, 1). */
  readonly random: () => number;
  /**
   * Called when the Lease is ours. Makes a fresh list of the Services and sees to it that nothing of the
   * journal can arrive any more (`fenceJournal`). When it resolves, we lead; what it has not ended by
   * then stays in the journal. When it rejects it is called again, and after some tries the Lease is
   * given to others for a while.
   */
  takeOver(journal: Journal): Promise<void>;
}

/**
 * One of several controllers that may write, by a Lease (coordination.k8s.io/v1), and the journal of
 * what it is about to change. How no address is ever given twice: docs/kubernetes-leader.md.
 */
export interface Leader extends Leadership {
  /**
   * Notes address changes before they are written; at the same time it renews the Lease. Resolves when
   * the API server has accepted it under our Lease. Rejects when we do not lead (any more), when it is
   * refused, or when there would be more than JOURNAL_MAX_ENTRIES: then nothing may be sent.
   *
   * An entry of the same Service at the same version joins the one that is there; at another version it
   * takes its place (the requests of the older one cannot be accepted any more).
   */
  begin(entries: readonly JournalEntry[]): Promise<void>;
  /**
   * None of these can be accepted any more, or they are done. Written with the next renewal or `begin`.
   *
   * That is so when a request of the entry was answered by 2xx, 404 or 409; when it was refused
   * otherwise (400, 401, 403, 413, 422) and every earlier one, too; or when the Service is seen at
   * another version or uid, or is gone. Not after a time-out or 5xx: a read that shows the same version
   * proves nothing, the request may still be on its way.
   */
  end(entries: Iterable<JournalEntry>): void;
  /** Begun and not ended: who is named here may have these addresses; nobody else may get them. */
  pending(): ReadonlyMap<ObjectKey, JournalEntry>;
  /** Another number each time the Lease becomes ours: what was known in an earlier term counts no more. */
  term(): number;
  state(): LeaderState;
  /** Stops leading at once, releases the Lease so that others need not wait; takes a few seconds at most. */
  stop(): Promise<void>;
}

/** For metrics and people. */
export interface LeaderState {
  /** `standby`: another leads, or nobody; `taking`: the Lease is ours, and we look at what was under way. */
  readonly phase: 'standby' | 'taking' | 'leading' | 'stopped';
  /** Ours, as it stands in the Lease. */
  readonly identity: string;
  /** Who has the Lease; empty when nobody is known to. */
  readonly leader: string;
  /** `spec.leaseTransitions` as last seen. */
  readonly transitions: number;
  /** Counters since the start. */
  readonly acquired: number;
  readonly lost: number;
  readonly renewFailures: number;
  /** Since the last successful renewal was sent; undefined when the Lease is not ours. */
  readonly renewAgeMs: number | undefined;
  /** Entries in the journal. */
  readonly pending: number;
  /** Why the Lease cannot be read or written now, with a remedy; empty when it can. */
  readonly problem: string;
}
