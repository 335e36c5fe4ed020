import test from 'ava';
import fc from 'fast-check';
import { KeyedMap } from '../../src/domain/keyed-map.ts';
import { Reconciler } from '../../src/reconcile/reconciler.ts';
import type { Target } from '../../src/reconcile/target.ts';
import { fakeClock } from '../support/fake-clock.ts';
import { recordingLog } from '../support/recording-log.ts';

/** A real thing that is a Map, with faults on demand. */
function mapTarget(held: Map<string, number>, fails: (key: string) => boolean = () => false) {
  const operations: string[] = [];
  const target: Target<number> = {
    list: () => held.keys(),
    update(key, value) {
      operations.push(`update ${key} ${value}`);
      if (fails(key)) throw new Error(`no room for ${key}`);
      held.set(key, value);
    },
    remove(key) {
      operations.push(`remove ${key}`);
      if (fails(key)) throw new Error(`cannot remove ${key}`);
      held.delete(key);
    },
  };
  return { target, operations };
}

function reconcilerOf(target: Target<number>) {
  const clock = fakeClock();
  const log = recordingLog();
  return { clock, log, reconciler: new Reconciler({ name: 'test', target, clock, log }) };
}

test('want() applies only the difference, removals first, and prunes leftovers', (t) => {
  const held = new Map([
    ['old', 1],
    ['kept', 2],
  ]);
  const { target, operations } = mapTarget(held);
  const { reconciler } = reconcilerOf(target);
  const first = KeyedMap.from([
    ['kept', 2],
    ['new', 3],
  ]);
  reconciler.want(first, 1);
  t.deepEqual(operations.splice(0).sort(), ['remove old', 'update kept 2', 'update new 3']);
  t.deepEqual(reconciler.stateOf('new'), { state: 'done', revision: 1, tookMs: 0 });
  reconciler.want(first.with('new', 4).without('kept'), 2);
  t.deepEqual(operations.splice(0), ['remove kept', 'update new 4']);
  reconciler.want(first.with('new', 4).without('kept'), 3);
  t.deepEqual(operations, []);
  t.is(reconciler.stateOf('kept'), undefined);
});

test('a failing object is retried with backoff and does not hold up the others', (t) => {
  const held = new Map<string, number>();
  let broken = true;
  const { target, operations } = mapTarget(held, (key) => broken && key === 'bad');
  const { clock, log, reconciler } = reconcilerOf(target);
  reconciler.want(
    KeyedMap.from([
      ['bad', 1],
      ['good', 1],
    ]),
    1,
  );
  t.deepEqual([...held.keys()], ['good']);
  t.like(reconciler.stateOf('bad'), { state: 'failed', attempts: 1, error: 'no room for bad' });
  t.is(reconciler.failed().length, 1);
  operations.length = 0;
  clock.advance(99);
  t.deepEqual(operations, []);
  clock.advance(1);
  t.deepEqual(operations, ['update bad 1']);
  t.like(reconciler.stateOf('bad'), { state: 'failed', attempts: 2, retryInMs: 200 });
  broken = false;
  clock.advance(200);
  t.like(reconciler.stateOf('bad'), { state: 'done' });
  t.is(held.get('bad'), 1);
  t.is(log.lines.filter((line) => line.level === 'warn').length, 2);
});

test('a failing object that is changed is tried at once', (t) => {
  const held = new Map<string, number>();
  const { target } = mapTarget(held, () => held.size === 0 && !held.has('x') && broken);
  let broken = true;
  const { reconciler } = reconcilerOf(target);
  reconciler.want(KeyedMap.from([['x', 1]]), 1);
  broken = false;
  reconciler.want(KeyedMap.from([['x', 2]]), 2);
  t.is(held.get('x'), 2);
});

test('a failing commit fails the whole batch', async (t) => {
  let commits = 0;
  const target: Target<number> = {
    list: async () => [],
    update: async () => {},
    remove: async () => {},
    commit: async () => {
      if (commits++ === 0) throw new Error('disk full');
    },
  };
  const { clock, reconciler } = reconcilerOf(target);
  reconciler.want(
    KeyedMap.from([
      ['a', 1],
      ['b', 1],
    ]),
    1,
  );
  await reconciler.idle();
  t.is(reconciler.failed().length, 2);
  clock.advance(100);
  await reconciler.idle();
  t.is(reconciler.failed().length, 0);
});

test('an asynchronous target is driven one pass at a time and ends at the newest wish', async (t) => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.dictionary(fc.constantFrom('a', 'b', 'c', 'd'), fc.nat(3)), {
        minLength: 1,
        maxLength: 8,
      }),
      async (wishes) => {
        const held = new Map<string, number>([['leftover', 9]]);
        let busy = 0;
        const step = async (run: () => void) => {
          t.is(busy++, 0);
          await Promise.resolve();
          run();
          busy--;
        };
        const { reconciler } = reconcilerOf({
          list: async () => [...held.keys()],
          update: (key, value) => step(() => void held.set(key, value)),
          remove: (key) => step(() => void held.delete(key)),
        });
        for (const [revision, wish] of wishes.entries()) {
          reconciler.want(KeyedMap.from(Object.entries(wish)), revision);
          await Promise.resolve();
        }
        await reconciler.idle();
        t.deepEqual([...held].sort(), Object.entries(wishes.at(-1) ?? {}).sort());
      },
    ),
  );
});

test('stop() ends retries and leaves what was applied', async (t) => {
  const held = new Map<string, number>();
  const { target, operations } = mapTarget(held, (key) => key === 'bad');
  const { clock, reconciler } = reconcilerOf(target);
  reconciler.want(
    KeyedMap.from([
      ['bad', 1],
      ['good', 1],
    ]),
    1,
  );
  await reconciler.stop();
  operations.length = 0;
  clock.advance(60_000);
  t.deepEqual(operations, []);
  t.deepEqual([...held.keys()], ['good']);
});
