import type { Address } from '../../../domain/address.ts';
import type { ObjectKey } from '../../../domain/object.ts';

/**
 * A change of one Service's addresses that may be under way. It stands in the journal before its
 * request is sent, so that who leads next can see to it that the request comes too late.
 */
export interface JournalEntry {
  readonly service: ObjectKey;
  readonly uid: string;
  /**
   * The version of the Service that the decision was made on, and the one that every request of this
   * entry asks for: known before the entry was noted, never a newer one.
   */
  readonly resourceVersion: string;
  /** What the Service may hold when a request of this entry arrives. */
  readonly addresses: readonly Address[];
}

/** What an earlier leader had under way. */
export interface Journal {
  readonly entries: readonly JournalEntry[];
  /**
   * False when it is not known what was under way: somebody has deleted the Lease or edited the journal,
   * or a later version wrote it. Then any Service may have a request on its way.
   */
  readonly complete: boolean;
}

/** More are not begun at a time; entries of the longest names stay below JOURNAL_MAX_BYTES. */
export const JOURNAL_MAX_ENTRIES = 500;

/** Kubernetes allows 256 KiB for all annotations of an object together. */
export const JOURNAL_MAX_BYTES = 200 * 1024;
