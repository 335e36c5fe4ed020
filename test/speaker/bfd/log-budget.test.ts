import test from 'ava';
import { createLogBudget } from '../../../src/speaker/bfd/log-budget.ts';
import { fakeClock } from '../../support/fake-clock.ts';

test('spend() lets some lines a minute through about a subject, and counts the others', (t) => {
  const clock = fakeClock();
  const budget = createLogBudget(clock, 2);
  t.deepEqual(
    [1, 2, 3, 4].map(() => budget.spend('ttl')),
    [0, 0, undefined, undefined],
  );
  t.is(budget.spend('other'), 0);
  clock.advance(60_000);
  t.is(budget.spend('ttl'), 2);
  t.is(budget.spend('ttl'), 0);
});

test('spend() forgets who was silent longest when there are too many', (t) => {
  const budget = createLogBudget(fakeClock(), 1);
  for (let i = 0; i < 1024; i++) budget.spend(`subject ${i}`);
  t.is(budget.spend('subject 0'), undefined);
  budget.spend('one more');
  t.is(budget.spend('subject 1'), 0);
  t.is(budget.spend('subject 0'), undefined);
});
