/** Time as an argument, so that everything below the edge can be driven by a simulated clock. */
export interface Clock {
  /** Wall clock, milliseconds since 1970; for what people and objects read. */
  wallMs(): number;
  /** Monotonic milliseconds; for intervals and deadlines. */
  monotonicMs(): number;
  /**
   * Calls `run` once, not before `monotonicMs` has moved on by `delayMs`; the returned function cancels.
   * Never keeps the process alive by itself.
   */
  after(delayMs: number, run: () => void): () => void;
}
