import type { ObjectMeta } from './object.ts';

/** A Secret. The values are behind a function, so that no log line, JSON or `inspect` can show them. */
export interface Secret extends ObjectMeta {
  readonly type: string;
  readonly keys: readonly string[];
  readonly value: (key: string) => Uint8Array | undefined;
}
