import { isDeepStrictEqual } from 'node:util';
import { decodePool } from '../../../../src/cluster/decode/pool.ts';
import { decodeService } from '../../../../src/cluster/decode/service.ts';
import type { KubeObject } from '../../../../src/cluster/kubernetes/kube-object.ts';
import { isExposed } from '../../../../src/cluster/kubernetes/leader/fence-journal.ts';
import { statusOf } from '../../../../src/cluster/kubernetes/status/api-status.ts';
import {
  type StatusBase,
  statusBaseOf,
} from '../../../../src/cluster/kubernetes/status/status-base.ts';
import { KeyedMap } from '../../../../src/domain/keyed-map.ts';
import type { ObjectKey } from '../../../../src/domain/object.ts';
import type { Pool } from '../../../../src/domain/pool.ts';
import type { Service, ServiceEvent, ServiceStatus } from '../../../../src/domain/service.ts';
import { EMPTY_SNAPSHOT, type Snapshot } from '../../../../src/domain/snapshot.ts';
import { SETTINGS } from '../../../plan/allocation-cluster.ts';
import type { SimEvent } from './simulated-api.ts';

interface Decoded {
  readonly service: Service | undefined;
  readonly base: StatusBase;
}

/** Objects are immutable, and the same in all processes: each is decoded once. */
const services = new WeakMap<KubeObject, Decoded>();
const pools = new WeakMap<KubeObject, Pool | undefined>();

export function decodedService(object: KubeObject): Decoded {
  const known = services.get(object);
  if (known) return known;
  const decoded = { service: decodeService(object).value, base: statusBaseOf(object) };
  services.set(object, decoded);
  return decoded;
}

function decodedPool(object: KubeObject): Pool | undefined {
  if (!pools.has(object)) pools.set(object, decodePool(object).value);
  return pools.get(object);
}

/** What the API server's objects mean, all read at one moment. */
export function snapshotOf(
  serviceObjects: Iterable<readonly [ObjectKey, KubeObject]>,
  poolObjects: Iterable<readonly [ObjectKey, KubeObject]>,
): Snapshot {
  const read: [ObjectKey, Service][] = [];
  const statuses: [ObjectKey, ServiceStatus][] = [];
  const readPools: [ObjectKey, Pool][] = [];
  for (const [key, object] of serviceObjects) {
    const { service, base } = decodedService(object);
    const status = statusOf(base, []);
    if (service) read.push([key, service]);
    if (status) statuses.push([key, status]);
  }
  for (const [key, object] of poolObjects) {
    const pool = decodedPool(object);
    if (pool) readPools.push([key, pool]);
  }
  return {
    ...EMPTY_SNAPSHOT,
    revision: 1,
    services: KeyedMap.from(read),
    statuses: KeyedMap.from(statuses),
    pools: KeyedMap.from(readPools),
  };
}

/** As in the real store, what did not change stays the same object. */
function unlessSame(before: Service | undefined, now: Service | undefined): Service | undefined {
  return isDeepStrictEqual(before, now) ? before : now;
}

type Stored = 'services' | 'pools';

/** What one process knows of Services and pools, by the rules of the real store. */
export function createSimulatedStore(eventsOf: (uid: string) => readonly ServiceEvent[]) {
  const objects = {
    services: new Map<ObjectKey, KubeObject>(),
    pools: new Map<ObjectKey, KubeObject>(),
  };
  const listed = new Set<Stored>();
  const listeners = new Set<(snapshot: Snapshot) => void>();
  let snapshot = EMPTY_SNAPSHOT;
  const views: Snapshot[] = [];
  let telling = false;

  function publish(kind: Stored, keys: Iterable<ObjectKey>): void {
    const all = [...keys];
    if (kind === 'pools') {
      const changes = all.map((key) => {
        const object = objects.pools.get(key);
        return [key, object && decodedPool(object)] as const;
      });
      snapshot = { ...snapshot, pools: snapshot.pools.withAll(changes) };
    } else {
      const known = all.map((key) => {
        const object = objects.services.get(key);
        return [key, object && decodedService(object)] as const;
      });
      snapshot = {
        ...snapshot,
        services: snapshot.services.withAll(
          known.map(
            ([key, it]) => [key, unlessSame(snapshot.services.get(key), it?.service)] as const,
          ),
        ),
        statuses: snapshot.statuses.withAll(
          known.map(([key, it]) => [key, it && statusOf(it.base, eventsOf(it.base.uid))] as const),
        ),
      };
    }
    if (listed.size === 2) snapshot = { ...snapshot, revision: snapshot.revision + 1 };
    views.push(snapshot);
    if (telling || snapshot.revision === 0) return;
    telling = true;
    queueMicrotask(() => {
      telling = false;
      for (const listener of [...listeners]) listener(snapshot);
    });
  }

  const isNewer = (object: KubeObject, than: KubeObject | undefined) =>
    !than || versionOf(object) > versionOf(than);

  return {
    snapshot: () => snapshot,
    views: () => views,
    subscribe(listener: (snapshot: Snapshot) => void) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    baseOf(key: ObjectKey): StatusBase | undefined {
      const object = objects.services.get(key);
      return object && decodedService(object).base;
    },
    replace(kind: Stored, items: readonly (readonly [ObjectKey, KubeObject])[], version: number) {
      const store = objects[kind];
      const keys = new Set([...store.keys(), ...items.map(([key]) => key)]);
      const listedItems = new Map(items);
      for (const [key, object] of store) {
        if (!listedItems.has(key) && versionOf(object) <= version) store.delete(key);
      }
      for (const [key, object] of items)
        if (isNewer(object, store.get(key))) store.set(key, object);
      listed.add(kind);
      publish(kind, keys);
    },
    take(kind: Stored, { type, key, object }: SimEvent) {
      const store = objects[kind];
      if (!isNewer(object, store.get(key))) return;
      if (type === 'DELETED') store.delete(key);
      else store.set(key, object);
      publish(kind, [key]);
    },
    /** The answer to a write, or a single read: never brings back what is gone. */
    written(object: KubeObject) {
      const key = `${object.metadata.namespace}/${object.metadata.name}`;
      const known = objects.services.get(key);
      if (known?.metadata.uid !== object.metadata.uid || !isNewer(object, known)) return;
      objects.services.set(key, object);
      publish('services', [key]);
    },
    refresh: (key: ObjectKey) => publish('services', [key]),
    *exposed(): Iterable<readonly [ObjectKey, StatusBase]> {
      for (const [key, object] of objects.services) {
        const { service, base } = decodedService(object);
        if (isExposed(base, service, SETTINGS)) yield [key, base];
      }
    },
  };
}

function versionOf({ metadata }: KubeObject): number {
  return Number(metadata.resourceVersion);
}
