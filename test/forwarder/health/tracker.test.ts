import test from 'ava';
import type { CheckHealth, HealthCheck } from '../../../src/domain/health.ts';
import { KeyedMap } from '../../../src/domain/keyed-map.ts';
import {
  FORGET_AFTER_MS,
  type HealthChanges,
  Tracker,
} from '../../../src/forwarder/health/tracker.ts';
import { fakeClock } from '../../support/fake-clock.ts';
import { recordingLog } from '../../support/recording-log.ts';
import { checkOf } from './support.ts';

const UP: CheckHealth = { state: 'up', sinceMs: 5, reason: '' };
const A = checkOf('10.0.0.1', 80);
const B = checkOf('10.0.0.2', 80);

function tracking(remembered: Readonly<Record<string, CheckHealth>> = {}) {
  const clock = fakeClock();
  const log = recordingLog();
  const told: HealthChanges[] = [];
  const tracker = new Tracker({
    clock,
    log,
    remembered: new Map(Object.entries(remembered)),
    onChange: (changes) => told.push(changes),
  });
  return { clock, log, told, tracker };
}

function only(...checks: HealthCheck[]): KeyedMap<HealthCheck> {
  return KeyedMap.from(checks.map((check) => [check.id, check] as const));
}

test('verdict() changes states() at once and tells of it once a turn', (t) => {
  const { clock, told, tracker } = tracking();
  tracker.verdict(A, { pass: true });
  tracker.verdict(B, { pass: false, reason: 'connection refused' });
  t.is(tracker.states().get(A.id)?.state, 'up');
  t.is(tracker.states().get(B.id)?.reason, 'connection refused');
  t.is(told.length, 0);
  clock.advance(0);
  t.deepEqual(
    told.map((changes) => [...changes.keys()]),
    [[A.id, B.id]],
  );
  clock.advance(1_000);
  t.is(told.length, 1);
});

test('states() is the very same map while nothing changes, and shares what did not change', (t) => {
  const { clock, tracker } = tracking();
  tracker.verdict(A, { pass: true });
  clock.advance(0);
  const before = tracker.states();
  tracker.verdict(A, { pass: true });
  t.is(tracker.states(), before);
  tracker.verdict(B, { pass: true });
  t.deepEqual(tracker.states().changedKeys(before), [B.id]);
  t.is(tracker.states().get(A.id), before.get(A.id));
});

test('what an earlier process knew is there before anybody says what is wanted, and stays', (t) => {
  const { clock, tracker } = tracking({ [A.id]: UP });
  t.is(tracker.states().get(A.id), UP);
  clock.advance(10 * FORGET_AFTER_MS);
  tracker.want(only(A));
  clock.advance(10 * FORGET_AFTER_MS);
  t.is(tracker.states().get(A.id), UP);
});

test('a remembered check needs as many failures as any to go down', (t) => {
  const { tracker } = tracking({ [A.id]: UP });
  const failure = { pass: false, reason: 'connection refused' } as const;
  tracker.verdict(A, failure);
  tracker.verdict(A, failure);
  t.is(tracker.states().get(A.id)?.state, 'up');
  tracker.verdict(A, failure);
  t.is(tracker.states().get(A.id)?.state, 'down');
});

test('what is not wanted is forgotten after a while, and that is told', (t) => {
  const { clock, told, tracker } = tracking({ [A.id]: UP, [B.id]: UP });
  tracker.want(only(A));
  clock.advance(FORGET_AFTER_MS - 1);
  t.is(tracker.states().size, 2);
  clock.advance(1);
  t.deepEqual([...tracker.states().keys()], [A.id]);
  t.deepEqual([...(told[0] ?? [])], [[B.id, undefined]]);
  tracker.want(only());
  clock.advance(FORGET_AFTER_MS);
  t.is(tracker.states().size, 0);
});

test('a check wanted again in time goes on from what was known', (t) => {
  const { clock, tracker } = tracking({ [A.id]: UP });
  tracker.want(only(A));
  tracker.want(only());
  clock.advance(FORGET_AFTER_MS - 1);
  tracker.want(only(A));
  clock.advance(10 * FORGET_AFTER_MS);
  t.is(tracker.states().get(A.id), UP);
});

test('checks that become unwanted one after another are each forgotten in their time', (t) => {
  const { clock, tracker } = tracking({ [A.id]: UP, [B.id]: UP });
  tracker.want(only(A, B));
  tracker.want(only(A));
  clock.advance(1_000);
  tracker.want(only());
  clock.advance(FORGET_AFTER_MS - 1_000);
  t.deepEqual([...tracker.states().keys()], [A.id]);
  clock.advance(1_000);
  t.is(tracker.states().size, 0);
});

test('thousands of changes are logged in a bounded number of lines, and all are counted', (t) => {
  const { clock, log, tracker } = tracking();
  for (let i = 0; i < 5_000; i++) {
    const reason = 'no route to host';
    tracker.verdict(checkOf(`10.0.${i >> 8}.${i & 255}`, 80), { pass: false, reason });
    if (i % 100 === 0) clock.advance(1);
  }
  clock.advance(1_000);
  t.is(log.lines.length, 101);
  t.deepEqual(log.lines.at(-1)?.fields, { changes: 4_900 });
});

test('stop() tells what was not told yet', (t) => {
  const { told, tracker } = tracking();
  tracker.verdict(A, { pass: true });
  tracker.stop();
  t.is(told.length, 1);
});
