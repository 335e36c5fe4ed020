import type { KubeObject } from '../../../../src/cluster/kubernetes/kube-object.ts';
import { ApiError } from '../../../../src/cluster/kubernetes/transport/api-error.ts';
import type { ApiRequest } from '../../../../src/cluster/kubernetes/transport/api-request.ts';

type Tree = { [field: string]: unknown };

/** What becomes of one request: how an API server and the way to it may treat it. */
export type Fate =
  | 'pass'
  /** Refused with this status, nothing done. */
  | { readonly refuse: number; readonly reason?: string }
  /** Done, and the answer is lost. */
  | 'answerLost'
  /** Lost, or still on its way: `late()` brings it. */
  | 'delayed';

/** The Services of an API server in memory: versions, preconditions, merge patches. */
export function fakeServices() {
  const objects = new Map<string, KubeObject>();
  const requests: ApiRequest[] = [];
  const late: (() => void)[] = [];
  let version = 100;
  const server = {
    requests,
    fate: (_request: ApiRequest): Fate => 'pass',
    /** Called after each change. */
    onChange: (_key: string, _object: KubeObject | undefined) => {},
    get: (key: string) => objects.get(key),
    keys: () => [...objects.keys()],
    patches: () => requests.filter(({ method }) => method === 'PATCH'),
    put(key: string, fields: Tree = {}) {
      const [namespace = '', name = ''] = key.split('/');
      const { metadata, ...rest } = fields as { metadata?: Tree };
      const known = objects.get(key);
      version += 1;
      const object = {
        apiVersion: 'v1',
        kind: 'Service',
        spec: { type: 'LoadBalancer', ports: [{ port: 80, protocol: 'TCP' }] },
        status: { loadBalancer: {} },
        ...known,
        ...rest,
        metadata: {
          namespace,
          name,
          uid: `uid-${key}-${version}`,
          ...known?.metadata,
          ...metadata,
          resourceVersion: String(version),
        },
      } as KubeObject;
      objects.set(key, object);
      server.onChange(key, object);
      return object;
    },
    delete(key: string) {
      objects.delete(key);
      version += 1;
      server.onChange(key, undefined);
    },
    /** What was delayed arrives. */
    arrive() {
      for (const run of late.splice(0)) {
        try {
          run();
        } catch {}
      }
    },
    async request(request: ApiRequest): Promise<unknown> {
      requests.push(request);
      const fate = server.fate(request);
      await Promise.resolve();
      if (fate === 'pass') return handle(request);
      if (typeof fate === 'object') throw apiError(fate.refuse, fate.reason ?? 'Refused');
      if (fate === 'delayed') late.push(() => handle(request));
      else handle(request);
      throw apiError(0, 'Timeout');
    },
  };

  function handle({ method, path, body }: ApiRequest): unknown {
    const [, namespace = '', , name = ''] = path.split('/').slice(3);
    const key = `${namespace}/${name}`;
    const object = objects.get(key);
    if (!object) throw apiError(404, 'NotFound');
    if (method === 'GET') return object;
    const { metadata } = body as { metadata: Tree };
    if (metadata['resourceVersion'] !== object.metadata.resourceVersion)
      throw apiError(409, 'Conflict');
    if (metadata['uid'] !== object.metadata.uid) throw apiError(422, 'Invalid');
    const { resourceVersion: _, ...rest } = (body as { metadata: Tree }).metadata;
    const merged = merge(object as unknown as Tree, { ...(body as Tree), metadata: rest }) as Tree;
    const { deletionTimestamp, finalizers } = merged['metadata'] as Tree;
    if (deletionTimestamp !== undefined && (finalizers as string[] | undefined)?.length === 0) {
      server.delete(key);
      return merged;
    }
    return server.put(key, merged);
  }

  return server;
}

export type FakeServices = ReturnType<typeof fakeServices>;

export function apiError(status: number, reason: string): ApiError {
  return new ApiError(`${status} ${reason}`, { status, reason });
}

/** RFC 7386. */
function merge(target: unknown, patch: unknown): unknown {
  if (typeof patch !== 'object' || patch === null || Array.isArray(patch)) return patch;
  const isTree = typeof target === 'object' && target !== null && !Array.isArray(target);
  const result: Tree = isTree ? { ...(target as Tree) } : {};
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) delete result[name];
    else result[name] = merge(result[name], value);
  }
  return result;
}
