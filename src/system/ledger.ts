/** JSON as it may stand in a ledger. */
export type Json =
  | string
  | number
  | boolean
  | null
  | readonly Json[]
  | { readonly [key: string]: Json };

/** The writing end of a ledger; one a file at a time, held by a lock. */
export interface LedgerWriter {
  readonly entries: ReadonlyMap<string, Json>;
  /** Appends and (when durable) syncs; rejects with nothing changed, on disk or in `entries`. */
  put(changes: Iterable<readonly [string, Json | undefined]>): Promise<void>;
  close(): Promise<void>;
}

/** A reading end, in the same process or another. */
export interface LedgerReader {
  readonly entries: ReadonlyMap<string, Json>;
  close(): void;
}
