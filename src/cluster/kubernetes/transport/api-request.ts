/** One request to an API server. */
export interface ApiRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** `/api/v1/services` */
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  /** Sent as JSON. */
  readonly body?: unknown;
  /** Of the body; `application/json` unless said. */
  readonly contentType?: string;
  /** Breaks the request off. When its reason is an ApiError, that is what the request rejects with. */
  readonly signal?: AbortSignal;
  /** For the whole answer (`request`) or its head (`stream`), ms; `REQUEST_TIMEOUT_MS` unless said. */
  readonly timeoutMs?: number;
}
