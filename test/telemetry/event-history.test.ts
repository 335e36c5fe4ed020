import test from 'ava';
import fc from 'fast-check';
import { createEventHistory } from '../../src/telemetry/event-history.ts';

function clockAt(start: number) {
  let now = start;
  return { wallMs: () => now++, monotonicMs: () => now, after: () => () => {} };
}

const event = (message: string, key?: string) => ({
  severity: 'info' as const,
  role: 'controller' as const,
  reason: 'Test',
  message,
  ...(key === undefined ? {} : { object: { kind: 'Service', key } }),
});

test('newest() gives the newest events in order, with time and sequence', (t) => {
  const history = createEventHistory(clockAt(100));
  history.record(event('a'));
  history.record(event('b'));
  t.deepEqual(
    history.newest(10).map(({ message, sequence, atMs }) => [message, sequence, atMs]),
    [
      ['a', 1, 100],
      ['b', 2, 101],
    ],
  );
  t.is(history.newest(1)[0]?.message, 'b');
});

test('newest() filters by object before it counts', (t) => {
  const history = createEventHistory(clockAt(0));
  for (const key of ['x', 'y', 'x', 'y']) history.record(event(key, key));
  t.deepEqual(
    history.newest(2, 'x').map(({ sequence }) => sequence),
    [1, 3],
  );
});

test('newest() is the tail of everything recorded, whatever the limit', (t) => {
  fc.assert(
    fc.property(fc.nat(40), fc.integer({ min: 1, max: 10 }), fc.nat(20), (count, limit, wanted) => {
      const history = createEventHistory(clockAt(0), limit);
      for (let index = 1; index <= count; index++) history.record(event(String(index)));
      const kept = Math.min(count, limit, wanted);
      const tail = Array.from({ length: kept }, (_, index) => String(count - kept + index + 1));
      t.deepEqual(
        history.newest(wanted).map(({ message }) => message),
        tail,
      );
    }),
  );
});
