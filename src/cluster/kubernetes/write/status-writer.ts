import type { Clock } from '../../../domain/clock.ts';
import type { Log } from '../../../domain/log.ts';
import type { ObjectKey } from '../../../domain/object.ts';
import type { ServiceEvent, ServiceStatus } from '../../../domain/service.ts';
import type { ApiConnection } from '../connection.ts';
import type { KubeObject } from '../kube-object.ts';
import type { StatusBase } from '../status/status-base.ts';
import type { Journal, JournalEntry } from './journal.ts';

export interface StatusWriterOptions {
  readonly connection: ApiConnection;
  readonly journal: Journal;
  /** The newest that is known of a Service. */
  readonly baseOf: (service: ObjectKey) => StatusBase | undefined;
  /** Called with each written (or newly read) Service before `write` resolves; in order of versions. */
  readonly onWritten: (object: KubeObject) => void;
  /** The events said about a Service changed, without anything written to it. */
  readonly onEvents: (service: ObjectKey) => void;
  readonly clock: Clock;
  readonly log: Log;
}

export interface StatusWriter {
  /**
   * Writes statuses (`undefined` gives a Service back), addresses that are taken away before they are
   * given to others. The result tells what could not be written, and why. Rejects when nothing could
   * be: not leading, the API away.
   */
  write(
    changes: ReadonlyMap<ObjectKey, ServiceStatus | undefined>,
  ): Promise<ReadonlyMap<ObjectKey, Error>>;
  /**
   * Writes what an earlier leader had begun, over what is known now; called before we lead. Rejects
   * when the outcome of something stays unknown.
   */
  replay(journal: readonly JournalEntry[]): Promise<void>;
  /** What was said about a Service by this process, by its uid; goes into `statusOf`. */
  eventsOf(uid: string): readonly ServiceEvent[];
  /** Events that wait are dropped. */
  stop(): void;
}

export declare function createStatusWriter(options: StatusWriterOptions): StatusWriter;
