import test from 'ava';
import {
  checkCount,
  createKindReader,
  MAX_OBJECTS,
} from '../../../../src/cluster/kubernetes/reflector/kind-reader.ts';
import { ApiError } from '../../../../src/cluster/kubernetes/transport/api-error.ts';

const metadata = { name: 'web', namespace: 'default', uid: 'u', resourceVersion: '7' };
const reader = createKindReader('Service', '/api/v1/services', (object) => object);

function line(type: string, object: unknown) {
  return reader.line(JSON.stringify({ type, object }));
}

test('createKindReader() understands events, bookmarks and the end of what there was', (t) => {
  const object = { kind: 'Service', metadata };
  for (const type of ['ADDED', 'MODIFIED', 'DELETED'] as const) {
    t.deepEqual(line(type, object), { kind: 'event', event: { type, object } });
  }
  const bookmark = (annotations?: object) =>
    line('BOOKMARK', { kind: 'Service', metadata: { resourceVersion: '9', annotations } });
  t.deepEqual(bookmark(), { kind: 'bookmark', resourceVersion: '9', endsInitial: false });
  t.deepEqual(bookmark({ 'k8s.io/initial-events-end': 'true' }), {
    kind: 'bookmark',
    resourceVersion: '9',
    endsInitial: true,
  });
});

test('createKindReader() throws what an ERROR event says', (t) => {
  const expired = { kind: 'Status', code: 410, reason: 'Expired', message: 'too old' };
  const error = t.throws(() => line('ERROR', expired), { instanceOf: ApiError });
  t.is(error.status, 410);
  t.is(error.reason, 'Expired');
  t.is(error.message, '/api/v1/services: 410 Expired: too old');
  const busy = { kind: 'Status', code: 429, details: { retryAfterSeconds: 3 } };
  t.is(t.throws(() => line('ERROR', busy), { instanceOf: ApiError }).retryAfterMs, 3_000);
  const nothing = t.throws(() => line('ERROR', 'what?'), { instanceOf: ApiError });
  t.is(nothing.reason, 'Garbage');
});

for (const [what, read] of [
  ['no JSON', () => reader.line('{"type":"ADDED"')],
  ['no object', () => reader.line('"ADDED"')],
  ['an unknown type', () => line('RENAMED', { kind: 'Service', metadata })],
  ['another kind', () => line('ADDED', { kind: 'Pod', metadata })],
  ['an object without metadata', () => line('ADDED', { kind: 'Service' })],
  ['an object without uid', () => line('ADDED', { kind: 'Service', metadata: { name: 'a' } })],
  ['an empty name', () => line('ADDED', { kind: 'Service', metadata: { ...metadata, name: '' } })],
  [
    'a wrong namespace',
    () => reader.item(JSON.stringify({ metadata: { ...metadata, namespace: 1 } })),
  ],
  ['a bookmark without place', () => line('BOOKMARK', { kind: 'Service', metadata: {} })],
  ['an item that is null', () => reader.item('null')],
  ['an item without metadata', () => reader.item('{}')],
  ['a list of another kind', () => reader.frame({ kind: 'PodList', metadata, items: [] })],
  ['no list', () => reader.frame({ kind: 'Service', metadata, items: [] })],
  ['a list without items', () => reader.frame({ kind: 'ServiceList', metadata })],
  ['a list without place', () => reader.frame({ kind: 'ServiceList', metadata: {}, items: [] })],
  ['nothing', () => reader.frame(undefined)],
] as const) {
  test(`createKindReader() takes ${what} for garbage, and does not quote it`, (t) => {
    const error = t.throws(read as () => unknown, { instanceOf: ApiError });
    t.is(error.reason, 'Garbage');
    t.notRegex(error.message, /ADDED|default|Pod/);
  });
}

test('createKindReader() reads a list’s place and its next page', (t) => {
  const frame = (more: object) =>
    reader.frame({ kind: 'ServiceList', metadata: { resourceVersion: '5', ...more }, items: null });
  t.deepEqual(frame({}), { resourceVersion: '5', continueToken: '' });
  t.deepEqual(frame({ continue: 'x' }), { resourceVersion: '5', continueToken: 'x' });
});

test('checkCount() refuses a list that never ends', (t) => {
  checkCount(MAX_OBJECTS, '/x');
  const error = t.throws(() => checkCount(MAX_OBJECTS + 1, '/x'), { instanceOf: ApiError });
  t.is(error.reason, 'TooLarge');
});
