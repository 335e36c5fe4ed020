import test from 'ava';
import { statusBaseOf } from '../../../../src/cluster/kubernetes/status/status-base.ts';
import {
  CONTEST_MAX_PAUSE_MS,
  CONTEST_PAUSE_MS,
  CONTEST_REWRITES,
  CONTEST_WINDOW_MS,
  createContest,
} from '../../../../src/cluster/kubernetes/write/contest.ts';

function base(ip: string) {
  return statusBaseOf({
    metadata: { name: 'web', namespace: 'default', uid: 'u', resourceVersion: '1' },
    status: { loadBalancer: { ingress: [{ ip }] } },
  });
}

const ours = base('192.0.2.1');
const theirs = base('192.0.2.9');

test('mayWrite() pauses when somebody keeps writing over what was written', (t) => {
  const contest = createContest();
  t.true(contest.mayWrite(theirs, 0).allowed);
  contest.wrote(ours);
  for (let count = 0; count < CONTEST_REWRITES; count++) {
    t.true(contest.mayWrite(theirs, count).allowed);
    contest.wrote(ours);
  }
  t.deepEqual(contest.mayWrite(theirs, 10), {
    allowed: false,
    begins: true,
    pauseMs: CONTEST_PAUSE_MS,
  });
  t.like(contest.mayWrite(theirs, 11), { allowed: false, begins: false });
  t.true(contest.mayWrite(theirs, 10 + CONTEST_PAUSE_MS).allowed);
});

test('mayWrite() pauses longer each time, up to a limit, until it is over', (t) => {
  const contest = createContest();
  contest.wrote(ours);
  let now = 0;
  for (let count = 0; count < CONTEST_REWRITES; count++) contest.mayWrite(theirs, now);
  const pauses: number[] = [];
  for (let count = 0; count < 8; count++) {
    const leave = contest.mayWrite(theirs, now);
    if (leave.allowed) return t.fail();
    pauses.push(leave.pauseMs);
    now += leave.pauseMs;
    t.true(contest.mayWrite(theirs, now).allowed);
    contest.wrote(ours);
  }
  t.deepEqual(pauses.slice(0, 3), [30_000, 60_000, 120_000]);
  t.is(pauses.at(-1), CONTEST_MAX_PAUSE_MS);
  t.true(contest.mayWrite(theirs, now + CONTEST_WINDOW_MS).allowed);
});

test('mayWrite() takes no change of ours, and no rare one of others, for a contest', (t) => {
  const contest = createContest();
  for (let count = 0; count < 100; count++) {
    contest.wrote(ours);
    t.true(contest.mayWrite(ours, count).allowed);
    t.true(contest.mayWrite(theirs, count * CONTEST_WINDOW_MS).allowed);
  }
});
