import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import { createLab } from '../../../lab/lab.ts';

const FIXTURE = fileURLToPath(new URL('./tcp.fixture.ts', import.meta.url));

/** Runs a scenario of the fixture on a host of its own. */
async function runScenario(t: ExecutionContext, name: string): Promise<unknown> {
  const lab = createLab();
  t.teardown(lab.remove);
  const host = lab.host('host');
  lab.cable(
    { host, name: 'a0', addresses: ['192.0.2.1/24', '192.0.2.7/24'] },
    { host, name: 'b0' },
  );
  host.ip('neigh add 192.0.2.2 lladdr 02:00:00:00:00:0b dev a0');
  const index = JSON.parse(host.run(['ip', '-j', 'link', 'show', 'dev', 'b0']))[0].ifindex;
  const { code, stdout, stderr } = await host.finish([process.execPath, FIXTURE, name, `${index}`]);
  t.is(code, 0, stderr);
  return JSON.parse(stdout);
}

test('connectTcp() exchanges bytes with a peer that has the same password', async (t) => {
  t.deepEqual(await runScenario(t, 'exchange'), [
    'before it stands, and after|seen|in order|in order|127.0.0.1',
    'before it stands, and after|seen|in order|in order|::1',
  ]);
});

test('a password that differs or that one side lacks shows as silence, and is counted', async (t) => {
  t.deepEqual(await runScenario(t, 'passwords'), {
    results: ['open', 'ETIMEDOUT', 'ETIMEDOUT', 'ETIMEDOUT', 'open'],
    text:
      'Cannot connect to 127.0.0.1 port 1179: no answer for 1500 ms; ' +
      'a peer that has another password, or none, does not answer either',
    accepted: 2,
    noticed: true,
  });
});

test('segments that come from farther than minTtl allows are dropped, on either side', async (t) => {
  t.deepEqual(await runScenario(t, 'distance'), {
    results: ['open', 'ETIMEDOUT', 'open', 'ETIMEDOUT', 'open'],
    suspicious: 'ETIMEDOUT',
  });
});

test('minTtl holds for what follows the handshake, too', async (t) => {
  t.deepEqual(await runScenario(t, 'closeness'), { received: 'near', after: 'near' });
});

test('what the kernel refuses is told by onClose(), with code and words', async (t) => {
  t.deepEqual(await runScenario(t, 'refusals'), {
    told: ['ECONNREFUSED', 'EADDRNOTAVAIL', 'ENODEV', 'ENODEV', 'ENETUNREACH', 'EINVAL'],
    text: 'Cannot connect to 127.0.0.1 port 9: connection refused',
  });
});

test('segments carry traffic class 6, the TTL and the source address asked for', async (t) => {
  t.deepEqual(await runScenario(t, 'wire'), { tos: 0xc0, ttl: 7, source: '192.0.2.7' });
});

test('queuedBytes grows while the peer does not read, and onDrain() tells its end', async (t) => {
  t.deepEqual(await runScenario(t, 'pressure'), {
    stuck: true,
    queuedBytes: 0,
    got: 32 * 1024 * 1024,
    drains: 1,
  });
});

test('end() flushes what is queued to a slow reader, and nothing that comes later', async (t) => {
  t.deepEqual(await runScenario(t, 'flush'), { code: 'in order', sums: [16 * 1024 * 1024] });
});

test('end() gives up on a peer that does not read, or that does not close', async (t) => {
  t.deepEqual(await runScenario(t, 'deaf'), ['ETIMEDOUT', 'in order']);
});

test('a peer that sends all the time gets its share of the event loop, and no more', async (t) => {
  t.like(await runScenario(t, 'greedy'), { all: 8 * 1024 * 1024, shared: true });
});

test('destroy() ends everything without another call, at any time', async (t) => {
  t.deepEqual(await runScenario(t, 'destroyed'), { calls: [], queued: 0 });
});

test('a reset is an error, an end before the connection stands is none', async (t) => {
  t.deepEqual(await runScenario(t, 'lost'), {
    code: 'ECONNRESET',
    text: 'Lost the connection to 127.0.0.1 port 1179: connection reset by peer',
    early: 'in order',
  });
});

test('a link-local peer is found on its interface, and let in from no other', async (t) => {
  const lab = createLab();
  t.teardown(lab.remove);
  const [near, far] = [lab.host('near'), lab.host('far')];
  for (const host of [near, far]) host.sysctl({ 'ipv6/conf/default/addr_gen_mode': 1 });
  for (const [left, right] of [
    ['right', 'a0'],
    ['wrong', 'a1'],
  ] as const) {
    lab.cable(
      { host: near, name: left, addresses: ['fe80::1/64'] },
      { host: far, name: right, addresses: ['fe80::2/64'] },
    );
  }
  const server = far.start([process.execPath, FIXTURE, 'linkLocalServer']);
  await server.prints(/ready/, 10_000);
  const client = await near.finish([process.execPath, FIXTURE, 'linkLocalClient']);
  t.deepEqual(JSON.parse(client.stdout), { right: 'open', wrong: 'ECONNRESET' }, client.stderr);
  const [, told = '{}'] = await server.prints(/^(\{.*\})$/m, 10_000);
  t.like(JSON.parse(told), {
    remote: 'fe80::1%a0',
    counters: { accepted: 1, strangers: 1, tooMany: 0, refused: 0 },
  });
});
