import test from 'ava';
import fc from 'fast-check';
import type { ReflectorState } from '../../../../src/cluster/kubernetes/reflector/reflector-state.ts';
import { ApiError } from '../../../../src/cluster/kubernetes/transport/api-error.ts';
import { type Break, createModelServer, type Fault, type World } from './model-server.ts';
import { IDLE_MS, settle, startFixture } from './reflector-fixture.ts';

function serverWith(count: number, pieceBytes?: () => number) {
  const server = createModelServer(pieceBytes);
  for (let i = 0; i < count; i += 1) server.set(`n${i}`, i);
  return server;
}

function sorted(world: World) {
  return [...world].sort(([a], [b]) => (a < b ? -1 : 1));
}

const FAULTS: readonly Fault[] = [
  'refused',
  'hangs',
  'is answered 500',
  'is answered 429',
  'is answered 410',
  'is a web page',
  'breaks off',
  'ends early',
  'is of another kind',
  'lacks metadata',
];
const BREAKS: readonly Break[] = [
  'ends',
  'breaks',
  'half a line',
  'garbage',
  'expired',
  'error',
  'freezes',
];

test('startReflector() lists page by page, then watches from there', async (t) => {
  const server = serverWith(8);
  const { reflector, calls, world, pass } = startFixture(server);
  await settle();
  t.deepEqual(
    calls.map((call) => call.kind === 'replace' && [call.names.length, call.restored]),
    [[8, false]],
  );
  t.deepEqual(sorted(world), sorted(server.world()));
  t.deepEqual(
    server.requests.map(({ query }) => query),
    [
      { limit: '500' },
      { limit: '500', continue: '9/3' },
      { limit: '500', continue: '9/6' },
      { watch: 'true', resourceVersion: '9', allowWatchBookmarks: 'true', timeoutSeconds: '15' },
    ],
  );
  server.set('n1', 100);
  server.remove('n2');
  await settle();
  t.deepEqual(sorted(world), sorted(server.world()));
  await pass(1);
  t.is(reflector.state().resourceVersion, '11');
  t.is(server.maxInFlight(), 1);
  await reflector.stop();
});

test('startReflector() sends selectors with lists and watches', async (t) => {
  const server = serverWith(1);
  const { reflector } = startFixture(server, { labelSelector: 'a=b', fieldSelector: 'c=d' });
  await settle();
  t.is(server.requests.length, 2);
  t.true(
    server.requests.every(
      ({ query }) => query?.['labelSelector'] === 'a=b' && query['fieldSelector'] === 'c=d',
    ),
  );
  await reflector.stop();
});

test('startReflector() hands over the events of one piece in one call', async (t) => {
  const server = serverWith(1);
  const { reflector, calls } = startFixture(server);
  await settle();
  const line = (name: string, revision: number) => {
    const metadata = { name, namespace: 'default', uid: name, resourceVersion: `${revision}` };
    const object = { kind: 'Thing', metadata, spec: { value: 1 } };
    return `${JSON.stringify({ type: 'ADDED', object })}\n`;
  };
  server.say(line('a', 10) + line('b', 11) + line('c', 12).slice(0, 20));
  server.say(line('c', 12).slice(20));
  await settle();
  t.deepEqual(
    calls.slice(1).map((call) => call.kind === 'apply' && call.events.length),
    [2, 1],
  );
  await reflector.stop();
});

test('startReflector() trims each object right after parsing', async (t) => {
  const server = serverWith(1);
  const seen: unknown[] = [];
  const { reflector } = startFixture(server, {
    trim: ({ metadata, spec }) => ({ metadata, spec }),
    sink: {
      replace: (objects) => void seen.push(...objects),
      apply: (events) => void seen.push(...events.map(({ object }) => object)),
    },
  });
  await settle();
  server.set('n0', 7);
  await settle();
  t.deepEqual(
    seen.map((object) => Object.keys(object as object)),
    [
      ['metadata', 'spec'],
      ['metadata', 'spec'],
    ],
  );
  await reflector.stop();
});

for (const fault of FAULTS) {
  test(`startReflector() tries again when a list ${fault}`, async (t) => {
    const server = serverWith(8);
    server.fail(fault);
    const { reflector, world, calls, pass } = startFixture(server);
    await pass(IDLE_MS + 5_000);
    t.deepEqual(sorted(world), sorted(server.world()));
    t.is(calls.filter(({ kind }) => kind === 'replace').length, 1);
    t.is(reflector.state().failures, 0);
    await reflector.stop();
  });
}

for (const how of BREAKS) {
  test(`startReflector() misses nothing when a watch ${how}`, async (t) => {
    const server = serverWith(4);
    const { reflector, world, pass } = startFixture(server);
    await settle();
    server.break(how);
    server.set('n1', 50);
    server.remove('n3');
    await pass(IDLE_MS + 5_000);
    t.deepEqual(sorted(world), sorted(server.world()));
    t.is(reflector.state().garbage, how === 'garbage' || how === 'half a line' ? 1 : 0);
    await reflector.stop();
  });
}

test('startReflector() keeps everything while the server is away, and tells it once a minute', async (t) => {
  const server = serverWith(4);
  const { reflector, world, log, pass } = startFixture(server);
  await settle();
  const known = new Map(world);
  server.setDown(true);
  await pass(150_000);
  t.deepEqual(world, known);
  const { synced, failures, lastError } = reflector.state();
  t.true(synced);
  t.true(failures > 5);
  t.is((lastError as ApiError).reason, 'ConnectionRefused');
  t.is(log.lines.filter(({ level }) => level === 'warn').length, 4);
  server.set('n9', 9);
  server.setDown(false);
  await pass(31_000);
  t.deepEqual(sorted(world), sorted(server.world()));
  t.is(log.lines.at(-1)?.message, 'Reading from the API server again');
  await reflector.stop();
});

test('startReflector() takes an open watch for a good sign, also where nothing happens', async (t) => {
  const server = serverWith(1);
  const { reflector, pass } = startFixture(server);
  await settle();
  server.break('breaks');
  await settle();
  t.is(reflector.state().failures, 1);
  await pass(2_000);
  t.is(reflector.state().failures, 0);
  t.is(reflector.state().lists, 1);
  await reflector.stop();
});

test('startReflector() takes a watch that broke in its first moment for no good sign', async (t) => {
  const server = serverWith(1);
  const { reflector, pass } = startFixture(server);
  await settle();
  const failures: number[] = [];
  reflector.onState((state) => failures.push(state.failures));
  server.setDown(true);
  await pass(3_000);
  t.deepEqual(failures, [1, 2, 3]);
  await reflector.stop();
});

test('startReflector() tries a server that cannot be reached every few seconds', async (t) => {
  const server = serverWith(0);
  server.setDown(true);
  const { reflector, pass } = startFixture(server, { random: () => 0.999 });
  await pass(10_000);
  const atFirst = server.requests.length;
  await pass(300_000);
  const later = server.requests.length - atFirst;
  t.true(atFirst >= 3 && atFirst <= 6, `${atFirst} in 10 s`);
  t.true(later >= 59 && later <= 61, `${later} in 300 s`);
  await reflector.stop();
});

test('startReflector() ends a pause when it is told that the server may be there again', async (t) => {
  const server = serverWith(1);
  server.setDown(true);
  const { reflector, pass } = startFixture(server, { random: () => 0.999 });
  await pass(10_000);
  server.setDown(false);
  reflector.retry();
  await settle();
  t.true(reflector.state().synced);
  reflector.retry();
  await settle();
  t.is(reflector.state().lists, 1);
  await reflector.stop();
});

test('startReflector() asks a refusing server ever less often', async (t) => {
  const server = serverWith(0);
  for (let at = 0; at < 40; at += 1) server.fail('is answered 500');
  const { reflector, pass } = startFixture(server, { random: () => 0.999 });
  await pass(10_000);
  const atFirst = server.requests.length;
  await pass(300_000);
  const later = server.requests.length - atFirst;
  t.true(atFirst >= 3 && atFirst <= 6, `${atFirst} in 10 s`);
  t.true(later >= 28 && later <= 32, `${later} in 300 s`);
  await reflector.stop();
});

test('startReflector() leaves a server alone for as long as it asks', async (t) => {
  const server = serverWith(1);
  server.fail('is answered 429');
  const { reflector, pass } = startFixture(server);
  await settle();
  await pass(900);
  t.is(server.requests.length, 1);
  await pass(200);
  t.true(server.requests.length > 1);
  await reflector.stop();
});

test('startReflector() lists again after 410, without a pause, and once only', async (t) => {
  const server = serverWith(4);
  const { reflector, calls, pass } = startFixture(server);
  await settle();
  server.break('freezes');
  server.set('x', 1);
  server.compact();
  server.break('expired');
  await settle();
  t.is(calls.filter(({ kind }) => kind === 'replace').length, 2);
  const before = server.requests.length;
  server.break('expired');
  await settle();
  t.is(server.requests.length, before);
  await pass(5_000);
  t.is(server.openWatches(), 1);
  await reflector.stop();
});

test('startReflector() streams the list when pages went out of date, where the server can', async (t) => {
  for (const [streaming, expected] of [
    ['works', [true]],
    ['is refused', [true, false]],
    ['fails', [true, false]],
    ['is ignored', [true, false]],
  ] as const) {
    const server = serverWith(2);
    server.setStreaming(streaming);
    server.fail('is answered 410');
    const { reflector, world } = startFixture(server);
    await settle();
    await settle();
    t.deepEqual(sorted(world), sorted(server.world()), streaming);
    const lists = server.requests.filter(({ query }) => query?.['resourceVersion'] === undefined);
    t.deepEqual(
      lists.slice(1).map(({ query }) => query?.['sendInitialEvents'] === 'true'),
      [...expected],
      streaming,
    );
    await reflector.stop();
  }
});

test('startReflector() sees that the server was taken back, and says so', async (t) => {
  const server = serverWith(6);
  const { reflector, calls, world, pass } = startFixture(server);
  await settle();
  server.restore(3);
  await pass(3_000);
  t.deepEqual(sorted(world), sorted(server.world()));
  const last = calls.findLast((call) => call.kind === 'replace');
  t.is(last?.kind === 'replace' && last.restored, true);
  t.is(reflector.state().resourceVersion, '3');
  await reflector.stop();
});

test('startReflector() sees by a silent watch that the server was taken back', async (t) => {
  const server = serverWith(6);
  const { reflector, world, pass } = startFixture(server);
  await settle();
  // A watch from beyond a server's present is silent, and ends when its time is over.
  server.restore(3, false);
  await pass(10_000);
  t.not(world.size, server.world().size);
  await pass(6_000);
  t.deepEqual(sorted(world), sorted(server.world()));
  await reflector.stop();
});

test('startReflector() lists after a dead link: history may have been replaced and have caught up', async (t) => {
  const server = serverWith(6);
  const { reflector, world, pass } = startFixture(server);
  await settle();
  server.break('freezes');
  server.restore(3, false);
  for (let i = 0; i < 9; i += 1) server.set(`other${i}`, i);
  await pass(IDLE_MS + 1_000);
  t.deepEqual(sorted(world), sorted(server.world()));
  await reflector.stop();
});

test('startReflector() resumes at once when a watch that worked for a while breaks, however often', async (t) => {
  const server = serverWith(1);
  const { reflector, pass } = startFixture(server, { random: () => 0.999 });
  await settle();
  for (let i = 0; i < 10; i += 1) {
    await pass(6_000);
    server.break('breaks');
    await settle();
    await pass(1_000);
    t.is(server.openWatches(), 1);
  }
  t.is(reflector.state().lists, 1);
  await reflector.stop();
});

test('startReflector() takes no event from before what it knows', async (t) => {
  const server = serverWith(3);
  const { reflector, world, pass } = startFixture(server);
  await settle();
  const metadata = { name: 'n0', namespace: 'default', uid: 'u', resourceVersion: '2' };
  server.say(`${JSON.stringify({ type: 'DELETED', object: { kind: 'Thing', metadata } })}\n`);
  await settle();
  t.true(world.has('n0'));
  await pass(2_000);
  t.deepEqual(sorted(world), sorted(server.world()));
  t.is(reflector.state().garbage, 1);
  await reflector.stop();
});

test('startReflector() lists when the same garbage comes twice', async (t) => {
  const server = serverWith(3);
  const { reflector, calls, pass } = startFixture(server);
  await settle();
  for (let i = 0; i < 2; i += 1) {
    server.break('garbage');
    await pass(2_000);
  }
  t.is(calls.filter(({ kind }) => kind === 'replace').length, 2);
  await reflector.stop();
});

test('startReflector() lists again when the sink refuses a list or fails at an event', async (t) => {
  const server = serverWith(2);
  const seen: string[] = [];
  let failing = true;
  const { reflector, log, pass } = startFixture(server, {
    sink: {
      replace(_objects, resourceVersion, restored) {
        seen.push(`${resourceVersion}${restored ? ' restored' : ''}`);
        return restored && failing ? Promise.reject(new Error('Another cluster')) : undefined;
      },
      apply() {
        throw new Error('A bug');
      },
    },
  });
  await settle();
  server.set('n0', 9);
  await pass(2_000);
  t.deepEqual(seen, ['3', '4']);
  server.restore(2);
  await pass(3_000);
  t.true(seen.length > 3);
  t.deepEqual([...new Set(seen.slice(2))], ['2 restored']);
  t.is(reflector.state().resourceVersion, '4');
  t.is(reflector.state().lastError?.message, 'Another cluster');
  failing = false;
  await pass(10_000);
  t.is(reflector.state().resourceVersion, '2');
  t.true(log.lines.some(({ fields }) => String(fields['error']).includes('A bug')));
  await reflector.stop();
});

test('startReflector() does not spin on a server that ends each watch at once', async (t) => {
  const server = serverWith(2);
  const { reflector, clock } = startFixture(server);
  await settle();
  for (let i = 0; i < 100; i += 1) {
    server.bookmark();
    server.break('ends');
    clock.advance(100);
    await settle();
  }
  const watches = server.requests.filter(({ query }) => query?.['watch'] === 'true').length;
  t.true(watches < 20, `${watches} in 10 s`);
  await reflector.stop();
});

test('relist() makes a fresh list, also during a pause, and tells when it failed', async (t) => {
  const server = serverWith(2);
  const { reflector, calls } = startFixture(server);
  await settle();
  await reflector.relist();
  t.is(calls.length, 2);
  server.setDown(true);
  await settle();
  const error = await t.throwsAsync(reflector.relist(), { instanceOf: ApiError });
  t.is((error as ApiError).reason, 'ConnectionRefused');
  server.setDown(false);
  server.set('late', 1);
  await reflector.relist();
  t.is(calls.length, 3);
  await settle();
  t.is(server.openWatches(), 1);
  await reflector.stop();
});

test('relist() begins anew when an ordinary list is under way, and waits for one that is wanted', async (t) => {
  const server = serverWith(2);
  server.fail('hangs');
  const { reflector, calls, pass } = startFixture(server);
  await settle();
  await Promise.all([reflector.relist(), reflector.relist()]);
  t.is(calls.length, 1);
  server.fail('hangs');
  const first = t.throwsAsync(reflector.relist(), { message: /no sign of life/ });
  await settle();
  const second = reflector.relist();
  await pass(IDLE_MS);
  await Promise.all([first, second]);
  t.is(calls.length, 2);
  await reflector.stop();
});

test('onState() tells changes of synced, failures and lastError until unsubscribed', async (t) => {
  const server = serverWith(1);
  server.fail('refused');
  const { reflector, pass } = startFixture(server);
  const seen: ReflectorState[] = [];
  const unsubscribe = reflector.onState((state) => seen.push(state));
  await pass(2_000);
  t.deepEqual(
    seen.map(({ synced, failures }) => [synced, failures]),
    [
      [false, 1],
      [true, 0],
    ],
  );
  unsubscribe();
  server.setDown(true);
  await pass(2_000);
  t.is(seen.length, 2);
  await reflector.stop();
});

test('stop() ends whatever is under way, and the sink hears nothing more', async (t) => {
  for (const state of ['listing', 'watching', 'pausing', 'replacing'] as const) {
    const server = serverWith(2);
    if (state === 'listing') server.fail('hangs');
    if (state === 'pausing') server.setDown(true);
    const never = { replace: () => new Promise<void>(() => {}), apply: () => t.fail() };
    const { reflector, calls, pass } = startFixture(
      server,
      state === 'replacing' ? { sink: never } : {},
    );
    await settle();
    const waiting = t.throwsAsync(
      state === 'replacing' ? reflector.relist() : Promise.reject(new Error()),
    );
    await reflector.stop();
    await waiting;
    const before = calls.length;
    server.heal();
    server.set('n0', 77);
    await pass(60_000);
    t.is(calls.length, before, state);
    await t.throwsAsync(reflector.relist(), { instanceOf: ApiError });
  }
});

/** One thing that happens to the server, or to the reflector. */
const happening = fc.oneof(
  { weight: 6, arbitrary: fc.record({ set: fc.nat(7), to: fc.nat(99) }) },
  { weight: 3, arbitrary: fc.record({ remove: fc.nat(7) }) },
  { weight: 4, arbitrary: fc.record({ pass: fc.integer({ min: 1, max: 8_000 }) }) },
  { weight: 2, arbitrary: fc.record({ fail: fc.constantFrom(...FAULTS) }) },
  { weight: 3, arbitrary: fc.record({ break: fc.constantFrom(...BREAKS) }) },
  { weight: 1, arbitrary: fc.constant({ bookmark: true }) },
  { weight: 1, arbitrary: fc.constant({ compact: true }) },
  { weight: 1, arbitrary: fc.constant({ relist: true }) },
  { weight: 1, arbitrary: fc.record({ restore: fc.nat(10) }) },
);

test('a reflector’s world is always one that the server had, goes back only as restored, and converges', async (t) => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(happening, { maxLength: 30 }),
      fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1, maxLength: 8 }),
      fc.constantFrom('works', 'is refused', 'fails', 'is ignored'),
      async (happenings, sizes, streaming) => {
        let cut = 0;
        const server = serverWith(5, () => sizes[cut++ % sizes.length] as number);
        server.setStreaming(streaming as 'works');
        const fixture = startFixture(server);
        let at = 0;
        fixture.onCall((call) => {
          const to = Number(
            call.kind === 'replace'
              ? call.resourceVersion
              : call.events.at(-1)?.object.metadata.resourceVersion,
          );
          if (to < at) t.true(call.kind === 'replace' && call.restored);
          else if (call.kind === 'replace') t.false(call.restored);
          at = to;
          t.deepEqual(sorted(fixture.world), sorted(server.worldAt(to)));
        });
        for (const one of happenings) {
          if ('set' in one) server.set(`n${one.set}`, one.to);
          else if ('remove' in one) server.remove(`n${one.remove}`);
          else if ('pass' in one) await fixture.pass(one.pass);
          else if ('fail' in one) server.fail(one.fail);
          else if ('break' in one) server.break(one.break);
          else if ('bookmark' in one) server.bookmark();
          else if ('compact' in one) server.compact();
          else if ('relist' in one) fixture.reflector.relist().catch(() => undefined);
          else {
            // Nobody restores etcd under a server that goes on answering.
            server.setDown(true);
            await fixture.pass(11_000);
            server.restore(Math.max(1, server.revision() - one.restore));
            server.setDown(false);
          }
          await settle();
        }
        server.heal();
        await fixture.pass(IDLE_MS + 65_000);
        t.deepEqual(sorted(fixture.world), sorted(server.world()));
        t.is(server.openWatches(), 1);
        t.is(server.maxInFlight(), 1);
        await fixture.reflector.stop();
      },
    ),
    { numRuns: 400 },
  );
});
