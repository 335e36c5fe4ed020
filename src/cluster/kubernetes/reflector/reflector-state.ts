/** What a reflector knows of itself. */
export interface ReflectorState {
  /** A complete list has been handed over; stays true while the server is away. */
  readonly synced: boolean;
  /** Last good sign of the server, in `Clock.monotonicMs`. */
  readonly lastContactMs: number | undefined;
  /** Up to where the kind is known; '' before the first list. */
  readonly resourceVersion: string;
  /** Failed tries since the last good sign. */
  readonly failures: number;
  /** Why the last of these failed: an ApiError, or what the sink threw. */
  readonly lastError: Error | undefined;
  /** Counters since the start: complete lists, watches opened, events taken, answers not understood. */
  readonly lists: number;
  readonly watches: number;
  readonly events: number;
  readonly garbage: number;
}

export const INITIAL_STATE: ReflectorState = {
  synced: false,
  lastContactMs: undefined,
  resourceVersion: '',
  failures: 0,
  lastError: undefined,
  lists: 0,
  watches: 0,
  events: 0,
  garbage: 0,
};
