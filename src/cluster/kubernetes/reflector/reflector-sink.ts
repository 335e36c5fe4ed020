import type { KubeObject, WatchEvent } from '../kube-object.ts';

/** Where a reflector puts what it reads. Called in order, one call at a time. */
export interface ReflectorSink {
  /**
   * A complete list: whoever is not in it is gone. `restored` says that its resourceVersion lies
   * before one seen earlier: the server's history has changed (etcd restored, another cluster).
   *
   * A returned promise is awaited before anything else is read. When it rejects, or the call throws,
   * the list is not in force: it counts as a failure and is made again after a pause.
   */
  replace(
    objects: readonly KubeObject[],
    resourceVersion: string,
    restored: boolean,
  ): void | Promise<void>;
  /** Changes in batches as they arrived: what one piece of the stream held (64 KiB at most) is one call. */
  apply(events: readonly WatchEvent[]): void;
}
