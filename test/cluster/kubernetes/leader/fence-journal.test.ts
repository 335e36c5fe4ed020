import test from 'ava';
import {
  fenceJournal,
  isExposed,
} from '../../../../src/cluster/kubernetes/leader/fence-journal.ts';
import type { JournalEntry } from '../../../../src/cluster/kubernetes/leader/journal.ts';
import { ApiError } from '../../../../src/cluster/kubernetes/transport/api-error.ts';
import type { ApiRequest } from '../../../../src/cluster/kubernetes/transport/api-request.ts';
import { SETTINGS } from '../../../plan/allocation-cluster.ts';
import { refusal, simulatedApi } from './simulated-api.ts';
import { createSimulatedStore, decodedService } from './simulated-store.ts';

function bench(...names: string[]) {
  const api = simulatedApi(() => {});
  const store = createSimulatedStore(() => []);
  for (const name of names) {
    const ports = [{ port: 80, protocol: 'TCP', targetPort: 80 }];
    api.create('services', `default/${name}`, { spec: { type: 'LoadBalancer', ports } });
  }
  const requests: ApiRequest[] = [];
  const ended: string[] = [];
  const object = (name: string) => {
    const found = api.list('services').get(`default/${name}`);
    if (!found) throw new Error(`There is no ${name}`);
    return found;
  };
  const bench = {
    api,
    requests,
    ended,
    object,
    fate: (request: ApiRequest): unknown => api.handle(request),
    /** The fresh list that comes before. */
    list() {
      store.replace('services', [...api.list('services')], api.version());
      return bench;
    },
    known: (name: string) => store.baseOf(`default/${name}`)?.resourceVersion,
    entry(name: string): JournalEntry {
      const { uid, resourceVersion } = object(name).metadata;
      return { service: `default/${name}`, uid, resourceVersion, addresses: [] };
    },
    fence: (entries: readonly JournalEntry[], complete = true) =>
      fenceJournal(
        { entries, complete },
        {
          connection: {
            server: 'https://api:6443',
            async request(request) {
              requests.push(request);
              return bench.fate(request);
            },
          },
          fieldManager: 'tidegate-controller',
          identity: 'box_1',
          end: (done) => ended.push(...[...done].map(({ service }) => service)),
          baseOf: store.baseOf,
          exposed: store.exposed,
          onRead: store.written,
          wallMs: () => 0,
        },
      ),
  };
  return bench;
}

/** What an old leader sends at last. */
const lateGrant = ({ uid, resourceVersion }: JournalEntry) => ({
  method: 'PATCH' as const,
  path: '/api/v1/namespaces/default/services/a/status',
  body: {
    metadata: { uid, resourceVersion },
    status: { loadBalancer: { ingress: [{ ip: '192.0.2.1' }] } },
  },
});

test('fenceJournal() makes a late request fail, and knows the new version', async (t) => {
  const it = bench('a', 'b').list();
  const entry = it.entry('a');
  await it.fence([entry]);
  t.deepEqual(it.ended, ['default/a']);
  t.is(it.requests.length, 1);
  t.throws(() => it.api.handle(lateGrant(entry)), { message: '409 Conflict' });
  t.is(it.known('a'), it.object('a').metadata.resourceVersion);
  t.not(it.known('a'), entry.resourceVersion);
  const { conditions } = decodedService(it.object('a')).base;
  t.like(conditions[0], {
    type: 'tidegate.io/Allocated',
    status: 'Unknown',
    reason: 'LeaderChanged',
  });
});

test('fenceJournal() makes a new version each time, also by the same process in the same second', async (t) => {
  const it = bench('a');
  for (let time = 0; time < 3; time++) {
    const entry = it.list().entry('a');
    await it.fence([entry]);
    t.not(it.object('a').metadata.resourceVersion, entry.resourceVersion);
  }
});

test('fenceJournal() sends nothing where a request comes too late anyhow', async (t) => {
  const it = bench('a', 'b', 'c');
  const entries = ['a', 'b', 'c'].map(it.entry);
  it.api.edit('services', 'default/a', (object) => ({ ...object, x: 1 }));
  it.api.remove('services', 'default/b');
  it.api.remove('services', 'default/c');
  it.api.create('services', 'default/c', { spec: { type: 'LoadBalancer' } });
  await it.list().fence(entries);
  t.deepEqual(it.requests, []);
  t.deepEqual(it.ended.sort(), ['default/a', 'default/b', 'default/c']);
});

test('fenceJournal() looks again at what has changed in the meantime', async (t) => {
  const it = bench('a').list();
  const entry = it.entry('a');
  it.api.handle(lateGrant(entry));
  await it.fence([entry]);
  t.deepEqual(
    it.requests.map(({ method }) => method),
    ['PATCH', 'GET'],
  );
  t.deepEqual(it.ended, ['default/a']);
  t.is(it.known('a'), it.object('a').metadata.resourceVersion);
});

test('fenceJournal() rejects when it is not sure of all, and leaves what is invalid in the journal', async (t) => {
  const it = bench('a', 'b').list();
  const entries = [it.entry('a'), it.entry('b')];
  const fail = (status: number) => (request: ApiRequest) => {
    if (request.path.includes('/b')) throw refusal(status, 'no');
    return it.api.handle(request);
  };
  for (const status of [500, 503, 429, 403]) {
    it.fate = fail(status);
    await t.throwsAsync(it.fence(entries), { instanceOf: ApiError });
    t.false(it.ended.includes('default/b'));
  }
  it.fate = fail(422);
  await it.fence(entries);
  t.false(it.ended.includes('default/b'));
  it.fate = () => '<html>';
  await t.throwsAsync(it.fence(entries), { message: /with no object/ });
});

test('fenceJournal() fences all that may be concerned when the journal is lost', async (t) => {
  const it = bench('a', 'b', 'c').list();
  const before = ['a', 'b', 'c'].map((name) => it.entry(name).resourceVersion);
  await it.fence([it.entry('a')], false);
  const after = ['a', 'b', 'c'].map((name) => it.entry(name).resourceVersion);
  t.is(it.requests.length, 3);
  t.true(after.every((version, index) => version !== before[index]));
});

test("isExposed() leaves others' Services alone", (t) => {
  const it = bench('a');
  const decoded = (change: object) => {
    it.api.edit('services', 'default/a', (object) => ({ ...object, ...change }));
    const { base, service } = decodedService(it.object('a'));
    return isExposed(base, service, SETTINGS);
  };
  const { metadata } = it.object('a');
  const theirs = { type: 'LoadBalancer', loadBalancerClass: 'example.com/other' };
  t.true(decoded({}));
  t.false(decoded({ status: { loadBalancer: { ingress: [{ ip: '192.0.2.1' }] } } }));
  t.false(decoded({ status: {}, spec: theirs }));
  t.false(decoded({ spec: { type: 'ClusterIP' } }));
  const guarded = { ...metadata, finalizers: ['service.kubernetes.io/load-balancer-cleanup'] };
  t.true(decoded({ metadata: guarded }));
});
