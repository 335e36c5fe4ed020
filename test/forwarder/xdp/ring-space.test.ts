import test from 'ava';
import fc from 'fast-check';
import {
  RING_GRACE_MS,
  type RingRegion,
  RingSpace,
} from '../../../src/forwarder/xdp/ring-space.ts';
import { fakeClock } from '../../support/fake-clock.ts';

function chunks(words: number, max: number, made: Uint32Array[] = []) {
  const add = (index: number) => {
    made[index] = new Uint32Array(words);
    return made[index];
  };
  return { words, max, add, existing: (index: number) => made[index] };
}

test('write() puts words where the region stands, and holds() compares them', (t) => {
  const made: Uint32Array[] = [];
  const space = new RingSpace(chunks(16, 1, made), fakeClock());
  space.allocate(2);
  const region = space.allocate(3);
  space.write(region, Uint32Array.of(70, 80, 70));
  t.deepEqual([...(made[0] as Uint32Array)].slice(0, 7), [0, 0, 70, 80, 70, 0, 0]);
  t.true(space.holds(region, Uint32Array.of(70, 80, 70)));
  t.false(space.holds(region, Uint32Array.of(70, 80, 71)));
  t.false(space.holds(region, Uint32Array.of(70, 80)), 'a shorter one has a smaller region');
});

test('regions begin at even words, whatever the lengths', (t) => {
  const space = new RingSpace(chunks(64, 1), fakeClock());
  const regions = [1, 3, 2, 5].map((words) => space.allocate(words));
  t.deepEqual(
    regions.map(({ offset }) => offset),
    [0, 2, 6, 8],
  );
  t.is(space.usage().words, 2 + 4 + 2 + 6);
});

test('a freed region rests before it is given out again', (t) => {
  const clock = fakeClock();
  const space = new RingSpace(chunks(4, 1), clock);
  const region = space.allocate(4);
  space.free(region);
  clock.advance(RING_GRACE_MS - 1);
  t.throws(() => space.allocate(4), { code: 'ENOSPC', message: /TG_RING_CHUNKS_MAX/ });
  clock.advance(1);
  t.deepEqual(space.allocate(4), region);
});

test('a chunk is added only when no free run fits, and the smallest that fits is taken', (t) => {
  const clock = fakeClock();
  const space = new RingSpace(chunks(100, 2), clock);
  const [a, b, c, d] = [10, 6, 30, 6].map((size) => space.allocate(size)) as RingRegion[];
  for (const region of [a, c]) space.free(region as RingRegion);
  clock.advance(RING_GRACE_MS);
  t.is(space.allocate(8).offset, (a as RingRegion).offset);
  t.is(space.allocate(30).offset, (c as RingRegion).offset);
  t.is(space.usage().chunks, 1);
  t.is(space.allocate(60).chunk, 1);
  t.deepEqual(space.usage(), { chunks: 2, words: 6 + 6 + 8 + 30 + 60 });
  t.truthy(b && d);
});

test('adopt() takes what is free and refuses what overlaps, lies outside, is odd or has no chunk', (t) => {
  const made = [new Uint32Array(10)];
  const space = new RingSpace(chunks(10, 2, made), fakeClock());
  t.true(space.adopt({ chunk: 0, offset: 2, size: 4 }));
  t.false(space.adopt({ chunk: 0, offset: 4, size: 2 }));
  t.false(space.adopt({ chunk: 0, offset: 8, size: 4 }));
  t.false(space.adopt({ chunk: 0, offset: 7, size: 2 }));
  t.false(space.adopt({ chunk: 1, offset: 0, size: 2 }));
  t.true(space.adopt({ chunk: 0, offset: 0, size: 2 }));
  t.deepEqual(space.allocate(4), { chunk: 0, offset: 6, size: 4 });
});

test('no two regions that are in use ever overlap, and all space comes back', (t) => {
  const step = fc.record({
    size: fc.integer({ min: 1, max: 40 }),
    free: fc.nat(3),
    ms: fc.nat(300),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const clock = fakeClock();
      const space = new RingSpace(chunks(64, 100), clock);
      const used: RingRegion[] = [];
      for (const { size, free, ms } of steps) {
        clock.advance(ms);
        used.push(space.allocate(size));
        if (free === 0) space.free(used.splice(used.length >> 1, 1)[0] as RingRegion);
        const sorted = [...used].sort((a, b) => a.chunk - b.chunk || a.offset - b.offset);
        for (const [i, region] of sorted.entries()) {
          const next = sorted[i + 1];
          t.true(region.offset + region.size <= 64);
          if (next?.chunk === region.chunk) t.true(region.offset + region.size <= next.offset);
        }
      }
      for (const region of used) space.free(region);
      clock.advance(RING_GRACE_MS);
      const { chunks: count } = space.usage();
      for (let i = 0; i < count; i++) t.is(space.allocate(64).size, 64);
      t.is(space.usage().chunks, count);
    }),
    { numRuns: 50 },
  );
});
