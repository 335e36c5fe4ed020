import test from 'ava';
import fc from 'fast-check';
import { createWheel } from '../../../src/forwarder/health/wheel.ts';

test('advance() gives each item out once, when its time has come', (t) => {
  const wheel = createWheel<string>(5);
  wheel.schedule('soon', 17);
  wheel.schedule('later', 18.5);
  wheel.schedule('past', 1);
  t.deepEqual(wheel.advance(5), ['past']);
  t.deepEqual(wheel.advance(17), ['soon']);
  t.deepEqual(wheel.advance(18), []);
  t.deepEqual(wheel.advance(19), ['later']);
  t.is(wheel.size, 0);
  t.is(wheel.wakeMs(), undefined);
});

test('wakeMs() is the first time within the next turn of the wheel, and before it for what is later', (t) => {
  const wheel = createWheel<string>(0);
  wheel.schedule('far', 60_000);
  t.true((wheel.wakeMs() ?? 0) > 10_000 && (wheel.wakeMs() ?? 0) <= 60_000);
  wheel.schedule('near', 123);
  t.is(wheel.wakeMs(), 123);
});

test('the wheel does what a plain list of timers does', (t) => {
  const command = fc.oneof(
    fc.record({ op: fc.constant('schedule' as const), item: fc.nat(9), ms: fc.nat(30_000) }),
    fc.record({ op: fc.constant('cancel' as const), item: fc.nat(9) }),
    fc.record({ op: fc.constant('advance' as const), ms: fc.nat(15_000) }),
  );
  fc.assert(
    fc.property(fc.nat(100_000), fc.array(command, { maxLength: 60 }), (startMs, commands) => {
      const wheel = createWheel<number>(startMs);
      const model = new Map<number, number>();
      let nowMs = startMs;
      for (const step of commands) {
        if (step.op === 'schedule') {
          wheel.schedule(step.item, nowMs + step.ms);
          model.set(step.item, nowMs + step.ms);
        } else if (step.op === 'cancel') {
          wheel.cancel(step.item);
          model.delete(step.item);
        } else {
          nowMs += step.ms;
          const due = [...model].filter(([, atMs]) => atMs <= nowMs).map(([item]) => item);
          for (const item of due) model.delete(item);
          t.deepEqual(wheel.advance(nowMs).sort(), due.sort());
        }
        t.is(wheel.size, model.size);
        const wakeMs = wheel.wakeMs() ?? Number.POSITIVE_INFINITY;
        t.true(wakeMs <= Math.min(...model.values()) && wakeMs >= nowMs - 1e-6);
      }
    }),
  );
});
