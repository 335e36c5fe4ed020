import { isDeepStrictEqual } from 'node:util';
import type { KubeObject } from '../../../../src/cluster/kubernetes/kube-object.ts';
import { ApiError } from '../../../../src/cluster/kubernetes/transport/api-error.ts';
import type { ApiRequest } from '../../../../src/cluster/kubernetes/transport/api-request.ts';
import type { ObjectKey } from '../../../../src/domain/object.ts';

export type SimKind = 'services' | 'pools' | 'lease';

export interface SimEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly key: ObjectKey;
  readonly object: KubeObject;
}

type Json = Readonly<Record<string, unknown>>;

/** What an API server does that matters here: versions, preconditions, finalizers, events in order. */
export interface SimulatedApi {
  /** Everything that happened to a kind, in order; watches are places in it. */
  readonly log: Readonly<Record<SimKind, readonly SimEvent[]>>;
  list(kind: SimKind): ReadonlyMap<ObjectKey, KubeObject>;
  version(): number;
  /** Carries out a request, now. Throws ApiError. */
  handle(request: ApiRequest): unknown;
  /** What people do, without asking for versions; a kept uid or a new one. */
  create(kind: SimKind, key: ObjectKey, object: Json): void;
  edit(kind: SimKind, key: ObjectKey, change: (object: KubeObject) => Json): void;
  remove(kind: SimKind, key: ObjectKey): void;
}

const LEASE = 'tidegate-system/tidegate-controller';

/** `onChange` is called after each change, with who asked for it. */
export function simulatedApi(onChange: (kind: SimKind, event: SimEvent) => void): SimulatedApi {
  let version = 100;
  let uids = 0;
  const kinds = {
    services: new Map(),
    pools: new Map(),
    lease: new Map(),
  } as const satisfies Record<SimKind, Map<ObjectKey, KubeObject>>;
  const log: Record<SimKind, SimEvent[]> = { services: [], pools: [], lease: [] };

  const tell = (kind: SimKind, event: SimEvent) => {
    log[kind].push(event);
    onChange(kind, event);
  };
  const put = (kind: SimKind, key: ObjectKey, object: Json): KubeObject => {
    const before = kinds[kind].get(key);
    const metadata = object['metadata'] as Json;
    const same = before && isDeepStrictEqual(object, before);
    if (same) return before;
    const next = { ...object, metadata: { ...metadata, resourceVersion: String(++version) } };
    const written = next as unknown as KubeObject;
    if (metadata['deletionTimestamp'] && finalizersOf(written).length === 0) {
      kinds[kind].delete(key);
      tell(kind, { type: 'DELETED', key, object: written });
    } else {
      kinds[kind].set(key, written);
      tell(kind, { type: before ? 'MODIFIED' : 'ADDED', key, object: written });
    }
    return written;
  };
  const create = (kind: SimKind, key: ObjectKey, object: Json): KubeObject => {
    if (kinds[kind].has(key)) throw refusal(409, 'AlreadyExists');
    const [namespace = '', name = ''] = key.split('/');
    const time = new Date(1_700_000_000_000 + version * 1000).toISOString();
    const metadata = object['metadata'] as Json | undefined;
    return put(kind, key, {
      ...object,
      metadata: { ...metadata, namespace, name, uid: `u${++uids}`, creationTimestamp: time },
    });
  };
  const existing = (kind: SimKind, key: ObjectKey): KubeObject => {
    const object = kinds[kind].get(key);
    if (!object) throw refusal(404, 'NotFound');
    return object;
  };
  const checked = (object: KubeObject, metadata: Json): KubeObject => {
    const { uid = object.metadata.uid, resourceVersion = object.metadata.resourceVersion } =
      metadata;
    const isSame =
      uid === object.metadata.uid && resourceVersion === object.metadata.resourceVersion;
    if (!isSame) throw refusal(409, 'Conflict');
    return object;
  };
  const remove = (kind: SimKind, key: ObjectKey) => {
    const object = kinds[kind].get(key);
    if (!object || object.metadata['deletionTimestamp']) return;
    put(kind, key, {
      ...object,
      metadata: { ...object.metadata, deletionTimestamp: '2026-01-01T00:00:00Z' },
    });
  };

  function handle({ method, path, body }: ApiRequest): unknown {
    const service = /^\/api\/v1\/namespaces\/([^/]+)\/services\/([^/]+?)(\/status)?$/.exec(path);
    if (service) {
      const key = `${service[1]}/${service[2]}`;
      const object = existing('services', key);
      if (method === 'GET') return object;
      const patch = body as Json;
      checked(object, patch['metadata'] as Json);
      return put('services', key, merge(object, patch) as Json);
    }
    if (path === '/list/services') return listOf('services');
    if (path === '/list/pools') return listOf('pools');
    if (method === 'POST') return create('lease', LEASE, body as Json);
    const lease = kinds.lease.get(LEASE);
    if (method === 'GET') return existing('lease', LEASE);
    const written = body as Json;
    // A Lease may be created by PUT; the uid that it asks for keeps that from happening.
    if (!lease) throw refusal(409, 'Conflict');
    checked(lease, written['metadata'] as Json);
    const { creationTimestamp } = lease.metadata;
    return put('lease', LEASE, {
      ...written,
      metadata: { ...(written['metadata'] as Json), creationTimestamp },
    });
  }

  const listOf = (kind: SimKind) => ({
    place: log[kind].length,
    version,
    items: [...kinds[kind]],
  });

  return {
    log,
    handle,
    remove,
    list: (kind) => kinds[kind],
    version: () => version,
    create: (kind, key, object) => void create(kind, key, object),
    edit(kind, key, change) {
      const object = kinds[kind].get(key);
      if (object) put(kind, key, change(object));
    },
  };
}

function finalizersOf({ metadata }: KubeObject): readonly unknown[] {
  const list = metadata['finalizers'];
  return Array.isArray(list) ? list : [];
}

/** RFC 7386. */
function merge(target: unknown, patch: unknown): unknown {
  if (typeof patch !== 'object' || patch === null || Array.isArray(patch)) return patch;
  const isObject = typeof target === 'object' && target !== null && !Array.isArray(target);
  const merged: Record<string, unknown> = isObject ? { ...target } : {};
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) delete merged[name];
    else merged[name] = merge(merged[name], value);
  }
  return merged;
}

export function refusal(status: number, reason: string): ApiError {
  return new ApiError(`${status} ${reason}`, { status, reason });
}
