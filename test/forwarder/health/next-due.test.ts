import test from 'ava';
import fc from 'fast-check';
import { hashOf, JITTER, nextDueMs } from '../../../src/forwarder/health/next-due.ts';

const hash = fc.nat({ max: 0xffff_ffff });
const interval = fc.integer({ min: 100, max: 60_000 });

test('nextDueMs() lies between 0.4 and 1.6 intervals after any start', (t) => {
  fc.assert(
    fc.property(hash, fc.nat(), fc.nat(), interval, (value, count, startedMs, intervalMs) => {
      const gap = (nextDueMs(value, count, startedMs, intervalMs) - startedMs) / intervalMs;
      t.true(gap >= 0.4 - 1e-6 && gap <= 1.6 + 1e-6, `${gap}`);
    }),
  );
});

test('nextDueMs() keeps to its grid: probes are 0.8 to 1.2 intervals apart and do not drift', (t) => {
  fc.assert(
    fc.property(hash, fc.nat(), interval, (value, startMs, intervalMs) => {
      let at = nextDueMs(value, 1, startMs, intervalMs);
      const first = at;
      for (let count = 2; count <= 100; count++) {
        const next = nextDueMs(value, count, at, intervalMs);
        const gap = (next - at) / intervalMs;
        t.true(gap >= 1 - 2 * JITTER - 1e-6 && gap <= 1 + 2 * JITTER + 1e-6);
        at = next;
      }
      t.true(Math.abs((at - first) / intervalMs - 99) <= 2 * JITTER + 1e-6);
    }),
    { numRuns: 30 },
  );
});

test('nextDueMs() spreads checks that began together evenly over the interval', (t) => {
  const tenths = new Array<number>(10).fill(0);
  for (let i = 0; i < 10_000; i++) {
    const value = hashOf(`tcp 10.0.${i >> 8}.${i & 255} 80  1000/500 2/3`);
    const due = nextDueMs(value, 2, nextDueMs(value, 1, 0, 1000), 1000);
    const tenth = Math.floor((due % 1000) / 100);
    tenths[tenth] = (tenths[tenth] ?? 0) + 1;
  }
  for (const count of tenths) t.true(count > 850 && count < 1150, tenths.join(' '));
});
