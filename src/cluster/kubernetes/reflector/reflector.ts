import type { Clock } from '../../../domain/clock.ts';
import type { Log } from '../../../domain/log.ts';
import type { ApiError } from '../api-error.ts';
import type { ApiConnection } from '../connection.ts';
import type { KubeObject } from '../kube-object.ts';
import type { ReflectorSink } from './reflector-sink.ts';

export interface ReflectorOptions {
  readonly connection: ApiConnection;
  /** `/api/v1/services`, `/apis/metallb.io/v1beta1/namespaces/metallb-system/ipaddresspools` */
  readonly path: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
  /** Drops what is not needed, right after parsing; must keep `metadata` name, namespace, uid, resourceVersion. */
  readonly trim?: (object: KubeObject) => KubeObject;
  /** A link without any sign for so long is dead, ms. */
  readonly idleTimeoutMs: number;
  readonly clock: Clock;
  readonly log: Log;
  /** In [0, 1), for the pauses between tries. */
  readonly random: () => number;
  readonly sink: ReflectorSink;
}

/** What a reflector knows of itself; a new object with each change. */
export interface ReflectorState {
  /** A complete list has been handed over; stays true while the server is away. */
  readonly synced: boolean;
  /** Last good sign of the server, in `Clock.monotonicMs`. */
  readonly lastContactMs: number | undefined;
  /** Up to where the kind is known; '' before the first list. */
  readonly resourceVersion: string;
  /** Failed tries since the last good sign. */
  readonly failures: number;
  /** Why the last of these failed. */
  readonly lastError: ApiError | undefined;
  /** Counters since the start: complete lists, watches opened, events taken, lines not understood. */
  readonly lists: number;
  readonly watches: number;
  readonly events: number;
  readonly garbage: number;
}

/** One kind at one path, kept up to date. */
export interface Reflector {
  state(): ReflectorState;
  /** A fresh complete quorum list; resolves when it is in the sink. Rejects when it fails or is stopped. */
  relist(): Promise<void>;
  /** Called when `synced`, `failures` or `lastError` changed; the returned function unsubscribes. */
  onState(listener: (state: ReflectorState) => void): () => void;
  /** Aborts what is under way; the sink is not called any more. */
  stop(): Promise<void>;
}

export declare function startReflector(options: ReflectorOptions): Reflector;
