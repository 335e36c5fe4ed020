import test from 'ava';
import fc from 'fast-check';
import {
  type CheckState,
  judge,
  UNANSWERED,
  type Verdict,
} from '../../../src/forwarder/health/machine.ts';

const RULES = { rise: 2, fall: 3 };
const PASS: Verdict = { pass: true };
const fail = (reason = 'connection refused'): Verdict => ({ pass: false, reason });

function run(verdicts: readonly Verdict[], rules = RULES): CheckState {
  return verdicts.reduce((state, verdict, at) => judge(state, verdict, rules, at), UNANSWERED);
}

test('judge() decides by the first verdict alone', (t) => {
  t.deepEqual(run([PASS]).health, { state: 'up', sinceMs: 0, reason: '' });
  t.deepEqual(run([fail('no route to host')]).health, {
    state: 'down',
    sinceMs: 0,
    reason: 'no route to host',
  });
});

test('judge() takes a backend out with the last of `fall` failures in a row, and not before', (t) => {
  t.is(run([PASS, fail(), fail()]).health?.state, 'up');
  t.is(run([PASS, fail(), fail()]).health?.reason, '');
  t.deepEqual(run([PASS, fail(), fail(), fail('timed out')]).health, {
    state: 'down',
    sinceMs: 3,
    reason: 'timed out',
  });
});

test('judge() counts anew when a verdict in between agrees with the state', (t) => {
  t.is(run([PASS, fail(), fail(), PASS, fail(), fail()]).health?.state, 'up');
  t.is(run([fail(), PASS, fail(), PASS]).health?.state, 'down');
});

test('judge() takes a backend back with the last of `rise` passes in a row', (t) => {
  t.is(run([fail(), PASS]).health?.state, 'down');
  t.deepEqual(run([fail(), PASS, PASS]).health, { state: 'up', sinceMs: 2, reason: '' });
});

test('judge() follows the last reason while down and keeps the time it went down', (t) => {
  t.deepEqual(run([fail('a'), fail('b')]).health, { state: 'down', sinceMs: 0, reason: 'b' });
});

test('judge() keeps the status that was the answer, until there is another or none', (t) => {
  const refused: Verdict = { pass: false, reason: 'status 503', status: 503 };
  const health = (...verdicts: Verdict[]) => run(verdicts).health;
  t.deepEqual(health(refused), { state: 'down', sinceMs: 0, reason: 'status 503', status: 503 });
  t.is(health(fail(), refused)?.status, 503);
  t.deepEqual(health(refused, fail('x')), { state: 'down', sinceMs: 0, reason: 'x' });
  t.deepEqual(health(refused, PASS, PASS), { state: 'up', sinceMs: 2, reason: '' });
});

test('judge() returns the very same health when nothing in it changed', (t) => {
  for (const verdicts of [[PASS], [fail()], [PASS, fail()], [fail(), PASS]]) {
    const before = run(verdicts);
    const again = before.health?.state === 'up' ? PASS : fail();
    t.is(judge(before, again, RULES, 99).health, before.health);
  }
});

test('judge() agrees with a count over the whole history', (t) => {
  const verdict = fc.boolean().map((pass): Verdict => (pass ? PASS : fail()));
  const rules = fc.record({
    rise: fc.integer({ min: 1, max: 4 }),
    fall: fc.integer({ min: 1, max: 4 }),
  });
  fc.assert(
    fc.property(
      fc.array(verdict, { minLength: 1, maxLength: 40 }),
      rules,
      (verdicts, { rise, fall }) => {
        let up = verdicts[0]?.pass ?? false;
        let since = 0;
        for (let at = 1; at < verdicts.length; at++) {
          const need = up ? fall : rise;
          const last = verdicts.slice(Math.max(since + 1, at - need + 1), at + 1);
          if (last.length === need && last.every(({ pass }) => pass !== up)) {
            up = !up;
            since = at;
          }
        }
        const { health } = run(verdicts, { rise, fall });
        t.deepEqual([health?.state, health?.sinceMs], [up ? 'up' : 'down', since]);
      },
    ),
  );
});
