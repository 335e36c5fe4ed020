import type { ConfigurationReport } from './configuration-report.ts';
import type { Leadership } from './leadership.ts';
import type { ObjectKey } from './object.ts';
import type { ServiceStatus } from './service.ts';
import type { Snapshot } from './snapshot.ts';

/** Where the desired state comes from and Service status goes to: a folder or a Kubernetes API. */
export interface ClusterSource {
  /** The newest snapshot; the empty one (revision 0) before the first complete read. */
  current(): Snapshot;
  /** Calls back with each new snapshot, never synchronously; the returned function unsubscribes. */
  subscribe(listener: (snapshot: Snapshot) => void): () => void;
  /** Who of several processes may write. */
  readonly leadership: Leadership;
  /**
   * Writes statuses (`undefined` gives a Service back: no address, none of our conditions). Resolves
   * when what could be written is durable *and* visible in `current()`, so that a writer that awaits
   * it never plans on a snapshot without its own writes; the result tells what could not be
   * written, and why. Rejects when nothing could be, with nothing changed: a full disk, no
   * leadership, an API that is away. Sources opened for reading reject always.
   */
  writeStatuses(
    changes: ReadonlyMap<ObjectKey, ServiceStatus | undefined>,
  ): Promise<ReadonlyMap<ObjectKey, Error>>;
  /**
   * Tells the cluster how its configuration is used and what is wrong with it. Best effort, collected
   * and limited in rate; nothing where there is no place for it.
   */
  reportConfiguration(report: ConfigurationReport): void;
  stop(): Promise<void>;
}
