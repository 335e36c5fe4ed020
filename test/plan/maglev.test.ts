import test from 'ava';
import fc from 'fast-check';
import { type MaglevBackend, maglevSize, maglevTable } from '../../src/plan/maglev.ts';

function members(count: number, weight = (_index: number) => 1): MaglevBackend[] {
  return Array.from({ length: count }, (_, i) => ({
    key: `10.0.${i >> 8}.${i & 255}`,
    weight: weight(i),
  }));
}

const shares = (table: Uint16Array, count: number) => {
  const places = new Array<number>(count).fill(0);
  for (const index of table) places[index] = (places[index] ?? 0) + 1;
  return places;
};

/** Share of the others' places that taking out `gone` moves. */
function movedWithout(backends: readonly MaglevBackend[], gone: number): number {
  const size = maglevSize(backends.length);
  const before = maglevTable(backends, size);
  const survivors = backends.filter((_, index) => index !== gone);
  const after = maglevTable(survivors, size);
  let others = 0;
  let moved = 0;
  for (let i = 0; i < size; i++) {
    const index = before[i] as number;
    if (index === gone) continue;
    others++;
    if (survivors[after[i] as number] !== backends[index]) moved++;
  }
  return moved / others;
}

test('maglevSize() is a power of two that follows the number of backends', (t) => {
  const sizes = [0, 1, 2, 3, 4, 12, 13, 48, 49, 192, 193, 5000].map(maglevSize);
  t.deepEqual(sizes, [1, 1, 8192, 8192, 16384, 16384, 32768, 32768, 65536, 65536, 131072, 131072]);
});

test('maglevTable() leaves no place empty and shares evenly', (t) => {
  for (const count of [2, 3, 10, 50]) {
    const places = shares(maglevTable(members(count), maglevSize(count)), count);
    t.true(Math.max(...places) - Math.min(...places) <= 1, `${count}: ${places}`);
  }
});

test('maglevTable() fills every place of a table of any size', (t) => {
  for (const size of [2, 4, 64, 8192]) {
    const places = shares(maglevTable(members(3), size), 3);
    t.is(
      places.reduce((sum, share) => sum + share),
      size,
    );
    t.true(Math.max(...places) - Math.min(...places) <= 1, `${size}: ${places}`);
  }
});

test('maglevTable() does not depend on the order of backends', (t) => {
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 12 }), fc.integer(), (count, seed) => {
      const backends = members(count);
      const shuffled = backends
        .map((b, i) => ({ b, r: Math.imul(i + 1, seed | 1) }))
        .sort((x, y) => x.r - y.r)
        .map(({ b }) => b);
      const keysOf = (list: typeof backends) =>
        [...maglevTable(list, 256)].map((i) => list[i]?.key);
      t.deepEqual(keysOf(shuffled), keysOf(backends));
    }),
    { numRuns: 50 },
  );
});

test('maglevTable() gives places in proportion to weight', (t) => {
  const backends = [
    { key: 'a', weight: 1 },
    { key: 'b', weight: 20 },
    { key: 'c', weight: 100 },
  ];
  const places = shares(maglevTable(backends, 8192), 3);
  const expected = backends.map(({ weight }) => (8192 * weight) / 121);
  places.forEach((share, index) => {
    t.true(Math.abs(share - (expected[index] ?? 0)) <= 2, `${places}`);
  });
});

for (const [name, weight] of [
  ['equal', () => 1],
  ['1 to 100', (index: number) => 1 + ((index * 37) % 100)],
] as const) {
  test(`taking out one backend moves at most 1 % of the others' places, weights ${name}`, (t) => {
    for (const count of [3, 4, 7, 12, 13, 16, 32, 48, 49, 100, 192, 193, 400, 700, 1000]) {
      const backends = members(count, weight);
      for (const gone of [0, count >> 1]) {
        const moved = movedWithout(backends, gone);
        t.true(moved <= 0.01, `${count} without ${gone}: ${(100 * moved).toFixed(2)} %`);
      }
    }
  });
}

test("taking out any of 2 to 60 backends moves about 1 % of the others' places at most", (t) => {
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.ipV4(), { minLength: 2, maxLength: 60 }),
      fc.infiniteStream(fc.integer({ min: 1, max: 100 })),
      fc.nat(),
      (keys, weights, gone) => {
        const backends = keys.map((key) => ({ key, weight: weights.next().value as number }));
        const moved = movedWithout(backends, gone % keys.length);
        return moved <= 0.015;
      },
    ),
    { numRuns: 100 },
  );
  t.pass();
});

test('maglevTable() is empty without backends and one place for one', (t) => {
  t.is(maglevTable([], 256).length, 0);
  t.deepEqual([...maglevTable(members(1), 1)], [0]);
});
