import test from 'ava';
import fc from 'fast-check';
import {
  createPauses,
  PAUSE_BASE_MS,
  PAUSE_CAP_MS,
} from '../../../../src/cluster/kubernetes/reflector/pause.ts';

test('createPauses() stays between its bounds and below three times the pause before', (t) => {
  fc.assert(
    fc.property(fc.array(fc.double({ min: 0, max: 0.999, noNaN: true })), (numbers) => {
      let i = 0;
      const pauses = createPauses(() => numbers[i++] as number);
      let last = PAUSE_BASE_MS;
      for (const _ of numbers) {
        const pause = pauses.next(undefined);
        t.true(pause >= PAUSE_BASE_MS && pause <= Math.min(PAUSE_CAP_MS, last * 3));
        last = pause;
      }
    }),
  );
});

test('createPauses() begins with the shortest again after reset()', (t) => {
  const pauses = createPauses(() => 0.999);
  for (let i = 0; i < 20; i += 1) pauses.next(undefined);
  t.is(pauses.next(undefined), PAUSE_CAP_MS);
  pauses.reset();
  t.true(pauses.next(undefined) < 3 * PAUSE_BASE_MS);
});

test('createPauses() keeps to a lower bound where it is told one', (t) => {
  const pauses = createPauses(() => 0.999);
  for (let i = 0; i < 20; i += 1) t.true(pauses.next(undefined, 5_000) <= 5_000);
  t.is(pauses.next(undefined, 5_000), 5_000);
});

test('createPauses() waits for as long as the server asks', (t) => {
  const pauses = createPauses(() => 0);
  t.is(pauses.next(5_000), 5_000);
  t.is(pauses.next(10), PAUSE_BASE_MS);
});
