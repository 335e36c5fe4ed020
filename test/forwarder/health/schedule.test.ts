import test from 'ava';
import type { Clock } from '../../../src/domain/clock.ts';
import type { HealthCheck } from '../../../src/domain/health.ts';
import type { Outcome, Probe } from '../../../src/forwarder/health/probe.ts';
import { MAX_IN_FLIGHT, Schedule } from '../../../src/forwarder/health/schedule.ts';
import { fakeClock } from '../../support/fake-clock.ts';
import { checkOf } from './support.ts';

const PASS: Outcome = { pass: true };

/** A schedule on a clock that can also stall, with probes that `answer` after a while (or never). */
function scheduled(
  answer: (check: HealthCheck) => { outcome: Outcome; afterMs: number } | undefined,
) {
  const timers = fakeClock();
  let stalledMs = 0;
  const clock: Clock = { ...timers, monotonicMs: () => timers.monotonicMs() + stalledMs };
  const starts: { id: string; atMs: number }[] = [];
  const verdicts: { id: string; pass: boolean; reason: string; atMs: number }[] = [];
  const discards: string[] = [];
  const stalls: number[] = [];
  const running = new Set<string>();
  let overlaps = 0;
  const probe: Probe = (check, done) => {
    starts.push({ id: check.id, atMs: timers.monotonicMs() });
    if (running.has(check.id)) overlaps += 1;
    running.add(check.id);
    const end = (then: () => void) => {
      running.delete(check.id);
      then();
    };
    const answered = answer(check);
    if (answered?.afterMs === 0) end(() => done(answered.outcome));
    else if (answered) timers.after(answered.afterMs, () => end(() => done(answered.outcome)));
    return { stop: () => end(() => undefined), stage: () => ' waiting for nothing' };
  };
  const schedule = new Schedule({
    clock,
    probe,
    onVerdict: (check, verdict) =>
      verdicts.push({
        id: check.id,
        pass: verdict.pass,
        reason: verdict.pass ? '' : verdict.reason,
        atMs: timers.monotonicMs(),
      }),
    onDiscard: (_check, reason) => discards.push(reason),
    onStall: (ms) => stalls.push(ms),
  });
  const stall = (ms: number) => {
    stalledMs += ms;
  };
  return { timers, schedule, starts, verdicts, discards, stalls, stall, overlaps: () => overlaps };
}

function manyChecks(count: number, settings = {}): HealthCheck[] {
  return Array.from({ length: count }, (_, i) =>
    checkOf(`10.0.${i >> 8}.${i & 255}`, 80, settings),
  );
}

test('the first probe of a check starts at once, and the next ones an interval apart', (t) => {
  const { timers, schedule, starts } = scheduled(() => ({ outcome: PASS, afterMs: 3 }));
  timers.advance(777);
  const startMs = timers.monotonicMs();
  schedule.add(checkOf('10.0.0.1', 80, { intervalMs: 1000 }));
  timers.advance(20_000);
  const first = starts[0]?.atMs ?? Number.NaN;
  t.true(first - startMs <= 10);
  t.true(starts.length >= 20 && starts.length <= 22, `${starts.length}`);
  for (let i = 2; i < starts.length; i++) {
    const gap = (starts[i]?.atMs ?? 0) - (starts[i - 1]?.atMs ?? 0);
    t.true(gap >= 785 && gap <= 1215, `${gap}`);
  }
});

test('a probe without answer is stopped after its timeout and fails in words', (t) => {
  const { timers, schedule, verdicts } = scheduled(() => undefined);
  schedule.add(checkOf('10.0.0.1', 80, { timeoutMs: 400 }));
  timers.advance(500);
  t.is(verdicts[0]?.reason, 'timed out after 400 ms waiting for nothing');
  t.is(schedule.load().inFlight, 0);
});

test('a check is never probed twice at once, even with a timeout longer than its interval', (t) => {
  const { timers, schedule, starts, overlaps } = scheduled(() => undefined);
  for (const check of manyChecks(20, { intervalMs: 100, timeoutMs: 350 })) schedule.add(check);
  timers.advance(5_000);
  t.is(overlaps(), 0);
  t.true(starts.length >= 20 * 12);
});

test('a burst of 100,000 checks is begun at a bounded pace', (t) => {
  const { timers, schedule, starts } = scheduled(() => ({ outcome: PASS, afterMs: 0 }));
  for (let i = 0; i < 100_000; i++) {
    schedule.add(checkOf(`10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`, 80, { intervalMs: 60_000 }));
  }
  timers.advance(100);
  t.true(starts.length <= 2_000, `${starts.length}`);
  t.is(schedule.load().waiting, 100_000 - starts.length);
  timers.advance(5_000);
  t.is(schedule.load().waiting, 0);
  t.is(new Set(starts.map(({ id }) => id)).size, 100_000);
});

test('known checks keep their interval while a burst of new ones is begun', (t) => {
  const { timers, schedule, starts } = scheduled(() => ({ outcome: PASS, afterMs: 0 }));
  const known = checkOf('192.0.2.1', 80, { intervalMs: 500 });
  schedule.add(known);
  timers.advance(2_000);
  const before = timers.monotonicMs();
  for (const check of manyChecks(30_000, { intervalMs: 60_000 })) schedule.add(check);
  timers.advance(1_400);
  t.true(schedule.load().waiting > 0);
  const during = starts.filter(({ id, atMs }) => id === known.id && atMs > before);
  t.true(during.length >= 2, `${during.length}`);
});

test('no more than MAX_IN_FLIGHT probes run at once, and the rest waits', (t) => {
  const { timers, schedule } = scheduled(() => undefined);
  const settings = { intervalMs: 10_000, timeoutMs: 10_000 };
  for (const check of manyChecks(MAX_IN_FLIGHT + 500, settings)) schedule.add(check);
  timers.advance(2_000);
  t.deepEqual(schedule.load(), { inFlight: MAX_IN_FLIGHT, waiting: 500 });
  timers.advance(12_000);
  t.true(schedule.load().waiting < MAX_IN_FLIGHT);
});

test('a probe that was under way during a stall cannot fail, and is soon repeated', (t) => {
  const { timers, schedule, verdicts, discards, stalls, stall } = scheduled(() => undefined);
  schedule.add(checkOf('10.0.0.1', 80, { intervalMs: 2_000, timeoutMs: 500 }));
  timers.advance(300);
  stall(5_000);
  timers.advance(10);
  t.deepEqual(verdicts, []);
  t.is(stalls.length, 1);
  timers.advance(300);
  t.deepEqual(verdicts, []);
  t.regex(discards[0] ?? '', /timed out after 500 ms .* during a stall/);
  timers.advance(800);
  t.is(verdicts.length, 1);
  t.is(stalls.length, 1);
});

test('an answer across a stall counts', (t) => {
  const { timers, schedule, verdicts, stall } = scheduled(() => ({ outcome: PASS, afterMs: 100 }));
  schedule.add(checkOf('10.0.0.1', 80));
  timers.advance(50);
  stall(60_000);
  timers.advance(100);
  t.deepEqual(
    verdicts.map(({ pass }) => pass),
    [true],
  );
});

test('a failure that comes in before the stall was noticed is discarded as well', (t) => {
  const failure: Outcome = { pass: false, reason: 'connection reset' };
  const { timers, schedule, verdicts, discards, stall } = scheduled(() => ({
    outcome: failure,
    afterMs: 15,
  }));
  schedule.add(checkOf('10.0.0.1', 80));
  timers.advance(14);
  stall(3_000);
  timers.advance(12);
  t.deepEqual(verdicts, []);
  t.deepEqual(discards, ['connection reset during a stall']);
});

test('being late by less than a stall does not eat up the timeout', (t) => {
  const { timers, schedule, verdicts, stall } = scheduled(() => ({ outcome: PASS, afterMs: 90 }));
  schedule.add(checkOf('10.0.0.1', 80, { timeoutMs: 200 }));
  timers.advance(20);
  stall(190);
  timers.advance(200);
  t.deepEqual(
    verdicts.map(({ pass }) => pass),
    [true],
  );
});

test('a probe from which nothing was learnt gives no verdict and is repeated within 200 ms', (t) => {
  const nothing: Outcome = { pass: undefined, reason: 'too many open files' };
  const { timers, schedule, verdicts, discards, starts } = scheduled(() => ({
    outcome: nothing,
    afterMs: 0,
  }));
  schedule.add(checkOf('10.0.0.1', 80, { intervalMs: 5_000 }));
  timers.advance(1_000);
  t.deepEqual(verdicts, []);
  t.true(starts.length >= 4);
  t.is(discards[0], 'too many open files');
});

test('remove() stops the probe under way and nothing is called any more', (t) => {
  const { timers, schedule, starts, verdicts } = scheduled(() => ({ outcome: PASS, afterMs: 50 }));
  const check = checkOf('10.0.0.1', 80);
  schedule.add(check);
  timers.advance(20);
  t.is(schedule.load().inFlight, 1);
  schedule.remove(check.id);
  t.is(schedule.load().inFlight, 0);
  timers.advance(10_000);
  t.deepEqual(verdicts, []);
  t.is(starts.length, 1);
});

test('removed and added again while its probe was under way, a check is probed once at a time', (t) => {
  const { timers, schedule, starts, verdicts } = scheduled(() => ({ outcome: PASS, afterMs: 50 }));
  const check = checkOf('10.0.0.1', 80, { intervalMs: 10_000 });
  schedule.add(check);
  timers.advance(20);
  schedule.remove(check.id);
  schedule.add(check);
  timers.advance(200);
  t.is(starts.length, 2);
  t.is(verdicts.length, 1);
});

test('with nothing under way the schedule sleeps until the next check is due', (t) => {
  const timers = fakeClock();
  let wakes = 0;
  const clock: Clock = {
    ...timers,
    after: (delayMs, run) =>
      timers.after(delayMs, () => {
        wakes += 1;
        run();
      }),
  };
  const probe: Probe = (_check, done) => {
    done(PASS);
    return { stop: () => undefined, stage: () => '' };
  };
  const ignore = () => undefined;
  const schedule = new Schedule({
    clock,
    probe,
    onVerdict: ignore,
    onDiscard: ignore,
    onStall: () => t.fail('no stall'),
  });
  timers.advance(3_600_000);
  schedule.add(checkOf('10.0.0.1', 80, { intervalMs: 30_000 }));
  timers.advance(600_000);
  t.true(wakes < 120, `${wakes}`);
});

test('stop() ends everything', (t) => {
  const { timers, schedule, starts } = scheduled(() => undefined);
  for (const check of manyChecks(100)) schedule.add(check);
  timers.advance(20);
  schedule.stop();
  const begun = starts.length;
  timers.advance(10_000);
  t.is(starts.length, begun);
  t.deepEqual(schedule.load(), { inFlight: 0, waiting: 0 });
});
