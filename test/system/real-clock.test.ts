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
  t.true(realClock.monotonicMs() - start >= 20);
  t.true(Math.abs(realClock.wallMs() - Date.now()) < 1000);
});

test('after() never runs early, also when it is called late in a long turn', async (t) => {
  const early: number[] = [];
  const keepAlive = setTimeout(() => {}, 10_000);
  for (let round = 0; round < 5; round++) {
    const turnBegan = performance.now();
    while (performance.now() - turnBegan < 15);
    const due = Array.from({ length: 20 }, (_, i) => {
      const dueMs = realClock.monotonicMs() + i;
      return new Promise<void>((resolve) => {
        realClock.after(i, () => {
          const leftMs = dueMs - realClock.monotonicMs();
          if (leftMs > 0) early.push(leftMs);
          resolve();
        });
      });
    });
    await Promise.all(due);
  }
  clearTimeout(keepAlive);
  t.deepEqual(early, []);
});
