import test from 'ava';
import { createAttention, STALL_MS } from '../../../src/forwarder/health/attention.ts';
import { fakeClock } from '../../support/fake-clock.ts';

function attending() {
  const clock = fakeClock();
  const attention = createAttention(clock);
  const startMs = attention.nowMs();
  return { clock, attention, elapsed: () => attention.nowMs() - startMs };
}

test('nowMs() counts a planned sleep in full', (t) => {
  const { clock, attention, elapsed } = attending();
  attention.look();
  attention.expect(5_000);
  clock.advance(5_000);
  t.is(attention.look(), 0);
  t.is(elapsed(), 5_000);
});

test('nowMs() does not count the time by which a look came much too late', (t) => {
  const { clock, attention, elapsed } = attending();
  attention.look();
  attention.expect(10);
  clock.advance(10 + STALL_MS);
  t.true(elapsed() <= 50);
  t.is(attention.look(), 0);
  t.is(attention.stalls, 0);
  clock.advance(0);
  t.true(elapsed() <= 50);
});

test('look() reports a stall once, with its length', (t) => {
  const { clock, attention } = attending();
  attention.look();
  attention.expect(10);
  clock.advance(1_010);
  t.is(attention.look(), 1_000);
  t.is(attention.look(), 0);
  t.is(attention.stalls, 1);
});

test('look() takes idleness for no stall, however long', (t) => {
  const { clock, attention, elapsed } = attending();
  clock.advance(3_600_000);
  t.is(attention.look(), 0);
  t.is(elapsed(), 3_600_000);
});

test('look() early leaves the rest of the plan standing', (t) => {
  const { clock, attention } = attending();
  attention.look();
  attention.expect(1_000);
  clock.advance(400);
  t.is(attention.look(), 0);
  clock.advance(600);
  t.is(attention.look(), 0);
  t.is(attention.stalls, 0);
});
