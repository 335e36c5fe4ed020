import type { ObjectKey } from './object.ts';
import type { ServiceStatus } from './service.ts';
import type { Snapshot } from './snapshot.ts';

/** Where the desired state comes from and Service status goes to: a folder or a Kubernetes API. */
export interface ClusterSource {
  /** The newest snapshot; the empty one (revision 0) before the first complete read. */
  current(): Snapshot;
  /** Calls back with each new snapshot, never synchronously; the returned function unsubscribes. */
  subscribe(listener: (snapshot: Snapshot) => void): () => void;
  /**
   * Writes statuses (`undefined` removes). Resolves when they are durable *and* visible in `current()`,
   * so that a writer that awaits it never plans on a snapshot without its own writes. Rejects with
   * nothing changed. Sources opened for reading reject always.
   */
  writeStatuses(changes: ReadonlyMap<ObjectKey, ServiceStatus | undefined>): Promise<void>;
  stop(): Promise<void>;
}
