import test from 'ava';
import fc from 'fast-check';
import type { KubeObject, WatchEvent } from '../../../../src/cluster/kubernetes/kube-object.ts';
import {
  createFeed,
  type Feed,
  type FeedOptions,
  PATIENCE_MS,
} from '../../../../src/cluster/kubernetes/reading/feed.ts';
import { createServiceStatuses } from '../../../../src/cluster/kubernetes/status/service-statuses.ts';
import { createStore, type Store } from '../../../../src/cluster/store.ts';
import { formatAddress } from '../../../../src/domain/address.ts';
import { type FakeClock, fakeClock } from '../../../support/fake-clock.ts';

interface World {
  readonly feed: Feed;
  readonly store: Store;
  readonly clock: FakeClock;
  restores: number;
  confirms: number;
  /** A complete list, read object by object as a reflector does. */
  list(version: number, objects: readonly KubeObject[], isRestored?: boolean): Promise<void>;
  events(...events: readonly (readonly [WatchEvent['type'], KubeObject])[]): void;
}

function world(changes: Partial<FeedOptions> = {}): World {
  const store = createStore();
  const clock = fakeClock();
  const made = { restores: 0, confirms: 0 };
  const feed = createFeed({
    kind: 'Service',
    store,
    clock,
    breathe: () => undefined,
    confirm: async () => {
      made.confirms += 1;
    },
    onRestored: () => {
      made.restores += 1;
    },
    memory: undefined,
    statuses: createServiceStatuses({ store, clock, eventsOf: () => [] }),
    ...changes,
  });
  return Object.assign(made, {
    ...{ feed, store, clock },
    async list(version: number, objects: readonly KubeObject[], isRestored = false) {
      await feed.sink.replace(objects.map(feed.trim), String(version), isRestored);
    },
    events(...events: readonly (readonly [WatchEvent['type'], KubeObject])[]) {
      feed.sink.apply(events.map(([type, object]) => ({ type, object: feed.trim(object) })));
    },
  });
}

interface Fields {
  readonly port?: unknown;
  readonly ip?: string;
  readonly uid?: string;
}

function service(name: string, version: number, fields: Fields = {}): KubeObject {
  const { port = 80, ip, uid = `uid-${name}` } = fields;
  return {
    metadata: { name, namespace: 'default', uid, resourceVersion: String(version) },
    spec: { type: 'LoadBalancer', ports: [{ port }] },
    status: { loadBalancer: ip === undefined ? {} : { ingress: [{ ip }] } },
  };
}

function ports({ store }: World): Record<string, number | undefined> {
  return Object.fromEntries(
    [...store.publish().services]
      .map(
        ([
          key,
          {
            ports: [port],
          },
        ]) => [key, port?.port],
      )
      .sort(),
  );
}

function addressOf({ store }: World, name: string): string {
  const address = store.publish().statuses.get(`default/${name}`)?.addresses[0];
  return address === undefined ? '' : formatAddress(address);
}

test('a list puts its objects in the store, with their statuses, and takes others away', async (t) => {
  const w = world();
  await w.list(10, [service('a', 3, { ip: '192.0.2.1' }), service('b', 4)]);
  t.deepEqual(ports(w), { 'default/a': 80, 'default/b': 80 });
  t.is(addressOf(w, 'a'), '192.0.2.1');
  await w.list(12, [service('b', 4)]);
  t.deepEqual(ports(w), { 'default/b': 80 });
  t.is(w.store.current().statuses.size, 0);
  t.is(w.confirms, 2);
});

test('a list that brings nothing new makes no revision and keeps every object', async (t) => {
  const w = world();
  await w.list(10, [service('a', 3), service('b', 4, { port: 'x' })]);
  const before = w.store.publish();
  await w.list(20, [service('a', 3), service('b', 4, { port: 'x' })]);
  t.is(w.store.publish(), before);
  // A new version that says the same is the same object, too.
  w.events(['MODIFIED', service('a', 21)]);
  t.is(w.store.publish(), before);
});

test('what a list knows already is not read again', async (t) => {
  const w = world();
  await w.list(10, [service('a', 3)]);
  t.false('said' in w.feed.trim(service('a', 3)));
  t.true('said' in w.feed.trim(service('a', 4)));
  t.true('said' in w.feed.trim(service('a', 3, { uid: 'another' })));
});

test('events add, change and delete', async (t) => {
  const w = world();
  await w.list(10, [service('a', 3)]);
  w.events(['ADDED', service('b', 11)], ['MODIFIED', service('a', 12, { port: 81 })]);
  t.deepEqual(ports(w), { 'default/a': 81, 'default/b': 80 });
  w.events(['DELETED', service('b', 13)]);
  t.deepEqual(ports(w), { 'default/a': 81 });
});

test('a broken version leaves the last good one in force, with a problem that goes when it is mended', async (t) => {
  const w = world();
  await w.list(10, [service('a', 3, { ip: '192.0.2.1' }), service('new', 4, { port: 'x' })]);
  w.events(['MODIFIED', service('a', 11, { port: 'x', ip: '192.0.2.2' })]);
  t.deepEqual(ports(w), { 'default/a': 80 });
  t.is(addressOf(w, 'a'), '192.0.2.2');
  const [own, fresh] = w.store.current().problems;
  t.deepEqual(own?.object, { kind: 'Service', key: 'default/a' });
  t.is(own?.field, 'spec.ports[0].port');
  t.is(own?.position, undefined);
  t.regex(own?.remedy ?? '', /; until then the object stays as it was$/);
  t.deepEqual(fresh?.object, { kind: 'Service', key: 'default/new' });
  t.notRegex(fresh?.remedy ?? '', /until then/);
  w.events(
    ['MODIFIED', service('a', 12, { port: 82 })],
    ['MODIFIED', service('new', 13, { port: 83 })],
  );
  t.deepEqual(ports(w), { 'default/a': 82, 'default/new': 83 });
  t.deepEqual(w.store.current().problems, []);
});

test('a broken object that was made anew does not live on as the one before it', async (t) => {
  const w = world();
  await w.list(10, [service('a', 3)]);
  w.events(['ADDED', service('a', 12, { port: 'x', uid: 'another' })]);
  t.deepEqual(ports(w), {});
});

test('nothing older than an answer to a request of ours comes after it', async (t) => {
  const w = world();
  await w.list(10, [service('a', 3)]);
  w.feed.take(service('a', 14, { ip: '192.0.2.4' }));
  w.events(['MODIFIED', service('a', 12, { ip: '192.0.2.2' })]);
  t.is(addressOf(w, 'a'), '192.0.2.4');
  // A list that was begun before the answer came.
  await w.list(13, [service('a', 12, { ip: '192.0.2.2' })]);
  t.is(addressOf(w, 'a'), '192.0.2.4');
  await w.list(13, [service('b', 13)]);
  t.is(addressOf(w, 'a'), '192.0.2.4');
  w.feed.take(service('a', 12, { ip: '192.0.2.2' }));
  t.is(addressOf(w, 'a'), '192.0.2.4');
  w.events(['MODIFIED', service('a', 14, { ip: '192.0.2.4' })], ['DELETED', service('a', 15)]);
  t.deepEqual(ports(w), { 'default/b': 80 });
});

test('an answer of ours that comes after the end of its object brings nothing back', async (t) => {
  const w = world();
  await w.list(10, [service('a', 3)]);
  w.events(['DELETED', service('a', 15)]);
  w.feed.take(service('a', 14));
  t.deepEqual(ports(w), {});
});

test('a list long after an answer of ours is newer, whatever its version says', async (t) => {
  const w = world();
  await w.list(10, [service('a', 3)]);
  w.feed.take(service('a', 14, { ip: '192.0.2.4' }));
  w.clock.advance(60_000);
  await w.list(13, [service('a', 12, { ip: '192.0.2.2' })]);
  t.is(addressOf(w, 'a'), '192.0.2.2');
});

test('the end of an object that was made anew already is no end', async (t) => {
  const w = world();
  await w.list(10, [service('a', 9, { uid: 'new' })]);
  w.events(['DELETED', service('a', 10, { uid: 'old' })]);
  t.deepEqual(ports(w), { 'default/a': 80 });
});

test('nothing is taken over from a server that is not confirmed', async (t) => {
  let isOther = false;
  const confirm = async () => {
    if (isOther) throw new Error('another cluster');
  };
  const w = world({ confirm });
  await w.list(10, [service('a', 3)]);
  isOther = true;
  await t.throwsAsync(w.list(11, []), { message: 'another cluster' });
  t.deepEqual(ports(w), { 'default/a': 80 });
});

test('a server that went back in time is read in full, and its Services keep what they had', async (t) => {
  const w = world();
  await w.list(20, [service('a', 15, { ip: '192.0.2.1' }), service('b', 16, { port: 81 })]);
  // The same version may stand for something else in another history.
  const past = [service('a', 9), service('b', 16, { port: 82 })];
  await t.throwsAsync(w.list(17, past, true), { message: /gone back in time/ });
  w.clock.advance(PATIENCE_MS - 1);
  await t.throwsAsync(w.list(17, past, true), { message: /gone back in time/ });
  t.deepEqual(ports(w), { 'default/a': 80, 'default/b': 81 });
  t.is(w.restores, 0);
  w.clock.advance(1);
  await w.list(17, past, true);
  t.deepEqual(ports(w), { 'default/a': 80, 'default/b': 82 });
  t.is(addressOf(w, 'a'), '192.0.2.1');
  t.is(w.restores, 1);
  // Versions are low again, and count.
  w.events(['MODIFIED', service('b', 18, { port: 83 })]);
  t.is(ports(w)['default/b'], 83);
});

test('an older server that answers now and then is not believed', async (t) => {
  const w = world();
  const now = [service('a', 15, { ip: '192.0.2.1' }), service('b', 16)];
  await w.list(20, now);
  const before = w.store.publish();
  for (let round = 0; round < 4; round += 1) {
    await t.throwsAsync(w.list(11, [service('a', 9)], true));
    w.clock.advance(PATIENCE_MS / 2);
    await w.list(20, now);
  }
  t.is(w.store.publish(), before);
  t.is(w.restores, 0);
});

test('a list without anything is believed when the next ones have nothing, too', async (t) => {
  const w = world();
  await w.list(10, [service('a', 3), service('b', 4)]);
  const before = w.store.publish();
  await t.throwsAsync(w.list(20, []), { message: /lists nothing, where there were 2/ });
  w.clock.advance(PATIENCE_MS - 1);
  await t.throwsAsync(w.list(21, []));
  await w.list(22, [service('a', 3), service('b', 4)]);
  t.is(w.store.publish(), before);
  w.clock.advance(PATIENCE_MS);
  await t.throwsAsync(w.list(30, []), undefined, 'what was doubted before does not count');
  w.clock.advance(PATIENCE_MS);
  await w.list(31, []);
  t.deepEqual(ports(w), {});
  await w.list(32, []);
});

test('distrust() has the next list read in full, though its version is higher', async (t) => {
  const w = world();
  await w.list(20, [service('a', 15, { ip: '192.0.2.1' })]);
  const [unread] = [w.feed.trim(service('a', 15))];
  w.feed.distrust();
  await t.throwsAsync(async () => w.feed.sink.replace([unread], '30', false));
  await w.list(30, [service('a', 15)]);
  t.is(addressOf(w, 'a'), '192.0.2.1');
  t.is(w.restores, 0);
  // From here on versions are trusted again.
  t.false('said' in w.feed.trim(service('a', 15)));
});

test('what an earlier process saw is in force until a list, and keeps its identity', async (t) => {
  const w = world();
  w.feed.recall('default/a', service('a', 3, { ip: '192.0.2.1' }));
  w.feed.recall('default/b', service('b', 4));
  w.feed.recall('default/c', { spec: {} });
  w.feed.recall('default/d', service('e', 4));
  t.deepEqual(ports(w), { 'default/a': 80, 'default/b': 80 });
  const before = w.store.current();
  // Its version proves nothing: an earlier release may have kept less of it.
  t.true('said' in w.feed.trim(service('a', 3)));
  await w.list(10, [service('a', 3, { ip: '192.0.2.1' })]);
  t.deepEqual(ports(w), { 'default/a': 80 });
  const after = w.store.current();
  t.is(after.services.get('default/a'), before.services.get('default/a'));
  t.is(after.statuses.get('default/a'), before.statuses.get('default/a'));
  w.feed.recall('default/b', service('b', 4));
  t.deepEqual(ports(w), { 'default/a': 80 });
});

test('clear() says that there is nothing of the kind', (t) => {
  const w = world();
  w.feed.recall('default/a', service('a', 3));
  w.feed.clear();
  t.is(w.feed.size, 0);
  t.deepEqual(ports(w), {});
});

test('a long list lets others have their turn', async (t) => {
  let breaths = 0;
  const breathe = () => {
    breaths += 1;
    return undefined;
  };
  const w = world({ breathe });
  await w.list(10, [service('a', 3), service('b', 4), service('c', 5)]);
  t.is(breaths, 3);
});

/** One change of one object at the server; `isOurs`: its answer comes before its event. */
const step = fc.record({
  name: fc.constantFrom('a', 'b', 'c'),
  act: fc.constantFrom('write', 'ours', 'delete', 'list', 'catch up'),
});

test('however lists, events and answers come, no object goes back, and all end as the server has them', async (t) => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      const w = world();
      const server = new Map<string, KubeObject>();
      let version = 1;
      let waiting: [WatchEvent['type'], KubeObject][] = [];
      const seen = new Map<string, number>();
      const check = () => {
        for (const [
          key,
          {
            ports: [port],
          },
        ] of w.store.publish().services) {
          const uid = w.store.current().services.get(key)?.uid ?? '';
          t.true((port?.port ?? 0) >= (seen.get(uid) ?? 0));
          seen.set(uid, port?.port ?? 0);
        }
      };
      await w.list(version, []);
      for (const { name, act } of steps) {
        const before = server.get(name);
        if (act === 'write' || act === 'ours') {
          version += 1;
          const uid = before?.metadata.uid ?? `${name}-${version}`;
          const now = service(name, version, { port: version, uid });
          server.set(name, now);
          waiting.push([before ? 'MODIFIED' : 'ADDED', now]);
          if (act === 'ours' && before) w.feed.take(now);
        } else if (act === 'delete' && before) {
          version += 1;
          server.delete(name);
          const { metadata } = before;
          const last = { ...before, metadata: { ...metadata, resourceVersion: String(version) } };
          waiting.push(['DELETED', last]);
        } else if (act === 'list') {
          waiting = [];
          const list = () => w.list(version, [...server.values()]);
          const isDoubted = server.size === 0 && w.feed.size > 0;
          if (isDoubted) await t.throwsAsync(list());
          if (isDoubted) w.clock.advance(PATIENCE_MS);
          await list();
        } else if (act === 'catch up') {
          w.events(...waiting.splice(0, 2));
        }
        check();
      }
      w.events(...waiting);
      check();
      const expected = [...server].map(([name, { metadata }]) => [
        `default/${name}`,
        Number(metadata.resourceVersion),
      ]);
      t.deepEqual(ports(w), Object.fromEntries(expected.sort()));
    }),
    { numRuns: 200 },
  );
});
