import { setImmediate as nextTurn } from 'node:timers/promises';
import test from 'ava';
import type { Claim } from '../../src/cluster/claim.ts';
import { decodeObject, type Kind } from '../../src/cluster/decode/cluster-object.ts';
import { createStore } from '../../src/cluster/store.ts';
import type { Problem } from '../../src/domain/problem.ts';
import type { Snapshot } from '../../src/domain/snapshot.ts';
import { status } from '../support/objects.ts';

function claim(kind: Kind, fields: object, more: Partial<Claim> = {}): Claim {
  const { value, problems } = decodeObject(kind, fields);
  if (value === undefined) throw new Error(JSON.stringify(problems));
  return { object: value, position: undefined, wasInForce: false, ...more };
}

function service(name: string, port = 80, more: Partial<Claim> = {}): Claim {
  return claim('Service', { metadata: { name }, spec: { ports: [{ port }] } }, more);
}

function slice(name: string, service: string, ip = '10.0.0.1'): Claim {
  const labels = { 'kubernetes.io/service-name': service };
  const fields = { metadata: { name, labels }, addressType: 'IPv4' };
  return claim('EndpointSlice', { ...fields, endpoints: [{ addresses: [ip] }] });
}

function portOf(snapshot: Snapshot, name: string): number | undefined {
  return snapshot.services.get(`default/${name}`)?.ports[0]?.port;
}

test('createStore() makes one revision of all changes of a turn', async (t) => {
  const store = createStore();
  const seen: Snapshot[] = [];
  store.subscribe((snapshot) => seen.push(snapshot));
  store.replace('a', [service('web')], []);
  store.replace('b', [service('shop')], []);
  store.setStatuses([['default/web', status(['192.0.2.1'])]]);
  t.is(store.current().revision, 0);
  await nextTurn();
  await nextTurn();
  t.is(seen.length, 1);
  t.is(seen[0], store.current());
  t.is(store.current().revision, 1);
  t.deepEqual([...store.current().services.keys()].sort(), ['default/shop', 'default/web']);
});

test('subscribe() calls back in a later turn, and not after unsubscribing', async (t) => {
  const store = createStore();
  let calls = 0;
  const unsubscribe = store.subscribe(() => {
    calls += 1;
  });
  store.replace('a', [service('web')], []);
  store.publish();
  t.is(calls, 0);
  t.is(store.current().revision, 1);
  await nextTurn();
  t.is(calls, 1);
  unsubscribe();
  store.replace('a', [], []);
  store.publish();
  await nextTurn();
  t.is(calls, 1);
});

test('publish() makes no revision when nothing has changed', (t) => {
  const store = createStore();
  store.replace('a', [service('web')], []);
  const before = store.publish();
  store.replace('a', [service('web')], []);
  store.setStatuses([['default/none', undefined]]);
  t.is(store.publish(), before);
});

test('an object that says the same stays the same object', (t) => {
  const store = createStore();
  const secret = () => claim('Secret', { metadata: { name: 's' }, stringData: { a: '1' } });
  store.replace('a', [service('web'), service('shop'), secret()], []);
  const before = store.publish();
  store.replace('a', [service('web'), service('shop', 81), secret()], []);
  const after = store.publish();
  t.deepEqual(after.services.changedKeys(before.services), ['default/shop']);
  t.is(after.services.get('default/web'), before.services.get('default/web'));
  t.is(after.secrets, before.secrets);
  store.replace('a', [claim('Secret', { metadata: { name: 's' }, stringData: { a: '2' } })], []);
  t.not(store.publish().secrets.get('default/s'), before.secrets.get('default/s'));
});

test('a peer with the same password stays the same object, and with another it is another', (t) => {
  const store = createStore();
  const peer = (password: string) =>
    claim('BGPPeer', {
      metadata: { name: 'tor' },
      spec: { myASN: 1, peerASN: 2, peerAddress: '192.0.2.1', password },
    });
  store.replace('a', [peer('one')], []);
  const before = store.publish();
  store.replace('a', [peer('one'), service('web')], []);
  t.is(store.publish().bgpPeers, before.bgpPeers);
  store.replace('a', [peer('two'), service('web')], []);
  t.not(store.publish().bgpPeers, before.bgpPeers);
});

test('an equal status stays the same object, also within a turn', (t) => {
  const store = createStore();
  store.setStatuses([['default/web', status(['192.0.2.1'])]]);
  const before = store.publish();
  store.setStatuses([['default/web', status(['192.0.2.1'])]]);
  t.is(store.publish(), before);
  store.setStatuses([['default/web', undefined]]);
  store.setStatuses([['default/web', status(['192.0.2.1'])]]);
  t.is(store.publish().statuses.get('default/web')?.pool, 'pool');
});

test('endpoints are grouped by Service and sorted by slice', (t) => {
  const store = createStore();
  store.replace('a', [slice('z', 'web'), slice('b', 'web'), slice('c', 'shop')], []);
  const before = store.publish();
  const keys = (key: string) => before.endpoints.get(key)?.slices.map((one) => one.key);
  t.deepEqual(keys('default/web'), ['default/b', 'default/z']);
  t.deepEqual(keys('default/shop'), ['default/c']);
  store.replace('a', [slice('z', 'web'), slice('b', 'web'), slice('c', 'shop', '10.0.0.9')], []);
  const after = store.publish();
  t.deepEqual(after.endpoints.changedKeys(before.endpoints), ['default/shop']);
  store.replace('a', [slice('z', 'shop')], []);
  const last = store.publish();
  t.false(last.endpoints.has('default/web'));
  t.deepEqual(
    last.endpoints.get('default/shop')?.slices.map((one) => one.key),
    ['default/z'],
  );
});

test('an Endpoints object counts only while its Service has no slice', (t) => {
  const store = createStore();
  const legacy = claim('Endpoints', {
    metadata: { name: 'web' },
    subsets: [{ addresses: [{ ip: '10.0.0.7' }] }],
  });
  const first = () => store.publish().endpoints.get('default/web')?.slices[0]?.key;
  store.replace('legacy', [legacy], []);
  t.is(first(), 'default/web#0-ipv4');
  store.replace('slices', [slice('x', 'web')], []);
  t.is(first(), 'default/x');
  store.replace('slices', [], []);
  t.is(first(), 'default/web#0-ipv4');
});

const at = (file: string, line: number) => ({ position: { file, line, column: 1 } });

test('of two documents with the same object the first by name counts, and the other is told', (t) => {
  const store = createStore();
  store.replace('b.yaml', [service('web', 2, at('b.yaml', 4))], []);
  store.replace('a.yaml', [service('web', 1, at('a.yaml', 9))], []);
  const fresh = createStore();
  fresh.replace('a.yaml', [service('web', 1, at('a.yaml', 9))], []);
  fresh.replace('b.yaml', [service('web', 2, at('b.yaml', 4))], []);
  t.is(portOf(fresh.publish(), 'web'), 1);
  t.deepEqual(fresh.current().problems, [
    {
      severity: 'error',
      object: { kind: 'Service', key: 'default/web' },
      position: { file: 'b.yaml', line: 4, column: 1 },
      message: 'Service default/web stands here and in a.yaml:9; the one there counts',
      remedy: 'Remove one of the two',
    },
  ]);
});

test('of two documents the one that counts already goes on counting, until it says no more', (t) => {
  const store = createStore();
  store.replace('b', [service('web', 2)], []);
  store.publish();
  store.replace('a', [service('web', 1)], []);
  t.is(portOf(store.publish(), 'web'), 2);
  store.replace('b', [service('web', 3)], []);
  t.is(portOf(store.publish(), 'web'), 3);
  store.replace('b', [], []);
  t.is(portOf(store.publish(), 'web'), 1);
  t.deepEqual(store.current().problems, []);
});

test('of two documents the one that counted in an earlier process counts', (t) => {
  const store = createStore();
  const claims = [service('web', 1), service('web', 2, { wasInForce: true })];
  store.replace('b', [claims[1] ?? t.fail()] as Claim[], []);
  store.replace('a', [claims[0] ?? t.fail()] as Claim[], []);
  t.is(portOf(store.publish(), 'web'), 2);
});

test('the same object twice in one document: what counts goes on counting', (t) => {
  const store = createStore();
  store.replace('a', [service('web', 1)], []);
  store.publish();
  store.replace('a', [service('web', 5), service('web', 1)], []);
  t.is(portOf(store.publish(), 'web'), 1);
  t.is(store.current().problems.length, 1);
  store.replace('a', [service('web', 5), service('web', 6)], []);
  t.is(portOf(store.publish(), 'web'), 5);
});

test('pools are the same object when they have the same name', (t) => {
  const pool = (namespace: string) =>
    claim('IPAddressPool', {
      metadata: { name: 'main', namespace },
      spec: { addresses: ['192.0.2.0/24'] },
    });
  const store = createStore();
  store.replace('a', [pool('one')], []);
  store.replace('b', [pool('two')], []);
  t.deepEqual([...store.publish().pools.keys()], ['one/main']);
  t.is(store.current().problems.length, 1);
  store.replace('a', [], []);
  t.deepEqual([...store.publish().pools.keys()], ['two/main']);
});

test('replace() returns the objects for which another claim may count', (t) => {
  const store = createStore();
  const web = service('web');
  t.deepEqual(
    [...store.replace('a', [web, service('shop')], [])],
    ['Service default/web', 'Service default/shop'],
  );
  t.deepEqual([...store.replace('a', [web, service('shop', 81)], [])], ['Service default/shop']);
  t.is(store.inForce('Service default/shop')?.document, 'a');
  t.is(store.inForce('Service default/none'), undefined);
});

test('problems are bounded, in the order of their documents', (t) => {
  const store = createStore();
  const problem = (message: string): Problem => ({ severity: 'error', message, remedy: 'Mend it' });
  store.replace('b', [], [problem('second')]);
  store.replace('a', [], [problem('first')]);
  t.deepEqual(
    store.publish().problems.map(({ message }) => message),
    ['first', 'second'],
  );
  store.replace(
    'c',
    [],
    Array.from({ length: 1200 }, (_, index) => problem(`${index}`)),
  );
  const { problems } = store.publish();
  t.is(problems.length, 1001);
  t.is(problems.at(-1)?.message, 'There are 202 more problems');
});

test('put() and tell() need no documents: an object takes the place of the one before it', (t) => {
  const store = createStore();
  const [web, other] = [service('web').object, service('web', 81).object];
  const problem: Problem = { severity: 'error', message: 'Broken', remedy: 'Mend it' };
  store.put(undefined, web);
  store.tell('Service default/web', [problem]);
  const first = store.publish();
  t.is(portOf(first, 'web'), 80);
  t.deepEqual(first.problems, [problem]);
  store.put(web, other);
  store.tell('Service default/web', []);
  const second = store.publish();
  t.is(portOf(second, 'web'), 81);
  t.deepEqual(second.problems, []);
  store.put(other, undefined);
  t.is(store.publish().services.size, 0);
});

test('hold() collects changes until it is over, and then there is one revision', async (t) => {
  const store = createStore();
  const [first, second] = [store.hold(), store.hold()];
  store.put(undefined, service('web').object);
  t.is(store.publish().revision, 0);
  await nextTurn();
  first();
  first();
  t.is(store.current().revision, 0);
  store.put(undefined, service('shop').object);
  second();
  t.is(store.current().revision, 1);
  t.is(store.current().services.size, 2);
});

test('a snapshot says whether it is remembered', (t) => {
  const store = createStore();
  store.put(undefined, service('web').object);
  store.setRemembered(true);
  const remembered = store.publish();
  t.true(remembered.remembered);
  store.setRemembered(false);
  const read = store.publish();
  t.false(read.remembered);
  t.is(read.services, remembered.services);
});
