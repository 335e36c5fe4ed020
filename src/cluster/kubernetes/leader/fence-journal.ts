import type { ObjectKey } from '../../../domain/object.ts';
import type { ApiConnection } from '../connection.ts';
import type { KubeObject } from '../kube-object.ts';
import type { Journal, JournalEntry } from './journal.ts';

export interface FenceOptions {
  readonly connection: ApiConnection;
  /** Ours, for the message in the condition. */
  readonly identity: string;
  /** Says the entries of which nothing can arrive any more: `Leader.end`. */
  end(entries: Iterable<JournalEntry>): void;
  /**
   * The Services that an earlier leader may have touched: with the finalizer
   * `service.kubernetes.io/load-balancer-cleanup` or a condition of ours. Asked for only when the journal
   * is not complete.
   */
  touched(): Iterable<{ service: ObjectKey; uid: string; resourceVersion: string }>;
  /** The Service as the API server has it now; `undefined`: there is none of this name (any more). */
  onRead(service: ObjectKey, object: KubeObject | undefined): void;
  wallMs(): number;
}

/**
 * Sees to it that no request of an earlier leader can be accepted any more: each Service that is still at
 * the version that such a request asks for gets a new one, by a condition that says so and that the
 * controller replaces in its next pass. To be called after a fresh list. Rejects when the API server
 * cannot be asked; a single Service that cannot be written stays in the journal.
 */
export declare function fenceJournal(journal: Journal, options: FenceOptions): Promise<void>;
