import type { ServiceEndpoints } from './endpoints.ts';
import { KeyedMap } from './keyed-map.ts';
import type { Namespace } from './namespace.ts';
import type { Node } from './node.ts';
import type { Pod } from './pod.ts';
import type { Pool } from './pool.ts';
import type { Problem } from './problem.ts';
import type { Secret } from './secret.ts';
import type { Service, ServiceStatus } from './service.ts';

/**
 * The cluster at one moment: immutable, with structural sharing, so that what did not change is the
 * same object as in the snapshot before. Planning compares by identity and visits only differences.
 */
export interface Snapshot {
  /** Grows by one with each published change; travels into logs, API and metrics. */
  readonly revision: number;
  readonly services: KeyedMap<Service>;
  /** By Service key. Kept apart from the Service, as it is kept apart on disk and changes by itself. */
  readonly statuses: KeyedMap<ServiceStatus>;
  /** By Service key. */
  readonly endpoints: KeyedMap<ServiceEndpoints>;
  readonly nodes: KeyedMap<Node>;
  readonly namespaces: KeyedMap<Namespace>;
  readonly pods: KeyedMap<Pod>;
  readonly secrets: KeyedMap<Secret>;
  readonly pools: KeyedMap<Pool>;
  /** What is wrong in the input now; the objects concerned are here in their last good version. */
  readonly problems: readonly Problem[];
}

export const EMPTY_SNAPSHOT: Snapshot = {
  revision: 0,
  services: KeyedMap.empty(),
  statuses: KeyedMap.empty(),
  endpoints: KeyedMap.empty(),
  nodes: KeyedMap.empty(),
  namespaces: KeyedMap.empty(),
  pods: KeyedMap.empty(),
  secrets: KeyedMap.empty(),
  pools: KeyedMap.empty(),
  problems: [],
};
