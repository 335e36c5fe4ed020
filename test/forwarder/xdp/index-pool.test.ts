import test from 'ava';
import fc from 'fast-check';
import { createIndexPool, INDEX_GRACE_MS } from '../../../src/forwarder/xdp/index-pool.ts';

const NO_FLOWS = new Uint32Array(100);

test('take() gives each index once, never 0, and undefined at the limit', (t) => {
  const pool = createIndexPool(3);
  t.deepEqual([1, 2, 3].map(() => pool.take()).sort(), [1, 2, 3]);
  t.is(pool.take(), undefined);
  t.is(pool.used, 3);
});

test('a retired index is free after the grace period and a sweep without flows, not before', (t) => {
  const pool = createIndexPool(1);
  pool.take();
  pool.retire(1, 5000);
  t.deepEqual(pool.sweep(5000 + INDEX_GRACE_MS - 1, NO_FLOWS), []);
  const busy = new Uint32Array(100);
  busy[1] = 1;
  t.deepEqual(pool.sweep(5000 + INDEX_GRACE_MS, busy), []);
  t.is(pool.take(), undefined);
  t.deepEqual(pool.sweep(5000 + INDEX_GRACE_MS, NO_FLOWS), [1]);
  t.is(pool.take(), 1);
});

test('a revived index is not freed', (t) => {
  const pool = createIndexPool(1);
  pool.take();
  pool.retire(1, 0);
  pool.revive(1);
  t.deepEqual(pool.sweep(1e9, NO_FLOWS), []);
});

test('an index beyond what the sweep counted is not freed', (t) => {
  const pool = createIndexPool(500);
  pool.adopt(400);
  pool.retire(400, 0);
  t.deepEqual(pool.sweep(1e9, NO_FLOWS), []);
});

test('adopted indices are not given out, and all others are', (t) => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.integer({ min: 1, max: 20 })), (adopted) => {
      const pool = createIndexPool(20);
      for (const index of adopted) pool.adopt(index);
      t.is(pool.used, adopted.length);
      const taken = Array.from({ length: 20 - adopted.length }, () => pool.take() as number);
      t.deepEqual(
        [...taken, ...adopted].sort((a, b) => a - b),
        Array.from({ length: 20 }, (_, i) => i + 1),
      );
      t.is(pool.take(), undefined);
    }),
  );
});

test('adopt() refuses an index outside the table', (t) => {
  t.throws(() => createIndexPool(5).adopt(6), { instanceOf: RangeError });
  t.throws(() => createIndexPool(5).adopt(0), { instanceOf: RangeError });
});
