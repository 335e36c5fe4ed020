import test from 'ava';
import fc from 'fast-check';
import {
  reducedWeights,
  SEQUENCE_PLACES_MAX,
  smoothSequence,
} from '../../../src/plan/forwarding/weighted-sequence.ts';

const weights = fc.array(fc.integer({ min: 1, max: 100 }), { minLength: 1, maxLength: 40 });

test('smoothSequence() is that of nginx for 5, 1, 1', (t) => {
  t.deepEqual([...smoothSequence([5, 1, 1])], [0, 0, 1, 0, 2, 0, 0]);
});

test('smoothSequence() of equal weights takes each in turn', (t) => {
  t.deepEqual([...smoothSequence([1, 1, 1])], [0, 1, 2]);
});

test('smoothSequence() has each index as often as its weight says', (t) => {
  fc.assert(
    fc.property(weights, (list) => {
      const times = new Array<number>(list.length).fill(0);
      for (const index of smoothSequence(list)) times[index] = (times[index] ?? 0) + 1;
      t.deepEqual(times, list);
    }),
  );
});

test('reducedWeights() divides by what is common to all', (t) => {
  t.deepEqual(reducedWeights([10, 20, 50]), [1, 2, 5]);
  t.deepEqual(reducedWeights([7]), [1]);
  t.deepEqual(reducedWeights([3, 3, 3]), [1, 1, 1]);
  t.deepEqual(reducedWeights([]), []);
});

test('reducedWeights() scales down what would be too long, and keeps a place for each', (t) => {
  const many = Array.from({ length: 1000 }, (_, index) => 1 + (index % 100));
  const reduced = reducedWeights(many);
  const sum = reduced.reduce((total, weight) => total + weight);
  t.true(sum <= SEQUENCE_PLACES_MAX && sum > SEQUENCE_PLACES_MAX / 2, `${sum}`);
  t.is(Math.min(...reduced), 1);
  t.true((reduced[99] ?? 0) > 10 * (reduced[0] ?? 0));
  const more = reducedWeights(Array.from({ length: 9000 }, (_, index) => 1 + (index % 2)));
  t.true(more.every((weight) => weight === 1));
});
