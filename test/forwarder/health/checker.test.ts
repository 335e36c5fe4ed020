import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer as createHttpServer } from 'node:http';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import fc from 'fast-check';
import type { Clock } from '../../../src/domain/clock.ts';
import type { HealthCheck } from '../../../src/domain/health.ts';
import { KeyedMap } from '../../../src/domain/keyed-map.ts';
import {
  type Checker,
  createChecker,
  type HealthMetrics,
  startHealthChecker,
} from '../../../src/forwarder/health/checker.ts';
import type { Probe } from '../../../src/forwarder/health/probe.ts';
import { realClock } from '../../../src/system/real-clock.ts';
import { fakeClock } from '../../support/fake-clock.ts';
import { recordingLog } from '../../support/recording-log.ts';
import { checkOf, listening, until } from './support.ts';

const FAST = { intervalMs: 150, timeoutMs: 5_000, rise: 2, fall: 3 };

function only(...checks: HealthCheck[]): KeyedMap<HealthCheck> {
  return KeyedMap.from(checks.map((check) => [check.id, check] as const));
}

async function inFolder(run: (ledger: string) => Promise<void>) {
  const folder = await mkdtemp(join(tmpdir(), 'tidegate-health-'));
  try {
    await run(join(folder, 'health.ledger'));
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function checking<T>(ledger: string, use: (checker: Checker) => Promise<T>): Promise<T> {
  const checker = await startHealthChecker({ clock: realClock, log: recordingLog(), ledger });
  try {
    return await use(checker);
  } finally {
    await checker.stop();
  }
}

const accepting = () => createServer((socket) => socket.resume());

/** The counts at the moment the next change is told. */
function atNextChange(checker: Checker): Promise<HealthMetrics> {
  return new Promise((resolve, reject) => {
    // Also keeps the process alive: the checker's own timers do not.
    const timer = setTimeout(() => reject(new Error('No change in 10 s')), 10_000);
    const unsubscribe = checker.onChange(() => {
      clearTimeout(timer);
      unsubscribe();
      resolve(checker.metrics());
    });
  });
}

test('a killed backend is down after `fall` failures, and back after `rise` passes', async (t) => {
  await inFolder((ledger) =>
    checking(ledger, async (checker) => {
      const port = await listening(accepting(), '127.0.0.1', async (port) => {
        checker.want(only(checkOf('127.0.0.1', port, FAST)));
        t.is((await atNextChange(checker)).up, 1);
        return port;
      });
      const { id } = checkOf('127.0.0.1', port, FAST);
      const dead = await atNextChange(checker);
      t.like(dead, { down: 1, failed: 3 });
      t.is(checker.states().get(id)?.reason, 'connection refused');
      await listening(
        accepting(),
        '127.0.0.1',
        async () => t.like(await atNextChange(checker), { up: 1, passed: dead.passed + 2 }),
        port,
      );
    }),
  );
});

test('a restart keeps what was known, and nothing flaps', async (t) => {
  await inFolder(async (ledger) => {
    const port = await listening(accepting(), '127.0.0.1', (free) => Promise.resolve(free));
    const check = checkOf('127.0.0.1', port, FAST);
    const down = await checking(ledger, async (checker) => {
      checker.want(only(check));
      t.like(await atNextChange(checker), { down: 1, failed: 1 });
      return checker.states().get(check.id);
    });
    const returned = () =>
      checking(ledger, async (checker) => {
        t.deepEqual(checker.states().get(check.id), down);
        checker.want(only(check));
        t.like(await atNextChange(checker), { up: 1, passed: check.settings.rise });
      });
    await listening(accepting(), '127.0.0.1', returned, port);
    await checking(ledger, async (checker) => {
      t.is(checker.states().get(check.id)?.state, 'up');
      checker.want(only(check));
      t.like(await atNextChange(checker), { down: 1, failed: check.settings.fall });
    });
  });
});

test('a port of its own is asked by HTTP, as with healthCheckNodePort', async (t) => {
  const asked: (string | undefined)[] = [];
  const server = createHttpServer((request, response) => {
    asked.push(request.url);
    response.statusCode = 503;
    response.end('{"localEndpoints": 0}');
  });
  await inFolder((ledger) =>
    listening(server, '127.0.0.1', (port) =>
      checking(ledger, async (checker) => {
        const settings = {
          kind: 'http',
          port,
          path: '/healthz',
          expectedStatus: [[200, 200]],
        } as const;
        const check = checkOf('127.0.0.1', port, settings);
        checker.want(only(check));
        await until(() => checker.metrics().down === 1);
        t.is(checker.states().get(check.id)?.reason, 'status 503, expected 200');
        t.is(asked[0], '/healthz');
      }),
    ),
  );
});

test('a blocked event loop makes no backend look dead', async (t) => {
  // Answers at once, but hangs up on whoever does not speak within 500 ms.
  const source = `
    const server = require('node:net').createServer((socket) => {
      const timer = setTimeout(() => socket.resetAndDestroy(), 500);
      socket.on('error', () => {});
      socket.on('data', () => { clearTimeout(timer); socket.end('HTTP/1.1 200 OK\\r\\n\\r\\n'); });
    });
    server.listen(0, '127.0.0.1', () => process.send(server.address().port));`;
  const child = spawn(process.execPath, ['-e', source], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  try {
    const port = await portOf(child);
    await inFolder((ledger) =>
      checking(ledger, async (checker) => {
        const settings = { intervalMs: 50, timeoutMs: 600, kind: 'http', fall: 1 } as const;
        const paths = Array.from({ length: 50 }, (_, i) => `/${i}`);
        checker.want(
          only(...paths.map((path) => checkOf('127.0.0.1', port, { ...settings, path }))),
        );
        await until(() => checker.metrics().up === 50);
        for (let round = 0; round < 3; round++) {
          block(1_000);
          const { passed } = checker.metrics();
          await until(() => checker.metrics().passed > passed + 50);
        }
        t.true(checker.metrics().stalls >= 3);
        t.is(checker.metrics().changes, 50);
        t.is(checker.metrics().failed, 0);
      }),
    );
  } finally {
    child.kill('SIGKILL');
  }
});

test('without a place for its ledger the checker says so and checks all the same', async (t) => {
  await inFolder(async (path) => {
    await writeFile(path, '');
    const log = recordingLog();
    const ledger = join(path, 'health.ledger');
    const checker = await startHealthChecker({ clock: realClock, log, ledger });
    try {
      t.regex(log.lines[0]?.message ?? '', /will not survive a restart/);
      await listening(accepting(), '127.0.0.1', async (port) => {
        checker.want(only(checkOf('127.0.0.1', port, FAST)));
        await until(() => checker.metrics().up === 1);
      });
    } finally {
      await checker.stop();
    }
  });
});

/** A checker on a simulated clock, with one probe for all. */
function simulated(probe: Probe, clock: Clock) {
  return createChecker({ clock, log: recordingLog(), memory: undefined, probe });
}

test('listeners hear of changes once a turn, until they unsubscribe', (t) => {
  const clock = fakeClock();
  const checker = simulated((_check, done) => {
    done({ pass: true });
    return { stop: () => undefined, stage: () => '' };
  }, clock);
  let heard = 0;
  const unsubscribe = checker.onChange(() => {
    heard += 1;
  });
  checker.want(only(checkOf('10.0.0.1', 80), checkOf('10.0.0.2', 80)));
  clock.advance(5_000);
  t.is(heard, 1);
  unsubscribe();
  checker.want(only(checkOf('10.0.0.3', 80)));
  clock.advance(5_000);
  t.is(heard, 1);
  t.deepEqual([checker.metrics().checks, checker.metrics().up], [1, 1]);
});

test('an equal check wanted again goes on as before', (t) => {
  const clock = fakeClock();
  let started = 0;
  const checker = simulated((_check, done) => {
    started += 1;
    done({ pass: true });
    return { stop: () => undefined, stage: () => '' };
  }, clock);
  for (let i = 0; i < 10; i++) {
    checker.want(only(checkOf('10.0.0.1', 80, { intervalMs: 10_000 })));
    clock.advance(100);
  }
  t.is(started, 1);
});

test('death is noticed within 1.2 × fall intervals and a timeout, whatever the phase', (t) => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 255 }),
      fc.integer({ min: 0, max: 5_000 }),
      (host, killMs) => {
        const clock = fakeClock();
        let alive = true;
        const checker = simulated((_check, done) => {
          if (alive) clock.after(5, () => done({ pass: true }));
          return { stop: () => undefined, stage: () => '' };
        }, clock);
        checker.want(
          only(checkOf(`10.0.0.${host}`, 80, { intervalMs: 1_000, timeoutMs: 500, fall: 3 })),
        );
        clock.advance(100 + killMs);
        alive = false;
        let tookMs = 0;
        while (checker.metrics().down === 0) {
          clock.advance(10);
          tookMs += 10;
        }
        t.true(tookMs <= 3 * 1_200 + 500 + 30, `${tookMs}`);
      },
    ),
    { numRuns: 50 },
  );
});

test('a backend that always answers in time is never down, however the process stalls', (t) => {
  const pause = fc.record({
    runMs: fc.integer({ min: 1, max: 700 }),
    stallMs: fc.integer({ min: 0, max: 3_000 }),
  });
  fc.assert(
    fc.property(
      fc.array(pause, { maxLength: 30 }),
      fc.integer({ min: 0, max: 150 }),
      (pauses, answerMs) => {
        const timers = fakeClock();
        let stalledMs = 0;
        const clock: Clock = { ...timers, monotonicMs: () => timers.monotonicMs() + stalledMs };
        const checker = simulated((_check, done) => {
          timers.after(answerMs, () => done({ pass: true }));
          return { stop: () => undefined, stage: () => '' };
        }, clock);
        checker.want(only(checkOf('10.0.0.1', 80, { intervalMs: 300, timeoutMs: 250, fall: 1 })));
        timers.advance(500);
        for (const { runMs, stallMs } of pauses) {
          timers.advance(runMs);
          stalledMs += stallMs;
        }
        timers.advance(1_000);
        t.deepEqual([checker.metrics().failed, checker.metrics().up], [0, 1]);
      },
    ),
  );
});

async function portOf(child: ChildProcess): Promise<number> {
  const [port] = (await once(child, 'message')) as [number];
  return port;
}

function block(ms: number) {
  const endMs = performance.now() + ms;
  while (performance.now() < endMs);
}
