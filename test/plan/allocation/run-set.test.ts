import test from 'ava';
import fc from 'fast-check';
import {
  EMPTY_RUNS,
  hasMember,
  nextGap,
  nextMember,
  withMember,
  withoutMember,
} from '../../../src/plan/allocation/run-set.ts';

const LIMIT = 24;
const operations = fc.array(fc.tuple(fc.boolean(), fc.bigInt({ min: 0n, max: 23n })), {
  maxLength: 60,
});

test('a run set holds what was added and not removed, in runs that do not touch', (t) => {
  fc.assert(
    fc.property(operations, (steps) => {
      const model = new Set<bigint>();
      let set = EMPTY_RUNS;
      for (const [add, value] of steps) {
        set = add ? withMember(set, value) : withoutMember(set, value);
        if (add) model.add(value);
        else model.delete(value);
      }
      t.is(set.size, BigInt(model.size));
      const numbers = Array.from({ length: LIMIT + 1 }, (_, index) => BigInt(index));
      for (const from of numbers) {
        t.is(hasMember(set, from), model.has(from));
        t.is(
          nextMember(set, from),
          numbers.find((value) => value >= from && model.has(value)),
        );
        t.is(
          nextGap(set, from),
          numbers.find((value) => value >= from && !model.has(value)) ?? -1n,
        );
      }
      for (let at = 2; at < set.runs.length; at += 2)
        t.true((set.runs[at] as bigint) > (set.runs[at - 1] as bigint) + 1n);
    }),
  );
});

test('withMember() and withoutMember() leave the set they start from as it was', (t) => {
  const one = withMember(EMPTY_RUNS, 5n);
  withMember(one, 6n);
  withoutMember(one, 5n);
  t.deepEqual(one, { runs: [5n, 5n], size: 1n });
  t.is(withMember(one, 5n), one);
  t.is(withoutMember(one, 6n), one);
});
