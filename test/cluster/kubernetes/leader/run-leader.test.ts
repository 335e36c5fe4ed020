import { setImmediate as turn } from 'node:timers/promises';
import test from 'ava';
import type { Lease } from '../../../../src/cluster/kubernetes/leader/lease.ts';
import { runLeader } from '../../../../src/cluster/kubernetes/leader/run-leader.ts';
import { ApiError } from '../../../../src/cluster/kubernetes/transport/api-error.ts';
import type { ApiRequest } from '../../../../src/cluster/kubernetes/transport/api-request.ts';
import { fakeClock } from '../../../support/fake-clock.ts';
import { recordingLog } from '../../../support/recording-log.ts';
import { refusal, simulatedApi } from './simulated-api.ts';

const DURATIONS = { durationMs: 10_000, renewDeadlineMs: 7_000, retryPeriodMs: 2_000 };

function bench() {
  const clock = fakeClock();
  const log = recordingLog();
  const api = simulatedApi(() => {});
  const bench = {
    clock,
    log,
    api,
    /** Decides what becomes of a request. */
    fate: (request: ApiRequest): unknown => api.handle(request),
    takeOver: async () => {},
    unwatched: 0,
    seen: (_: Lease | undefined) => {},
    start(random = 0.5) {
      const connection = {
        server: 'https://api:6443',
        request: async (request: ApiRequest) => bench.fate(request),
        stream: () => Promise.reject(new Error('The watch is given')),
        close: async () => {},
      };
      return runLeader(
        {
          ...{ connection, namespace: 'tidegate-system', name: 'tidegate-controller' },
          ...{ identity: 'box', durations: DURATIONS, clock, log, random: () => random },
          takeOver: () => bench.takeOver(),
        },
        (seen) => {
          bench.seen = seen;
          return async () => {
            bench.unwatched += 1;
          };
        },
      );
    },
    async settled() {
      for (let i = 0; i < 5; i++) await turn();
    },
    async later(ms: number) {
      clock.advance(ms);
      await bench.settled();
    },
  };
  return bench;
}

const timeout = () => new ApiError('No answer within 2 s', { status: 0, reason: 'Timeout' });

test('runLeader() gives each process a name of its own', async (t) => {
  const one = bench();
  const [a, b] = [one.start(0.25), one.start(0.75)];
  await one.settled();
  t.is(a.state().identity, 'box_4000000040000000');
  t.is(b.state().identity, 'box_c0000000c0000000');
  t.deepEqual([a.leads(), b.leads()], [true, false]);
  t.is(b.leader(), a.state().identity);
});

test('runLeader() ceases to lead at the deadline, though nothing wakes it', async (t) => {
  const one = bench();
  const leader = one.start();
  await one.settled();
  let told = 0;
  leader.subscribe(() => {
    told += 1;
  });
  const hung = { ...one.clock };
  one.fate = () => new Promise(() => {});
  // Only the clock goes on: timers of a process that does not run do not fire.
  one.clock.monotonicMs = () => hung.monotonicMs() + 7_000;
  t.false(leader.leads());
  t.is(leader.leader(), '');
  t.is(told, 0);
  await t.throwsAsync(leader.begin([]), { message: /Cannot note address changes.*does not lead/ });
  t.is(told, 1);
});

test('runLeader() tells when it leads and when it does not', async (t) => {
  const one = bench();
  const leader = one.start();
  const told: boolean[] = [];
  const unsubscribe = leader.subscribe(() => told.push(leader.leads()));
  await one.settled();
  t.is(told.at(-1), true);
  one.fate = () => Promise.reject(timeout());
  for (let i = 0; i < 10; i++) await one.later(1_000);
  t.is(told.at(-1), false);
  t.like(leader.state(), { phase: 'standby', lost: 1, renewAgeMs: undefined });
  t.true(leader.state().renewFailures > 1);
  unsubscribe();
  const count = told.length;
  one.fate = one.api.handle;
  await one.later(2_000);
  t.true(leader.leads());
  t.is(told.length, count);
  t.like(leader.state(), { phase: 'leading', acquired: 2 });
});

test('runLeader() says once what keeps it from the Lease, and what to do', async (t) => {
  const one = bench();
  one.fate = (request) => {
    if (request.method === 'GET') throw refusal(404, 'NotFound');
    throw new ApiError('namespaces "tidegate-system" not found', {
      status: 404,
      reason: 'NotFound',
    });
  };
  const leader = one.start();
  for (let i = 0; i < 5; i++) await one.later(2_000);
  const errors = one.log.lines.filter(({ level }) => level === 'error');
  t.is(errors.length, 1);
  t.regex(
    String(errors[0]?.fields['problem']),
    /not found. Create the namespace "tidegate-system"/,
  );
  t.regex(leader.state().problem, /cluster.kubernetes.namespace/);
  one.fate = one.api.handle;
  await one.later(2_000);
  t.is(leader.state().problem, '');
  t.true(leader.leads());
});

test('runLeader() takes an answer that is no Lease for no answer', async (t) => {
  const one = bench();
  one.fate = () => '<html>';
  const leader = one.start();
  await one.settled();
  t.regex(leader.state().problem, /https:\/\/api:6443 answered for Lease .* with no object/);
  one.fate = (request) => (request.method === 'POST' ? {} : one.api.handle(request));
  await one.later(2_000);
  t.false(leader.leads());
});

test('runLeader() tries again to take over, and takes nothing for done before', async (t) => {
  const one = bench();
  let tries = 0;
  one.takeOver = async () => {
    tries += 1;
    if (tries < 3) throw new Error('list failed');
  };
  const leader = one.start();
  await one.settled();
  t.is(leader.state().phase, 'taking');
  t.false(leader.leads());
  await one.later(100);
  await one.later(200);
  t.is(tries, 3);
  t.true(leader.leads());
});

test('stop() releases the Lease and ends the watch; also when the API server is away', async (t) => {
  const one = bench();
  const leader = one.start();
  await one.settled();
  await leader.stop();
  t.is(one.unwatched, 1);
  const [lease] = one.api.list('lease').values();
  t.like(lease?.['spec'], { holderIdentity: '', leaseDurationSeconds: 1 });
  t.is(leader.state().phase, 'stopped');

  const other = one.start();
  await one.settled();
  t.true(other.leads());
  one.fate = () => Promise.reject(timeout());
  const stopped = other.stop();
  t.false(other.leads());
  for (let i = 0; i < 5; i++) await one.later(1_000);
  await stopped;
  t.is(one.unwatched, 2);
});
