/**
 * Whether this process may write to the cluster. Of several controllers one leads, by a Lease
 * (coordination.k8s.io/v1); the others stand by.
 */
export interface Leadership {
  /**
   * True while it may. Only when the source's `current()` is at least as new as whatever an earlier
   * leader wrote.
   */
  leads(): boolean;
  /** Who leads; empty when nobody is known to. */
  leader(): string;
  /** Why this process cannot stand for leadership now, with a remedy; empty when it can. */
  problem(): string;
  /** Calls back when it leads or another leads than before; the returned function unsubscribes. */
  subscribe(listener: () => void): () => void;
}

/** Of sources that have one writer by construction. */
export const ALONE: Leadership = {
  leads: () => true,
  leader: () => '',
  problem: () => '',
  subscribe: () => () => {},
};
