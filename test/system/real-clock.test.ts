import test from 'ava';
import { realClock } from '../../src/system/real-clock.ts';

test('after() runs once, in order of the delays, and not when cancelled', async (t) => {
  const ran: string[] = [];
  const start = realClock.monotonicMs();
  await new Promise<void>((resolve) => {
    const keepAlive = setTimeout(() => {}, 10_000);
    realClock.after(20, () => {
      ran.push('late');
      clearTimeout(keepAlive);
      resolve();
    });
    realClock.after(5, () => ran.push('early'));
    realClock.after(1, () => ran.push('cancelled'))();
    realClock.after(2 ** 40, () => ran.push('in 35 years'));
  });
  t.deepEqual(ran, ['early', 'late']);
  t.true(realClock.monotonicMs() - start >= 19);
  t.true(Math.abs(realClock.wallMs() - Date.now()) < 1000);
});
