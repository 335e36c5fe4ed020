import test from 'ava';
import { createDeparture } from '../../../src/speaker/bgp/departure.ts';
import { fakeClock } from '../../support/fake-clock.ts';

function scene(hasRoutes = true) {
  const clock = fakeClock();
  let ends = 0;
  const departure = createDeparture(
    clock,
    5000,
    () => hasRoutes,
    () => {
      ends += 1;
    },
  );
  return { clock, departure, ends: () => ends };
}

test('a departure is over after the wait, and not when the box comes back before', async (t) => {
  const { clock, departure, ends } = scene();
  departure.follow(true);
  departure.follow(true);
  clock.advance(4999);
  t.false(departure.isOver());
  departure.follow(false);
  clock.advance(10_000);
  t.is(ends(), 0);
  departure.follow(true);
  const over = departure.over();
  clock.advance(5000);
  await over;
  t.true(departure.isOver());
  t.is(ends(), 1);
  departure.follow(false);
  t.false(departure.isOver());
});

test('nobody is waited for who has no route', async (t) => {
  const { departure } = scene(false);
  departure.follow(true);
  t.true(departure.isOver());
  await departure.over();
});

test('hasten() ends a wait, and over() does not wait for what has not begun', async (t) => {
  const { departure, ends } = scene();
  await departure.over();
  t.false(departure.isOver());
  departure.follow(true);
  const over = departure.over();
  departure.hasten();
  await over;
  t.true(departure.isOver());
  departure.hasten();
  t.is(ends(), 1);
});
