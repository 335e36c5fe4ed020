import { request as send } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { inParallel } from '../../lab/kubernetes/bulk.ts';
import { type ControlPlane, startControlPlane } from '../../lab/kubernetes/control-plane.ts';
import {
  lacksStreaming,
  listPages,
  listStreamed,
} from '../../src/cluster/kubernetes/reflector/complete-list.ts';
import { createKindReader } from '../../src/cluster/kubernetes/reflector/kind-reader.ts';
import {
  type Reflector,
  startReflector,
} from '../../src/cluster/kubernetes/reflector/reflector.ts';
import { watchFrom } from '../../src/cluster/kubernetes/reflector/watch.ts';
import { ApiError } from '../../src/cluster/kubernetes/transport/api-error.ts';
import type { ApiRequest } from '../../src/cluster/kubernetes/transport/api-request.ts';
import {
  type ApiConnection,
  openConnection,
} from '../../src/cluster/kubernetes/transport/connection.ts';
import { realClock } from '../../src/system/real-clock.ts';
import { recordingLog } from '../support/recording-log.ts';

const MANY = 1_200;
/** Watches last three seconds. */
const IDLE_MS = 4_000;
const WAIT_MS = 20_000;
/** Objects that a database loses when it is put back. */
const LOST = 200;
const NAMESPACE = '/api/v1/namespaces/many';
const CONFIG_MAPS = `${NAMESPACE}/configmaps`;
const RBAC = '/apis/rbac.authorization.k8s.io/v1/namespaces/many';

let plane: ControlPlane;

test.before(async () => {
  plane = await startControlPlane();
  await plane.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'many' } });
  await inParallel(MANY, (i) => create(`map-${i}`));
});

test.after.always(() => plane?.stop());

async function create(name: string): Promise<void> {
  await plane.must('POST', CONFIG_MAPS, { metadata: { name }, data: { text: 'ü'.repeat(100) } });
}

async function remove(name: string): Promise<void> {
  await plane.must('DELETE', `${CONFIG_MAPS}/${name}`);
}

/** What the server has, by its own word. */
async function serverNames(): Promise<string[]> {
  const { items } = await plane.must('GET', CONFIG_MAPS);
  return (items as { metadata: { name: string } }[]).map(({ metadata }) => metadata.name).sort();
}

const UNHEARD = { open() {}, batch() {} };

interface Read {
  readonly reflector: Reflector;
  readonly names: Set<string>;
  /** Smallest that the world ever was after the first list. */
  least(): number;
  readonly restored: boolean[];
  readonly queries: ApiRequest['query'][];
}

async function connect(t: ExecutionContext, kubeconfig = plane.kubeconfig): Promise<ApiConnection> {
  const connection = await openConnection({
    kubeconfig,
    context: undefined,
    userAgent: 'tidegate/test (reflector)',
    clock: realClock,
    log: recordingLog(),
  });
  t.teardown(() => connection.close());
  return connection;
}

async function start(t: ExecutionContext, kubeconfig?: string): Promise<Read> {
  const connection = await connect(t, kubeconfig);
  const names = new Set<string>();
  const restored: boolean[] = [];
  const queries: ApiRequest['query'][] = [];
  let least = Number.POSITIVE_INFINITY;
  const reflector = startReflector({
    connection: {
      ...connection,
      server: connection.server,
      stream(request) {
        queries.push(request.query);
        return connection.stream(request);
      },
    },
    kind: 'ConfigMap',
    path: CONFIG_MAPS,
    idleTimeoutMs: IDLE_MS,
    clock: realClock,
    log: recordingLog(),
    random: Math.random,
    sink: {
      replace(objects, _resourceVersion, isRestored) {
        names.clear();
        for (const { metadata } of objects) names.add(metadata.name);
        restored.push(isRestored);
        least = Math.min(least, names.size);
      },
      apply(events) {
        for (const { type, object } of events) {
          if (type === 'DELETED') names.delete(object.metadata.name);
          else names.add(object.metadata.name);
        }
        least = Math.min(least, names.size);
      },
    },
  });
  t.teardown(() => reflector.stop());
  await until(() => reflector.state().synced);
  return { reflector, names, least: () => least, restored, queries };
}

async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  const end = performance.now() + WAIT_MS;
  while (!(await holds())) {
    if (performance.now() > end) throw new Error(`Not within ${WAIT_MS} ms: ${holds}`);
    await sleep(20);
  }
}

async function failureOf(t: ExecutionContext, promise: Promise<unknown>): Promise<ApiError> {
  return (await t.throwsAsync(promise, { instanceOf: ApiError })) as ApiError;
}

/** The tools of one list or watch, without a reflector around them. */
async function link(t: ExecutionContext) {
  const connection = await connect(t);
  return {
    reader: createKindReader('ConfigMap', CONFIG_MAPS, (object) => object),
    link: {
      connection,
      path: CONFIG_MAPS,
      selectors: {},
      idleTimeoutMs: IDLE_MS,
      clock: realClock,
    },
    signal: new AbortController().signal,
  };
}

test.serial(
  'a list of 1,200 objects comes in three pages of one moment, then changes as they are',
  async (t) => {
    const { names, queries } = await start(t);
    t.deepEqual([...names].sort(), await serverNames());
    t.is(names.size, MANY);
    t.deepEqual(
      queries.slice(0, 3).map((query) => [query?.['limit'], query?.['continue'] !== undefined]),
      [
        ['500', false],
        ['500', true],
        ['500', true],
      ],
    );
    await Promise.all([create('new-1'), create('new-2'), remove('map-7')]);
    await until(() => names.has('new-1') && names.has('new-2') && !names.has('map-7'));
    t.is(names.size, MANY + 1);
  },
);

test.serial(
  'a streamed list is the same as one in pages, where the server’s etcd can',
  async (t) => {
    const { link: to, reader, signal } = await link(t);
    const pages = await listPages(to, reader, signal);
    const streamed = await listStreamed(to, reader, signal).catch((error) => {
      // etcd before 3.4.31 and 3.5.13: what the reflector takes as a sign to list in pages.
      t.true(lacksStreaming(error), error.message);
      return pages;
    });
    const byName = ({ objects }: typeof pages) =>
      objects.map(({ metadata }) => `${metadata.name} ${metadata.resourceVersion}`).sort();
    t.deepEqual(byName(streamed), byName(pages));
    t.true(Number(streamed.resourceVersion) >= Number(pages.resourceVersion));
  },
);

test.serial(
  'a server that was away is resumed or listed, and nothing is missed or lost',
  async (t) => {
    const { names, least, reflector } = await start(t);
    await plane.stopApiServer();
    await until(() => reflector.state().failures > 0);
    const other = await plane.secondApiServer();
    try {
      await other.client.must('POST', CONFIG_MAPS, { metadata: { name: 'while-away' } });
      await other.client.must('DELETE', `${CONFIG_MAPS}/map-8`);
    } finally {
      await other.stop();
    }
    t.true(names.has('map-8'));
    await plane.startApiServer();
    await until(() => names.has('while-away') && !names.has('map-8'));
    t.deepEqual([...names].sort(), await serverNames());
    t.true(least() > MANY - 5);
  },
);

test.serial(
  'a watch or a page from before what the server remembers is answered 410',
  async (t) => {
    const { link: to, reader, signal } = await link(t);
    const page = (query: ApiRequest['query']) =>
      to.connection.request({
        method: 'GET',
        path: CONFIG_MAPS,
        query: { limit: '500', ...query },
      });
    const { metadata } = (await page({})) as {
      metadata: { continue: string; resourceVersion: string };
    };
    await create('after-the-page');
    await compact(Number(metadata.resourceVersion) + 1);
    await plane.restartApiServer();
    const { resourceVersion } = metadata;
    const watch = await failureOf(t, watchFrom(resourceVersion, to, reader, signal, UNHEARD));
    t.is(watch.status, 410);
    const late = await failureOf(t, page({ continue: metadata.continue }));
    t.is(late.status, 410);
    t.is(late.reason, 'Expired');
    const { names } = await start(t);
    t.deepEqual([...names].sort(), await serverNames());
  },
);

/** Makes etcd forget all revisions before this one, through its gateway for JSON. */
async function compact(revision: number): Promise<void> {
  const status = await new Promise<number | undefined>((resolve, reject) => {
    const request = send(
      { socketPath: `${plane.folder}/etcd-1/client:0`, path: '/v3/kv/compaction', method: 'POST' },
      (response) => {
        response.resume();
        response.on('end', () => resolve(response.statusCode));
      },
    );
    request.on('error', reject);
    request.end(JSON.stringify({ revision: String(revision), physical: true }));
  });
  if (status !== 200) throw new Error(`etcd answered ${status} to a compaction`);
}

test.serial(
  'rights that are taken away leave what is known, and are of use again when given back',
  async (t) => {
    const role = { apiVersion: 'rbac.authorization.k8s.io/v1', metadata: { name: 'reader' } };
    const rules = [{ apiGroups: [''], resources: ['configmaps'], verbs: ['list', 'watch'] }];
    const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'reader' };
    const subjects = [{ apiGroup: roleRef.apiGroup, kind: 'User', name: 'reader' }];
    const bind = () =>
      plane.must('POST', `${RBAC}/rolebindings`, {
        ...role,
        kind: 'RoleBinding',
        roleRef,
        subjects,
      });
    await plane.must('POST', `${RBAC}/roles`, { ...role, kind: 'Role', rules });
    await bind();
    const { names, reflector } = await start(t, await plane.kubeconfigFor({ name: 'reader' }));
    const known = names.size;
    await plane.must('DELETE', `${RBAC}/rolebindings/reader`);
    await until(() => reflector.state().failures > 0);
    const { lastError } = reflector.state();
    t.is((lastError as ApiError).status, 403);
    t.regex(
      String(lastError?.message),
      /User "reader" cannot (list|watch) resource "configmaps" .*; apply config\/deploy, which grants "(list|watch)" on configmaps/,
    );
    t.is(names.size, known);
    await create('without-rights');
    await bind();
    await until(() => names.has('without-rights'));
    await until(() => reflector.state().failures === 0);
  },
);

test.serial('a database that was put back is seen, and said', async (t) => {
  const { names, restored, reflector } = await start(t);
  const snapshot = await plane.snapshotEtcd();
  // So many that what the server writes when it starts again does not make up for them.
  const all = Array.from({ length: LOST }, (_, index) => `lost-${index}`);
  await Promise.all(all.map(create));
  await until(() => all.every((name) => names.has(name)));
  await plane.restoreEtcd(snapshot);
  await until(() => !all.some((name) => names.has(name)));
  t.deepEqual(restored.slice(1), [true]);
  t.deepEqual([...names].sort(), await serverNames());
  await create('found');
  await until(() => names.has('found'));
  t.is(reflector.state().failures, 0);
});
