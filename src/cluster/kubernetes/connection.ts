import type { Clock } from '../../domain/clock.ts';
import type { Log } from '../../domain/log.ts';

export interface ApiRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** `/api/v1/services` */
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  /** Sent as JSON. */
  readonly body?: unknown;
  /** Of the body; `application/json` unless said. */
  readonly contentType?: string;
  readonly signal?: AbortSignal;
  /** For the whole answer (`request`) or its head (`stream`), ms. */
  readonly timeoutMs?: number;
}

/** One API server, with credentials that are kept fresh. */
export interface ApiConnection {
  /** Resolves with the parsed JSON answer (2xx). Rejects with ApiError. */
  request(request: ApiRequest): Promise<unknown>;
  /**
   * Opens an answer that arrives piece by piece (watch). Resolves when its 2xx head is there, rejects
   * with ApiError; the body ends, or throws ApiError, and has no time limit of its own.
   */
  stream(request: ApiRequest): Promise<AsyncIterable<Uint8Array>>;
  /** For messages: `https://10.0.0.1:6443`. */
  readonly server: string;
  /** Aborts what is under way; later requests reject. */
  close(): Promise<void>;
}

export interface ConnectionOptions {
  /** Path of a kubeconfig; when undefined, the ServiceAccount of the Pod that we run in. */
  readonly kubeconfig: string | undefined;
  /** Name of a context in it; its current one when undefined. */
  readonly context: string | undefined;
  /** `tidegate/0.1.0 (controller)` */
  readonly userAgent: string;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * Reads the credentials and prepares the connection; nothing is sent yet. Rejects with ApiError
 * (`Credentials`) when the configuration cannot be read.
 */
export declare function openConnection(options: ConnectionOptions): Promise<ApiConnection>;
