import test, { type ExecutionContext } from 'ava';
import fc from 'fast-check';
import { addressesOf } from '../../../../src/cluster/kubernetes/status/api-status.ts';
import { statusBaseOf } from '../../../../src/cluster/kubernetes/status/status-base.ts';
import type { ApiRequest } from '../../../../src/cluster/kubernetes/transport/api-request.ts';
import {
  CONTEST_PAUSE_MS,
  CONTEST_REWRITES,
} from '../../../../src/cluster/kubernetes/write/contest.ts';
import {
  JOURNAL_BATCH,
  WRITES_IN_FLIGHT,
} from '../../../../src/cluster/kubernetes/write/status-writer.ts';
import { type Address, formatAddress } from '../../../../src/domain/address.ts';
import type { Condition, ServiceStatus } from '../../../../src/domain/service.ts';
import { address as addr, status } from '../../../support/objects.ts';
import type { Fate } from './fake-services.ts';
import { writerBench } from './writer-bench.ts';

const FINALIZER = 'service.kubernetes.io/load-balancer-cleanup';
const event = {
  type: 'Normal',
  reason: 'IPAllocated',
  message: 'm',
  firstMs: 1,
  lastMs: 1,
} as const;

function bench(...names: string[]) {
  const made = writerBench();
  for (const name of names) made.server.put(`default/${name}`);
  made.watch();
  const ips = (name: string) => {
    const object = made.server.get(`default/${name}`);
    return object && addressesOf(statusBaseOf(object)).map(formatAddress);
  };
  const write = (changes: Record<string, ServiceStatus | undefined>) =>
    made.writer.write(
      new Map(Object.entries(changes).map(([name, wanted]) => [`default/${name}`, wanted])),
    );
  return { ...made, ips, write };
}

function errorsOf(errors: ReadonlyMap<string, Error>) {
  return Object.fromEntries([...errors].map(([key, { message }]) => [key, message]));
}

test('write() writes one patch a Service, noted before, and shows what it wrote', async (t) => {
  const { write, server, leader, ips, status: read, said } = bench('a', 'b');
  const wanted = { ...status(['192.0.2.1']), events: [{ ...event, count: 2 }] };
  t.is((await write({ a: wanted, b: status(['192.0.2.2']) })).size, 0);
  t.deepEqual([ips('a'), ips('b')], [['192.0.2.1'], ['192.0.2.2']]);
  t.is(server.patches().length, 2);
  t.like(server.patches()[0], {
    path: '/api/v1/namespaces/default/services/a/status',
    contentType: 'application/merge-patch+json',
    query: { fieldManager: 'tidegate-controller' },
  });
  t.deepEqual(leader.begun, [['default/a', 'default/b']]);
  t.is(leader.pending().size, 0);
  t.deepEqual(read('default/a'), wanted);
  t.deepEqual(said, ['a Normal IPAllocated 2']);
});

test('write() sends nothing that is there already, and no event twice', async (t) => {
  const { write, server, said } = bench('a');
  const wanted = { ...status(['192.0.2.1']), events: [{ ...event, count: 1 }] };
  await write({ a: wanted });
  await write({ a: wanted });
  t.is(server.patches().length, 1);
  const again = { ...wanted, events: [{ ...event, count: 2 }] };
  await write({ a: again });
  t.is(server.patches().length, 1);
  t.deepEqual(said, ['a Normal IPAllocated 1', 'a Normal IPAllocated 1', 'onEvents default/a']);
});

test('write() notes nothing in the journal for conditions alone, and sends no address with them', async (t) => {
  const { write, server, leader } = bench('a');
  await write({ a: status(['192.0.2.1']) });
  const condition: Condition = {
    type: 'tidegate.io/Serving',
    status: 'True',
    reason: 'Serving',
    message: '',
    sinceMs: 0,
  };
  await write({ a: { ...status(['192.0.2.1']), conditions: [condition] } });
  t.is(leader.begun.length, 1);
  const { body } = server.patches()[1] as ApiRequest;
  t.deepEqual(Object.keys((body as { status: object }).status), ['conditions']);
});

test('write() takes an address away before it gives it to another', async (t) => {
  const { write, server, ips } = bench('a', 'b', 'c');
  await write({ a: status(['192.0.2.1']), b: status(['192.0.2.2']) });
  watchForTwins(t, server);
  await write({ c: status(['192.0.2.1']), a: status(['192.0.2.2']), b: undefined });
  t.deepEqual([ips('a'), ips('b'), ips('c')], [['192.0.2.2'], [], ['192.0.2.1']]);
  await write({ a: status(['192.0.2.1']), c: status(['192.0.2.2']) });
  t.deepEqual([ips('a'), ips('c')], [['192.0.2.1'], ['192.0.2.2']]);
});

test('write() gives nothing away that could not be taken away', async (t) => {
  const { write, server, ips, watch } = bench('a', 'b', 'c');
  await write({ a: status(['192.0.2.1']) });
  server.put('default/a', { metadata: { labels: { x: 'y' } } });
  const errors = await write({ b: status(['192.0.2.1']), a: undefined, c: status(['192.0.2.3']) });
  t.deepEqual(errorsOf(errors), {
    'default/a': 'Cannot write the status of Service "default/a": 409 Conflict',
    'default/b':
      'Cannot write the status of Service "default/b": Service "default/a" may still have 192.0.2.1',
  });
  t.deepEqual([ips('a'), ips('b'), ips('c')], [['192.0.2.1'], [], ['192.0.2.3']]);
  t.is((await write({ b: status(['192.0.2.1']) }).catch(() => new Map([['x', 1]]))).size, 1);
  watch();
  t.is((await write({ b: status(['192.0.2.1']), a: undefined })).size, 0);
  t.deepEqual([ips('a'), ips('b')], [[], ['192.0.2.1']]);
});

test('write() keeps from others what may still arrive, and sends it again', async (t) => {
  const { write, server, leader, ips } = bench('a', 'b', 'c');
  server.fate = ({ path }) => (path.includes('/a/') ? 'delayed' : 'pass');
  const first = await write({ a: status(['192.0.2.1']), c: status(['192.0.2.3']) });
  t.deepEqual([...first.keys()], ['default/a']);
  t.deepEqual([...leader.pending().keys()], ['default/a']);
  const second = await write({ b: status(['192.0.2.1']), c: undefined });
  t.deepEqual([...second.keys()], ['default/b']);
  server.fate = () => 'pass';
  watchForTwins(t, server);
  const third = await write({ b: status(['192.0.2.1']), a: undefined });
  t.deepEqual([...third.keys()], []);
  t.deepEqual([ips('a'), ips('b')], [[], ['192.0.2.1']]);
  t.is(leader.pending().size, 0);
  server.arrive();
  t.deepEqual(ips('a'), []);
});

test('write() learns from the watch that what got no answer was done', async (t) => {
  const { write, server, leader, watch, ips } = bench('a', 'b');
  server.fate = ({ path }) => (path.includes('/a/') ? 'answerLost' : 'pass');
  await write({ a: status(['192.0.2.1']), b: status(['192.0.2.2']) });
  watch();
  const patches = server.patches().length;
  t.is((await write({ a: status(['192.0.2.1']) })).size, 0);
  t.is(server.patches().length, patches);
  t.is(leader.pending().size, 0);
  t.deepEqual(ips('a'), ['192.0.2.1']);
});

test('write() gives a deleted Service back with its guard, and gives it nothing', async (t) => {
  const { write, server, watch } = bench('a', 'b');
  await write({ a: status(['192.0.2.1']) });
  for (const name of ['a', 'b'])
    server.put(`default/${name}`, { metadata: { deletionTimestamp: '2026-01-01T00:00:00Z' } });
  watch();
  const errors = await write({ a: undefined, b: status(['192.0.2.2']) });
  t.deepEqual(errorsOf(errors), {
    'default/b': 'Cannot write the status of Service "default/b": it is being deleted',
  });
  t.is(server.get('default/a'), undefined);
});

test('write() has nothing to do for a Service that is gone', async (t) => {
  const { write, server } = bench('a');
  server.delete('default/a');
  t.is((await write({ a: status(['192.0.2.1']), never: undefined })).size, 0);
});

test('write() rejects when it does not lead, or may not begin, and sends nothing', async (t) => {
  const { write, server, leader } = bench('a');
  leader.leading = false;
  await t.throwsAsync(write({ a: status(['192.0.2.1']) }), { code: 'ENOTLEADING' });
  leader.leading = true;
  leader.refusal = new Error('The Lease is gone');
  await t.throwsAsync(write({ a: status(['192.0.2.1']) }), { message: 'The Lease is gone' });
  t.is(server.requests.length, 0);
});

test('write() stops at once when it no longer leads', async (t) => {
  const { write, server, leader } = bench('a', 'b');
  const begin = leader.begin;
  leader.begin = async (entries) => {
    await begin(entries);
    leader.leading = false;
  };
  await t.throwsAsync(write({ a: status(['192.0.2.1']), b: status(['192.0.2.2']) }));
  t.is(server.requests.length, 0);
});

test('write() asks a server that is away only so often', async (t) => {
  const names = Array.from({ length: 3 * WRITES_IN_FLIGHT }, (_, index) => `s${index}`);
  const { write, server, leader } = bench(...names);
  server.fate = () => ({ refuse: 503 });
  const wanted = names.map((name, index) => [name, status([`192.0.2.${index}`])] as const);
  await t.throwsAsync(write(Object.fromEntries(wanted)), { message: /503/ });
  t.true(server.requests.length <= 2 * WRITES_IN_FLIGHT);
  t.true(leader.pending().size <= 2 * WRITES_IN_FLIGHT);
  server.fate = () => 'pass';
  t.is((await write(Object.fromEntries(wanted))).size, 0);
  t.is(leader.pending().size, 0);
});

test('write() notes many changes in parts, and has a bounded number under way', async (t) => {
  const names = Array.from({ length: JOURNAL_BATCH + 10 }, (_, index) => `s${index}`);
  const { write, server, leader } = bench(...names);
  let underWay = 0;
  let most = 0;
  const { request } = server;
  server.request = async (asked) => {
    underWay += 1;
    most = Math.max(most, underWay);
    const answer = await request(asked);
    underWay -= 1;
    return answer;
  };
  const wanted = names.map((name, index) => [name, status([`10.0.${index >> 8}.${index & 255}`])]);
  t.is((await write(Object.fromEntries(wanted))).size, 0);
  t.deepEqual(
    leader.begun.map(({ length }) => length),
    [JOURNAL_BATCH, 10],
  );
  t.is(most, WRITES_IN_FLIGHT);
});

test('write() refuses to fight, and says on the Service who the other is', async (t) => {
  const { write, server, watch, clock, said, log, status: read } = bench('a');
  const overwrite = () => {
    server.put('default/a', {
      metadata: {
        managedFields: [
          {
            manager: 'other-lb',
            time: '2026-01-01T00:00:00Z',
            fieldsV1: { 'f:status': { 'f:loadBalancer': {} } },
          },
        ],
      },
      status: { loadBalancer: { ingress: [{ ip: '203.0.113.1' }] } },
    });
    watch();
  };
  for (let count = 0; count <= CONTEST_REWRITES; count++) {
    t.is((await write({ a: status(['192.0.2.1']) })).size, 0);
    overwrite();
  }
  const [error] = (await write({ a: status(['192.0.2.1']) })).values();
  t.regex(error?.message ?? '', /somebody else keeps writing it; tried again in 30 s/);
  for (let turn = 0; turn < 10; turn++) await Promise.resolve();
  t.like(read('default/a')?.conditions[0], {
    type: 'tidegate.io/Allocated',
    status: 'False',
    reason: 'StatusContested',
    message:
      '"other-lb" writes the status of this Service, too. Let one load balancer controller serve it: set spec.loadBalancerClass, or stop the other one',
  });
  t.deepEqual(said, ['a Warning StatusContested 1']);
  t.like(log.lines.at(-1), { level: 'warn', fields: { manager: 'other-lb' } });
  const sent = server.requests.length;
  await write({ a: status(['192.0.2.1']) });
  t.is(server.requests.length, sent);
  clock.advance(CONTEST_PAUSE_MS);
  t.is((await write({ a: status(['192.0.2.1']) })).size, 0);
});

/** Fails when an address is in two statuses. */
function watchForTwins(t: ExecutionContext, server: ReturnType<typeof bench>['server']) {
  server.onChange = () => {
    const all = server.keys().flatMap((key) => {
      const object = server.get(key);
      return object ? addressesOf(statusBaseOf(object)) : [];
    });
    t.is(new Set(all).size, all.length, `twice among ${all.map(formatAddress)}`);
  };
}

const NAMES = ['a', 'b', 'c', 'd', 'e'];
const fate = fc.oneof(
  { weight: 5, arbitrary: fc.constant<Fate>('pass') },
  { weight: 1, arbitrary: fc.constantFrom<Fate>('answerLost', 'delayed', { refuse: 503 }) },
  { weight: 1, arbitrary: fc.constantFrom<Fate>({ refuse: 422 }, { refuse: 429 }) },
);
const step = fc.record({
  /** Who gets which address; each address once, as the allocator sees to. */
  order: fc.shuffledSubarray([1, 2, 3, 4, 5, 0, 0].map((value, index) => ({ value, index }))),
  asked: fc.subarray(NAMES, { minLength: 1 }),
  fates: fc.array(fate, { minLength: 12, maxLength: 12 }),
  meanwhile: fc.constantFrom('nothing', 'watch', 'arrive', 'touch', 'recreate'),
  who: fc.constantFrom(...NAMES),
  /** The cache learns something between a decision and its write. */
  late: fc.boolean(),
});

test('write() never has an address in two statuses, whatever becomes of requests, and gets there', async (t) => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 12 }), async (steps) => {
      const { write, server, watch, ips, leader, status: read } = bench(...NAMES);
      watchForTwins(t, server);
      const wanted = new Map<string, Address | undefined>();
      const statusOf = (name: string) => {
        const address = wanted.get(name);
        return address === undefined ? undefined : status([formatAddress(address)]);
      };
      const changes = (names: readonly string[]) =>
        Object.fromEntries(names.map((name) => [name, statusOf(name)]));
      for (const { order, asked, fates, meanwhile, who, late } of steps) {
        for (const [index, name] of NAMES.entries()) {
          const value = order[index]?.value ?? 0;
          wanted.set(name, value === 0 ? undefined : addr(`192.0.2.${value}`));
        }
        let next = 0;
        server.fate = () => fates[next++] ?? 'pass';
        // All that were decided anew go into one batch; a retry is of some, and of those who are
        // seen to have what was not decided to be theirs.
        await write(changes(NAMES)).catch(() => {});
        const strays = NAMES.filter((name) => {
          const held = read(`default/${name}`)?.addresses ?? [];
          return held.some((address) => address !== wanted.get(name));
        });
        if (late) watch();
        await write(changes([...new Set([...asked, ...strays])])).catch(() => {});
        if (meanwhile === 'watch') watch();
        if (meanwhile === 'arrive') server.arrive();
        if (meanwhile === 'touch') server.put(`default/${who}`);
        if (meanwhile === 'recreate') {
          server.delete(`default/${who}`);
          server.put(`default/${who}`, { metadata: { uid: `new-${who}-${next}` } });
        }
      }
      server.fate = () => 'pass';
      for (let round = 0; round < 5; round++) {
        watch();
        await write(changes(NAMES));
      }
      server.arrive();
      for (const name of NAMES) {
        const address = wanted.get(name);
        t.deepEqual(ips(name), address === undefined ? [] : [formatAddress(address)]);
      }
      t.is(leader.pending().size, 0);
    }),
    { numRuns: 500 },
  );
});

test('write() guards a Service that has an address already', async (t) => {
  const { write, server, watch, leader } = bench('a');
  server.put('default/a', { status: { loadBalancer: { ingress: [{ ip: '192.0.2.1' }] } } });
  watch();
  await write({ a: status(['192.0.2.1']) });
  t.deepEqual(server.get('default/a')?.metadata['finalizers'], [FINALIZER]);
  t.deepEqual(leader.begun, []);
});
