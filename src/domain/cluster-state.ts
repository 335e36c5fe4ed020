import type { Problem } from './problem.ts';

/** How the reading of a cluster's API goes; for people and metrics. */
export interface ClusterState {
  /** `https://10.0.0.1:6443` */
  readonly server: string;
  /** All that is needed has been read; stays true while the server is away. */
  readonly synced: boolean;
  /** What cannot be read now, and why; each with how long, in its message. Empty when all is well. */
  readonly problems: readonly Problem[];
  /** What cannot be written now although the server is there: a right or a definition is missing. */
  readonly unwritable: readonly Problem[];
  /** Since when something cannot be read, ms ago; 0 when all can. */
  readonly troubleMs: number;
  readonly kinds: readonly KindState[];
}

/** One kind of objects. */
export interface KindState {
  readonly kind: string;
  /** False while its CustomResourceDefinition is missing. */
  readonly installed: boolean;
  /** It has been read completely; stays true while the server is away. */
  readonly synced: boolean;
  readonly objects: number;
  /** The last good sign of the server, ms ago; `undefined` before the first. */
  readonly contactAgeMs: number | undefined;
  /** Failed tries since then, and why the last one failed. */
  readonly failures: number;
  readonly error: string;
  /** Counters: complete lists, watches, events, answers that were not understood. */
  readonly lists: number;
  readonly watches: number;
  readonly events: number;
  readonly garbage: number;
}
