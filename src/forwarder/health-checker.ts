import type { CheckHealth, HealthCheck } from '../domain/health.ts';
import type { KeyedMap } from '../domain/keyed-map.ts';

/** Probes backends. What it knows survives a restart of the process, so that nothing flaps. */
export interface HealthChecker {
  /** States, by check id, what should be probed; what is no longer in it is forgotten. */
  want(checks: KeyedMap<HealthCheck>): void;
  /** By check id; a check with no entry has not been answered yet. */
  states(): KeyedMap<CheckHealth>;
  /** Calls back after any state changed; the returned function unsubscribes. */
  onChange(listener: () => void): () => void;
  stop(): Promise<void>;
}
