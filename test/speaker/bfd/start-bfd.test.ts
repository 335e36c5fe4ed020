import test from 'ava';
import type { BfdSession } from '../../../src/domain/bgp/bfd-session.ts';
import { type BfdWanted, pathFailed } from '../../../src/speaker/bfd/bfd.ts';
import type { BfdReport, BfdRequest } from '../../../src/speaker/bfd/messages.ts';
import { startBfd } from '../../../src/speaker/bfd/start-bfd.ts';
import { bfdProfile } from '../../support/bgp-objects.ts';
import { fakeClock } from '../../support/fake-clock.ts';
import { address } from '../../support/objects.ts';
import { recordingLog } from '../../support/recording-log.ts';

const PROFILE = bfdProfile('fast', { receiveIntervalMs: 50, transmitIntervalMs: 60 });

const WANTED: BfdWanted = {
  remote: address('192.0.2.2'),
  local: undefined,
  interface: undefined,
  multihop: false,
  profile: PROFILE,
  authentication: undefined,
};

/** A thread that does what the test says. */
function scene() {
  const clock = fakeClock();
  const log = recordingLog();
  const threads: {
    readonly requests: BfdRequest[];
    readonly report: (report: BfdReport) => void;
    readonly end: (error: Error | undefined) => void;
    terminated: boolean;
  }[] = [];
  const bfd = startBfd({ clock, log }, (report, end) => {
    const requests: BfdRequest[] = [];
    const thread = { requests, report, end, terminated: false };
    threads.push(thread);
    return {
      post: (request) => void requests.push(request),
      terminate: async () => {
        thread.terminated = true;
      },
    };
  });
  const heard: [key: string, session: BfdSession][] = [];
  bfd.onChange((key, session) => heard.push([key, session]));
  const thread = () => threads.at(-1) as (typeof threads)[number];
  /** The thread tells of a session that differs from what is known by this. */
  const tell = (key: string, changes: Partial<BfdSession>, round: number) => {
    const session = { ...(bfd.sessions().get(key) as BfdSession), ...changes };
    thread().report({ kind: 'session', round, key, session });
  };
  return { clock, log, threads, thread, bfd, heard, tell };
}

function one(wanted: Partial<BfdWanted> = {}): ReadonlyMap<string, BfdWanted> {
  return new Map([['tor', { ...WANTED, ...wanted }]]);
}

test('the thread starts with the first session that is wanted', (t) => {
  const { bfd, threads, thread } = scene();
  bfd.want(new Map());
  t.is(threads.length, 0);
  bfd.want(one());
  t.is(threads.length, 1);
  const [request] = thread().requests;
  if (request?.kind !== 'want') return t.fail();
  t.like(request.orders.get('tor'), {
    timers: { transmitUs: 60_000, receiveUs: 50_000, detectMultiplier: 3 },
    minimumTtl: 255,
    profile: 'fast',
  });
  t.like(bfd.sessions().get('tor'), { state: 'AdminDown', obstacle: '' });
});

test('a multihop session has the least TTL of its profile', (t) => {
  const { bfd, thread } = scene();
  bfd.want(one({ multihop: true }));
  const [request] = thread().requests;
  t.is(request?.kind === 'want' ? request.orders.get('tor')?.minimumTtl : 0, 254);
});

test('listeners hear of changes, and the log tells Up, Down and an end by the peer', (t) => {
  const { bfd, heard, log, tell } = scene();
  bfd.want(one());
  tell('tor', { state: 'Down' }, 1);
  tell('tor', { state: 'Up', remoteState: 'Up' }, 1);
  tell('tor', { state: 'Down', localDiagnostic: 'Control Detection Time Expired' }, 1);
  tell('tor', { state: 'Up' }, 1);
  tell('tor', { state: 'Down', remoteState: 'AdminDown' }, 1);
  t.deepEqual(
    heard.map(([, { state }]) => state),
    ['Down', 'Up', 'Down', 'Up', 'Down'],
  );
  t.deepEqual(
    log.lines.map(({ level, message }) => `${level}: ${message}`),
    [
      'info: BFD session is up',
      'warn: BFD session went down',
      'info: BFD session is up',
      'info: The peer ended the BFD session',
    ],
  );
  t.like(log.lines[1]?.fields, { peer: 'tor', diagnostic: 'Control Detection Time Expired' });
});

test('a session that flaps does not fill the log', (t) => {
  const { bfd, log, tell } = scene();
  bfd.want(one());
  for (let i = 0; i < 100; i++) {
    tell('tor', { state: 'Up' }, 1);
    tell('tor', { state: 'Down' }, 1);
  }
  t.is(log.lines.length, 10);
});

test('what is told of a session that was another then is ignored', (t) => {
  const { bfd, heard, tell } = scene();
  bfd.want(one());
  bfd.want(one({ remote: address('192.0.2.3') }));
  tell('tor', { state: 'Up' }, 1);
  t.is(bfd.sessions().get('tor')?.state, 'AdminDown');
  tell('tor', { state: 'Up' }, 2);
  t.is(bfd.sessions().get('tor')?.state, 'Up');
  bfd.want(one({ remote: address('192.0.2.3'), profile: { ...PROFILE, detectMultiplier: 5 } }));
  tell('tor', { state: 'Down' }, 2);
  t.is(bfd.sessions().get('tor')?.state, 'Down');
  t.is(heard.length, 2);
});

test('counters are read without a word to listeners, and asked for again', (t) => {
  const { bfd, heard, thread } = scene();
  bfd.want(one());
  const session = { ...(bfd.sessions().get('tor') as BfdSession), packetsSent: 7 };
  thread().report({
    kind: 'counters',
    round: 1,
    sessions: new Map([
      ['tor', session],
      ['gone', session],
    ]),
    drops: { ttl: 2 },
  });
  t.is(bfd.sessions().get('tor')?.packetsSent, 7);
  t.deepEqual([...bfd.sessions().keys()], ['tor']);
  t.deepEqual(bfd.drops(), { ttl: 2 });
  t.deepEqual(heard, []);
  t.is(thread().requests.at(-1)?.kind, 'read');
});

test('a thread that ended is started again, and no path has failed meanwhile', (t) => {
  const { bfd, clock, heard, log, tell, thread, threads } = scene();
  bfd.want(one());
  tell('tor', { state: 'Up', remoteState: 'Up' }, 1);
  const up = bfd.sessions().get('tor');
  thread().end(new Error('out of memory'));
  const [, lost] = heard.at(-1) as [string, BfdSession];
  t.regex(lost.obstacle, /being started again/);
  t.false(pathFailed(up, lost));
  t.true(log.lines.some(({ level }) => level === 'error'));
  bfd.want(one());
  t.is(threads.length, 1);
  clock.advance(1000);
  t.is(threads.length, 2);
  const request = thread().requests[0];
  t.is(request?.kind === 'want' ? request.orders.size : 0, 1);
  tell('tor', { state: 'Up', obstacle: '' }, 3);
  t.is(bfd.sessions().get('tor')?.state, 'Up');
});

test('a thread that hangs is ended, and one that reports is not', (t) => {
  const { bfd, clock, log, tell, thread, threads } = scene();
  bfd.want(one());
  tell('tor', { state: 'Up', remoteState: 'Up' }, 1);
  for (let i = 0; i < 60; i++) {
    clock.advance(1000);
    thread().report({ kind: 'counters', round: 1, sessions: new Map(), drops: {} });
  }
  t.false(thread().terminated);
  clock.advance(9000);
  t.false(thread().terminated);
  clock.advance(2000);
  t.true(thread().terminated);
  t.regex(log.lines.at(-1)?.message ?? '', /hangs/);
  thread().end(undefined);
  t.regex(bfd.sessions().get('tor')?.obstacle ?? '', /being started again/);
  clock.advance(1000);
  t.is(threads.length, 2);
  clock.advance(9000);
  t.false(thread().terminated);
  clock.advance(2000);
  t.true(thread().terminated, 'the next one is watched, too');
});

test('stop() waits for the thread to have told the peers, and not for ever', async (t) => {
  for (const answers of [true, false]) {
    const { bfd, clock, thread } = scene();
    bfd.want(one());
    const stopped = bfd.stop();
    t.is(thread().requests.at(-1)?.kind, 'stop');
    if (answers) thread().report({ kind: 'stopped' });
    else clock.advance(2000);
    await stopped;
    t.true(thread().terminated);
    bfd.want(new Map());
    await bfd.stop();
  }
});

test('stop() without a thread has nothing to do', async (t) => {
  const { bfd, threads } = scene();
  await bfd.stop();
  bfd.want(one());
  t.is(threads.length, 0);
});

test('a thread without precedence is warned of', (t) => {
  const { bfd, log, thread } = scene();
  bfd.want(one());
  thread().report({ kind: 'started', priority: 'realtime' });
  thread().report({ kind: 'started', priority: 'normal' });
  t.deepEqual(
    log.lines.map(({ level }) => level),
    ['info', 'warn'],
  );
  t.regex(log.lines[1]?.message ?? '', /CAP_SYS_NICE/);
});

test('pathFailed() is Down after Up, unless the peer ended it', (t) => {
  const { bfd } = scene();
  bfd.want(one());
  const session = bfd.sessions().get('tor') as BfdSession;
  const up: BfdSession = { ...session, state: 'Up', remoteState: 'Up' };
  const down: BfdSession = { ...session, state: 'Down', remoteState: 'Down' };
  t.true(pathFailed(up, down));
  t.false(pathFailed(up, { ...down, remoteState: 'AdminDown' }));
  t.false(pathFailed({ ...up, state: 'Init' }, down));
  t.false(pathFailed(undefined, down));
  t.false(pathFailed(up, { ...up, state: 'AdminDown' }));
});
