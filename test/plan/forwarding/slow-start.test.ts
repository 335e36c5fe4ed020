import test from 'ava';
import { ADMIT_ALL, type Backend } from '../../../src/domain/forwarding.ts';
import { type RampMoment, rampUp, type Starts } from '../../../src/plan/forwarding/slow-start.ts';

type Use = Backend['use'] | 'pending';

/** Plans a server step by step: each step says who does what, and when. */
function history(slowStartMs = 10_000) {
  let starts: Starts | undefined;
  return (nowMs: number, uses: Record<string, Use>, allFail = false) => {
    const members = Object.entries(uses).map(([id, use]) => ({
      id,
      use: use === 'pending' ? ('down' as const) : use,
      pending: use === 'pending',
    }));
    const moment: RampMoment = { before: starts, allFail, slowStartMs, nowMs };
    const ramp = rampUp(members, moment);
    starts = ramp.starts;
    return { admits: [...ramp.admits], nextMs: ramp.nextMs };
  };
}

test('all begin in full at a cold start, however late their first check answers', (t) => {
  const step = history();
  t.deepEqual(step(0, { a: 'active', b: 'active' }).admits, [ADMIT_ALL, ADMIT_ALL]);
  t.deepEqual(step(5, { a: 'active', b: 'pending' }).admits, [ADMIT_ALL, ADMIT_ALL]);
  t.deepEqual(step(9, { a: 'active', b: 'active' }), {
    admits: [ADMIT_ALL, ADMIT_ALL],
    nextMs: undefined,
  });
});

test('one that comes back ramps from a tenth to all in 20 steps', (t) => {
  const step = history();
  step(0, { a: 'active', b: 'active' });
  step(1000, { a: 'active', b: 'down' });
  const admits: number[] = [];
  let nowMs: number | undefined = 2000;
  let steps = 0;
  while (nowMs !== undefined && steps < 100) {
    const { admits: all, nextMs } = step(nowMs, { a: 'active', b: 'active' });
    t.is(all[0], ADMIT_ALL);
    admits.push(all[1] as number);
    if (nextMs !== undefined) t.is(nextMs, nowMs + 500);
    nowMs = nextMs;
    steps++;
  }
  t.is(steps, 21);
  t.deepEqual(admits.slice(0, 3), [26, 37, 49]);
  t.deepEqual(admits.slice(-2), [244, ADMIT_ALL]);
  t.deepEqual(
    admits.toSorted((x, y) => x - y),
    admits,
  );
});

test('a new one ramps once its health is known; one that was at work does not', (t) => {
  const step = history();
  step(0, { a: 'active' });
  t.deepEqual(step(1, { a: 'active', b: 'pending' }).admits, [ADMIT_ALL, ADMIT_ALL]);
  t.deepEqual(step(2, { a: 'active', b: 'active' }).admits, [ADMIT_ALL, 26]);
  t.deepEqual(step(20_000, { a: 'pending', b: 'active' }).admits, [ADMIT_ALL, ADMIT_ALL]);
  t.deepEqual(step(20_001, { a: 'active', b: 'active' }).admits, [ADMIT_ALL, ADMIT_ALL]);
});

test('one that comes up alone begins in full, and the next ones ramp', (t) => {
  const step = history();
  step(0, { a: 'active', b: 'active' });
  step(1, { a: 'down', b: 'down' });
  t.deepEqual(step(2, { a: 'active', b: 'down' }).admits, [ADMIT_ALL, ADMIT_ALL]);
  t.deepEqual(step(3, { a: 'active', b: 'active' }).admits, [ADMIT_ALL, 26]);
});

test('the furthest counts as full when everybody ramps', (t) => {
  const step = history();
  step(0, { a: 'active', b: 'down', c: 'down' });
  step(1000, { a: 'active', b: 'active', c: 'down' });
  step(4000, { a: 'active', b: 'active', c: 'active' });
  const { admits, nextMs } = step(6000, { a: 'down', b: 'active', c: 'active' });
  t.deepEqual(admits, [ADMIT_ALL, ADMIT_ALL, 130]);
  t.is(nextMs, 6500);
  t.deepEqual(step(6200, { a: 'down', b: 'down', c: 'active' }).admits.at(-1), ADMIT_ALL);
});

test('nobody is spared while all health checks fail', (t) => {
  const step = history();
  step(0, { a: 'active', b: 'down' });
  t.deepEqual(step(1, { a: 'active', b: 'active' }, true).admits, [ADMIT_ALL, ADMIT_ALL]);
  step(2, { a: 'active', b: 'down' });
  t.deepEqual(step(3, { a: 'active', b: 'active' }).admits, [ADMIT_ALL, 26]);
});

test('steps are whole milliseconds and at most 20, whatever the duration', (t) => {
  for (const slowStartMs of [1000, 1007, 900_000]) {
    const step = history(slowStartMs);
    step(0, { a: 'active' });
    let at: number | undefined = 10;
    let steps = -1;
    for (; at !== undefined; steps++) {
      t.true(Number.isInteger(at));
      at = step(at, { a: 'active', b: 'active' }).nextMs;
    }
    t.true(steps > 10 && steps <= 20, `${steps}`);
  }
});
