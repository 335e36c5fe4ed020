/**
 * One real thing that a reconciler owns: BPF maps, ARP announcements, health checks, Service status.
 *
 * The contract: every operation is idempotent; `remove` of something absent is no error; an operation
 * that throws has changed nothing that a later try cannot mend, and is retried with backoff.
 */
export interface Target<V> {
  /** Keys that the real thing holds now; asked once at the start, so that nobody's leftovers are pruned. */
  list(): Iterable<string> | Promise<Iterable<string>>;
  /** Makes the real thing hold `value` under `key`. */
  update(key: string, value: V): void | Promise<void>;
  remove(key: string): void | Promise<void>;
  /** Ends a batch: what was only prepared takes effect. */
  commit?(): void | Promise<void>;
}

/** How one object stands, for status, `explain` and the API. */
export type ObjectState =
  | { readonly state: 'done'; readonly revision: number; readonly tookMs: number }
  | { readonly state: 'pending'; readonly revision: number }
  | {
      readonly state: 'failed';
      readonly revision: number;
      readonly error: string;
      readonly attempts: number;
      readonly retryInMs: number;
    };
