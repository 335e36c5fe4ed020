import test from 'ava';
import fc from 'fast-check';
import { maglevSize, maglevTable } from '../../src/plan/maglev.ts';

const equal = (count: number) =>
  Array.from({ length: count }, (_, i) => ({ key: `10.0.${i >> 8}.${i & 255}`, weight: 1 }));
const shares = (table: Uint16Array, count: number) => {
  const places = new Array<number>(count).fill(0);
  for (const index of table) places[index] = (places[index] ?? 0) + 1;
  return places;
};

test('maglevSize() follows the number of backends, at least 100 places each while it can', (t) => {
  t.is(maglevSize(0), 1);
  t.is(maglevSize(1), 1);
  t.is(maglevSize(2), 251);
  t.is(maglevSize(10), 1021);
  t.is(maglevSize(1000), 131071);
  t.is(maglevSize(5000), 131071);
});

test('maglevTable() leaves no place empty and shares evenly', (t) => {
  for (const count of [2, 3, 10, 50]) {
    const size = maglevSize(count);
    const places = shares(maglevTable(equal(count), size), count);
    t.true(Math.max(...places) - Math.min(...places) <= 1, `${count}: ${places}`);
  }
});

test('maglevTable() does not depend on the order of backends', (t) => {
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 12 }), fc.integer(), (count, seed) => {
      const backends = equal(count);
      const shuffled = backends
        .map((b, i) => ({ b, r: Math.imul(i + 1, seed | 1) }))
        .sort((x, y) => x.r - y.r)
        .map(({ b }) => b);
      const keysOf = (list: typeof backends) =>
        [...maglevTable(list, 251)].map((i) => list[i]?.key);
      t.deepEqual(keysOf(shuffled), keysOf(backends));
    }),
    { numRuns: 50 },
  );
});

test('maglevTable() gives places in proportion to weight', (t) => {
  const backends = [
    { key: 'a', weight: 1 },
    { key: 'b', weight: 2 },
    { key: 'c', weight: 5 },
  ];
  const places = shares(maglevTable(backends, 1021), 3).map((share) => share / 1021);
  t.deepEqual(
    places.map((share) => Math.round(share * 8)),
    [1, 2, 5],
  );
});

test('maglevTable() moves few places of the others when one backend goes (at most 5 %)', (t) => {
  for (const count of [3, 10, 50]) {
    const size = maglevSize(count);
    const before = maglevTable(equal(count), size);
    const survivors = equal(count).slice(0, -1);
    const after = maglevTable(survivors, size);
    let moved = 0;
    for (let i = 0; i < size; i++) if (before[i] !== count - 1 && before[i] !== after[i]) moved++;
    t.true(
      moved / size < 0.05,
      `${count} backends: ${((100 * moved) / size).toFixed(2)} % of the others moved`,
    );
  }
});

test('maglevTable() is empty without backends and one place for one', (t) => {
  t.is(maglevTable([], 251).length, 0);
  t.deepEqual([...maglevTable(equal(1), 1)], [0]);
});
