import type { Address } from '../../../domain/address.ts';
import type { ObjectKey } from '../../../domain/object.ts';

/** A change of a Service's addresses that is about to be written. */
export interface JournalEntry {
  readonly service: ObjectKey;
  readonly uid: string;
  /** All that it is to have; empty when it is given back. */
  readonly addresses: readonly Address[];
  readonly pool: string;
}

/** What writing needs of leadership: whether we may, and a note that outlives us of what is begun. */
export interface Journal {
  leads(): boolean;
  /**
   * Notes address changes before they are written. Resolves when the API server has accepted it under
   * our Lease. Rejects when we do not lead (any more).
   */
  begin(entries: readonly JournalEntry[]): Promise<void>;
  /** These are known done or refused. */
  end(keys: Iterable<ObjectKey>): void;
}
