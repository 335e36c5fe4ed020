import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import { createLab } from '../../../lab/lab.ts';

const FIXTURE = fileURLToPath(new URL('./tcp.fixture.ts', import.meta.url));

/** Runs a scenario of the fixture on a host of its own. */
async function runScenario(t: ExecutionContext, name: string): Promise<unknown> {
  const lab = createLab();
  t.teardown(lab.remove);
  const host = lab.host('host');
  lab.cable({ host, name: 'a0', addresses: ['192.0.2.1/24'] }, { host, name: 'b0' });
  const { code, stdout, stderr } = await host.finish([process.execPath, FIXTURE, name]);
  t.is(code, 0, stderr);
  return JSON.parse(stdout);
}

test('a stranger is not answered, and is counted', async (t) => {
  t.deepEqual(await runScenario(t, 'strangers'), {
    stranger: 'ETIMEDOUT',
    friend: 'open',
    connections: 1,
    counters: { accepted: 1, strangers: 0, tooMany: 0, refused: 0, badSignatures: 0 },
    dropped: true,
  });
});

test('setPeers() changes who may come and by which password, and leaves what stands', async (t) => {
  t.deepEqual(await runScenario(t, 'changes'), {
    oldKey: 'ETIMEDOUT',
    newKey: 'open',
    noKey: 'open',
    afterRefusal: 'open',
    most: 'none',
    nobody: 'ETIMEDOUT',
    refused: ['EINVAL', 'EINVAL'],
  });
});

test('a flood of connections is refused beyond two, until one of them ends', async (t) => {
  t.deepEqual(await runScenario(t, 'flood'), { taken: 2, tooMany: 298, again: 'open' });
});

test('a connection that either side has closed does not keep its successor out', async (t) => {
  t.deepEqual(await runScenario(t, 'successors'), { opened: 8, tooMany: 0 });
});

test('a peer that comes and leaves all the time is slowed down, others are not', async (t) => {
  t.deepEqual(await runScenario(t, 'restless'), { bounded: true, all: 60, other: 'open' });
});

test('a listener of an interface stands beside that of all others', async (t) => {
  t.deepEqual(await runScenario(t, 'devices'), {
    both: 'open',
    counts: [1, 0],
    deviceAlone: 'ECONNREFUSED',
    none: 'ENODEV',
  });
});

test('a port that is taken is told at once, and free again after close()', async (t) => {
  t.deepEqual(await runScenario(t, 'ports'), {
    busy: 'EADDRINUSE',
    after: 'ECONNREFUSED',
    anew: 'open',
    accepted: 1,
  });
});

test('a connection that nobody accepts is reset', async (t) => {
  t.deepEqual(await runScenario(t, 'refusing'), { code: 'ECONNRESET', refused: 1 });
});
