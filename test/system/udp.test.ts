import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import { createLab } from '../../lab/lab.ts';

const FIXTURE = fileURLToPath(new URL('./udp.fixture.ts', import.meta.url));

/** Runs a scenario of the fixture where nothing else is on the wire. */
async function runScenario(t: ExecutionContext, name: string): Promise<unknown> {
  const lab = createLab();
  t.teardown(lab.remove);
  const host = lab.host('host');
  const addresses = ['192.0.2.1/24', 'fe80::1/64'];
  lab.cable({ host, name: 'a0', addresses }, { host, name: 'b0' });
  const { code, stdout, stderr } = await host.finish([process.execPath, FIXTURE, name]);
  t.is(code, 0, stderr);
  return JSON.parse(stdout);
}

test('a receiver tells source, destination, TTL and interface of both families', async (t) => {
  t.deepEqual(await runScenario(t, 'metadata'), [
    {
      bytes: [1, 2, 3],
      source: '192.0.2.1',
      destination: '192.0.2.1',
      ttl: 254,
      sourcePort: 50_001,
      interface: 'a0',
    },
    {
      bytes: [4],
      source: 'fe80::1',
      destination: 'fe80::1',
      ttl: 255,
      sourcePort: 50_002,
      interface: 'a0',
    },
  ]);
});

test('receivePending() delivers what waits, and close() within a callback ends it', async (t) => {
  t.deepEqual(await runScenario(t, 'pending'), {
    before: 0,
    after: 3,
    got: [1, 2, 3],
    closed: 'EBADF',
  });
});

test('what cannot be opened or sent throws the code, and nothing waits in a sender', async (t) => {
  t.deepEqual(await runScenario(t, 'refusals'), {
    samePort: 'EADDRINUSE',
    noDevice: 'ENODEV',
    notOurs: 'EADDRNOTAVAIL',
    noRoute: 'ENETUNREACH',
    noName: 'none',
    tooLong: 'none',
    waiting: 0,
    closed: ['none', 'none', 'none'],
  });
});

test('a worker has sockets of its own and goes before ordinary threads', async (t) => {
  t.deepEqual(await runScenario(t, 'worker'), {
    priority: 'realtime',
    policy: 2,
    got: 42,
    main: 0,
  });
});
