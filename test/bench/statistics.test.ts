import test from 'ava';
import type { Row } from './group.ts';
import { median, percentile, ratiosOf, summarise, verdictOf } from './statistics.ts';

test('median() is the middle one, or the mean of the two in the middle, in any order', (t) => {
  t.is(median([3]), 3);
  t.is(median([9, 1, 5]), 5);
  t.is(median([10, 1, 4, 2]), 3);
  t.throws(() => median([]), { instanceOf: RangeError });
});

test('summarise() orders by number, and leaves the samples alone', (t) => {
  const samples = [100, 20, 3];
  t.deepEqual(summarise(samples), { median: 20, least: 3, greatest: 100 });
  t.deepEqual(samples, [100, 20, 3]);
});

test('percentile() is the nearest rank', (t) => {
  const samples = Array.from({ length: 100 }, (_, i) => 100 - i);
  t.is(percentile(samples, 0.5), 50);
  t.is(percentile(samples, 0.99), 99);
  t.is(percentile(samples, 1), 100);
  t.is(percentile([7], 0), 7);
  t.throws(() => percentile([], 0.5), { instanceOf: RangeError });
});

test('verdictOf() judges by both bounds, and not without an aim', (t) => {
  t.is(verdictOf(5, undefined), undefined);
  t.is(verdictOf(5, { atMost: 5 }), 'met');
  t.is(verdictOf(5.1, { atMost: 5 }), 'missed');
  t.is(verdictOf(5, { atLeast: 5 }), 'met');
  t.is(verdictOf(4.9, { atLeast: 5 }), 'missed');
});

test('ratiosOf() divides round by round', (t) => {
  const ours = row('ours', [10, 30], [{ to: 'theirs', aim: { atLeast: 3 } }, { to: 'others' }]);
  const rows = [ours, row('theirs', [5, 6]), row('others', [20, 10])];
  t.deepEqual(ratiosOf(rows), [
    { name: 'ours', to: 'theirs', samples: [2, 5], aim: { atLeast: 3 } },
    { name: 'ours', to: 'others', samples: [0.5, 3] },
  ]);
});

test('ratiosOf() refuses what was not measured in the same rounds', (t) => {
  const ours = row('ours', [10, 30], [{ to: 'theirs' }]);
  t.throws(() => ratiosOf([ours]), { message: /"ours" cannot be compared with "theirs"/ });
  t.throws(() => ratiosOf([ours, row('theirs', [1])]));
});

function row(name: string, samples: number[], against: Row['against'] = []): Row {
  return { name, unit: 'x', samples, against };
}
