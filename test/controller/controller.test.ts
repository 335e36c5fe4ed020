import test from 'ava';
import { DEPARTURE_LIMIT_MS } from '../../src/controller/departures.ts';
import { STOP_WAIT_MS } from '../../src/controller/loop.ts';
import { CONDITIONS_PER_WRITE } from '../../src/controller/work.ts';
import { EVENTS_PER_SERVICE } from '../../src/domain/service.ts';
import { bench, fakeSource, REPORTS_SETTLE_MS, run, settled } from './fake-cluster.ts';

const POOL = ['192.0.2.0/30'];
const full = () => Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' });

test('startController() writes address, pool, events and conditions', async (t) => {
  const { status, ips, events, condition, clock } = bench((c) => c.pool('p', POOL).set('web'));
  await settled();
  t.deepEqual(ips('web'), ['192.0.2.0']);
  t.is(status('web')?.pool, 'p');
  t.deepEqual(status('web')?.events, [
    {
      type: 'Normal',
      reason: 'IPAllocated',
      message: 'Assigned IP ["192.0.2.0"]',
      firstMs: clock.wallMs(),
      lastMs: clock.wallMs(),
      count: 1,
    },
  ]);
  t.deepEqual(events('web'), ['IPAllocated 1']);
  t.like(condition('web', 'Allocated'), {
    status: 'True',
    reason: 'IPAllocated',
    message: '192.0.2.0 from pool "p"',
    sinceMs: clock.wallMs(),
  });
  t.like(condition('web', 'Serving'), { status: 'Unknown', reason: 'notForwarded' });
  t.like(condition('web', 'Announced'), { status: 'Unknown', reason: 'notReported' });
});

test('startController() says why a Service has no address, with field and remedy', async (t) => {
  const { condition, events } = bench((c) => c.pool('p', POOL).set('web', { ips: ['10.0.0.1'] }));
  await settled();
  t.deepEqual(events('web'), ['AllocationFailed 1']);
  t.like(condition('web', 'Allocated'), {
    status: 'False',
    reason: 'AllocationFailed',
    message:
      'Failed to allocate IP for "default/web": ["10.0.0.1"] is not allowed in config. Ask for addresses that one IPAddressPool contains, or add them to a pool (metallb.io/loadBalancerIPs)',
  });
  t.like(condition('web', 'Serving'), { status: 'False', reason: 'noIPAllocated' });
});

test('startController() waits for the first complete read', async (t) => {
  const source = fakeSource();
  const { controller } = run(source);
  await settled();
  t.deepEqual(controller.readiness(), {
    ready: false,
    reason: 'Waiting for the first complete read of the cluster',
  });
  t.like(controller.counters(), { configLoaded: false });
  source.change((c) => c.pool('p', POOL));
  await settled();
  t.true(controller.readiness().ready);
  t.true(controller.counters().configLoaded);
});

test('startController() writes nothing when nothing changes', async (t) => {
  const { source, clock } = bench((c) => c.pool('p', POOL).set('web'));
  await settled();
  clock.advance(10_000);
  source.change((c) => c.edit('web', { labels: { a: 'b' } }));
  await settled();
  t.is(source.attempts.length, 1);
});

test('startController() keeps the addresses over a restart, and writes nothing', async (t) => {
  const first = bench((c) => c.pool('p', POOL).set('a').set('b').set('c'));
  await settled();
  await first.controller.stop();
  const before = first.source.current().statuses;
  first.source.change((c) => c.delete('a').set('d'));
  const second = run(first.source);
  await settled();
  t.deepEqual([second.ips('b'), second.ips('c')], [['192.0.2.1'], ['192.0.2.2']]);
  t.is(second.status('b'), before.get('default/b'));
  t.deepEqual(second.ips('d'), ['192.0.2.0']);
  t.is(second.ips('a'), undefined);
});

test('startController() comes to the same after a kill between plan and write', async (t) => {
  const source = fakeSource();
  source.delay = new Promise(() => {});
  const killed = bench((c) => c.pool('p', POOL).set('a').set('b'), source);
  await settled();
  t.is(source.writes.length, 0);
  const planned = killed.controller.allocation()?.services.get('default/b')?.addresses;
  source.delay = undefined;
  const next = run(source);
  await settled();
  t.deepEqual(next.status('b')?.addresses, planned);
  t.deepEqual(next.events('b'), ['IPAllocated 1']);
});

test('startController() plans the next snapshot only when its write is done', async (t) => {
  const source = fakeSource();
  let release = () => {};
  source.delay = new Promise((resolve) => {
    release = resolve;
  });
  const { ips } = bench((c) => c.pool('p', POOL).set('a'), source);
  await settled();
  source.change((c) => c.set('b'));
  source.change((c) => c.set('c'));
  await settled();
  t.is(source.attempts.length, 1);
  release();
  await settled();
  t.is(source.attempts.length, 2);
  t.deepEqual([...(source.attempts[1]?.keys() ?? [])].sort(), ['default/b', 'default/c']);
  t.deepEqual([ips('a'), ips('b'), ips('c')], [['192.0.2.0'], ['192.0.2.1'], ['192.0.2.2']]);
});

test('startController() reserves what it cannot write, and tries again with backoff', async (t) => {
  const source = fakeSource();
  source.change((c) => c.pool('p', POOL).set('a'));
  source.failure = full();
  const { clock, controller, log, ips, events } = run(source);
  await settled();
  t.like(log.lines.at(-1), {
    level: 'error',
    message: 'Cannot allocate; addresses stay as decided',
    fields: { attempts: 1, retryInMs: 100 },
  });
  t.deepEqual(controller.readiness(), {
    ready: false,
    reason: 'Cannot write the status of 1 Services: ENOSPC: no space left on device',
  });
  clock.advance(100);
  await settled();
  t.is(source.attempts.length, 2);
  t.like(log.lines.at(-1), { fields: { attempts: 2, retryInMs: 200 } });
  source.change((c) => c.set('b').edit('a', { labels: { a: 'b' } }));
  await settled();
  t.is(source.attempts.length, 2);
  t.is(controller.allocation()?.services.size, 2);
  source.failure = undefined;
  clock.advance(200);
  await settled();
  t.deepEqual([ips('a'), ips('b')], [['192.0.2.0'], ['192.0.2.1']]);
  t.deepEqual([events('a'), events('b')], [['IPAllocated 1'], ['IPAllocated 1']]);
  t.deepEqual(controller.readiness(), { ready: true, reason: '' });
  t.like(controller.counters(), { updates: 2, updateErrors: 2 });
  const attempts = source.attempts.length;
  clock.advance(60_000);
  await settled();
  t.is(source.attempts.length, attempts);
});

test('startController() loses nothing that was written when a later write fails', async (t) => {
  const { source, ips } = bench((c) => c.pool('p', POOL).set('a').set('b'));
  await settled();
  source.failure = full();
  source.change((c) => c.edit('b', { poolRequest: 'none' }).set('c'));
  await settled();
  t.deepEqual([ips('a'), ips('b'), ips('c')], [['192.0.2.0'], ['192.0.2.1'], undefined]);
});

test('startController() removes the status of a Service that is gone or no longer ours', async (t) => {
  const { source, status } = bench((c) =>
    c.pool('p', POOL).set('gone').set('type').set('class').set('stays'),
  );
  await settled();
  source.change((c) =>
    c
      .delete('gone')
      .edit('type', { type: 'ClusterIP' })
      .edit('class', { loadBalancerClass: 'x/y' }),
  );
  await settled();
  t.deepEqual([...source.current().statuses.keys()], ['default/stays']);
  t.is(status('gone'), undefined);
});

test('startController() removes at its start what it finds of its own', async (t) => {
  const { source } = bench((c) =>
    c
      .pool('p', POOL)
      .status('gone', ['192.0.2.0'], { pool: 'p' })
      .set('type', { type: 'ClusterIP' })
      .status('type', ['192.0.2.1'], { pool: 'p' })
      .set('theirs', { type: 'ClusterIP' })
      .status('theirs', ['192.0.2.2']),
  );
  await settled();
  t.deepEqual([...source.current().statuses.keys()], ['default/theirs']);
});

test('startController() does not touch the status of a Service of another class', async (t) => {
  const { source, status } = bench((c) =>
    c
      .pool('p', POOL)
      .set('web', { loadBalancerClass: 'x/y' })
      .status('web', ['192.0.2.0'], { pool: 'q' }),
  );
  await settled();
  source.change((c) => c.edit('web', { labels: { a: 'b' } }));
  await settled();
  t.is(status('web')?.pool, 'q');
  t.deepEqual(source.attempts, []);
});

test('startController() keeps the status of a Service that may stand in an unreadable file', async (t) => {
  const unreadable = { severity: 'error', message: 'm', remedy: 'r' } as const;
  const { source, ips } = bench((c) =>
    c.pool('p', ['192.0.2.0/32']).problems(unreadable).set('a').status('hidden', ['192.0.2.0']),
  );
  await settled();
  t.deepEqual([ips('hidden'), ips('a')], [['192.0.2.0'], []]);
  source.change((c) => c.problems());
  await settled();
  t.deepEqual([ips('hidden'), ips('a')], [undefined, ['192.0.2.0']]);
});

test('startController() replaces a host name, and keeps conditions of others', async (t) => {
  const theirs = { type: 'x/y', status: 'True', reason: 'R', message: 'm', sinceMs: 1 } as const;
  const { status, ips } = bench((c) =>
    c
      .pool('p', POOL)
      .set('web')
      .status('web', [], { hostnames: ['lb.example'], conditions: [theirs] }),
  );
  await settled();
  t.deepEqual([ips('web'), status('web')?.hostnames], [['192.0.2.0'], []]);
  t.deepEqual(status('web')?.conditions[0], theirs);
  t.is(status('web')?.conditions.length, 4);
});

test('startController() turns reports into conditions, a moment later', async (t) => {
  const { source, clock, observed, condition } = bench((c) => c.pool('p', POOL).set('web'));
  await settled();
  observed.serve('192.0.2.0', true);
  observed.announce('192.0.2.0', true);
  await settled();
  t.is(source.attempts.length, 1);
  clock.advance(REPORTS_SETTLE_MS);
  await settled();
  t.is(source.attempts.length, 2);
  const sinceMs = clock.wallMs();
  t.like(condition('web', 'Serving'), { status: 'True', reason: 'Serving', sinceMs });
  t.like(condition('web', 'Announced'), { status: 'True', message: '192.0.2.0 on eth0', sinceMs });
  clock.advance(5000);
  observed.serve('192.0.2.0', false, 'noEndpoints');
  clock.advance(REPORTS_SETTLE_MS);
  await settled();
  t.like(condition('web', 'Serving'), {
    status: 'False',
    reason: 'noEndpoints',
    sinceMs: clock.wallMs(),
  });
  t.like(condition('web', 'Announced'), { status: 'True', sinceMs });
});

test('startController() writes conditions of many Services in parts, allocations in between', async (t) => {
  const count = CONDITIONS_PER_WRITE + 10;
  const { source, clock, observed } = bench((c) => {
    c.pool('p', ['10.0.0.0/16']);
    for (let index = 0; index < count; index++) c.set(`s${index}`);
  });
  await settled();
  for (let index = 0; index < count; index++)
    observed.serve(`10.0.${index >> 8}.${index & 255}`, true);
  clock.advance(REPORTS_SETTLE_MS);
  await Promise.resolve();
  source.change((c) => c.set('new'));
  await settled();
  await settled();
  const sizes = source.writes.map((changes) => changes.size);
  t.deepEqual(sizes, [count, CONDITIONS_PER_WRITE, 1, 10]);
});

test('startController() looks at all when the forwarder becomes ready', async (t) => {
  const { clock, observed, condition } = bench((c) => c.pool('p', POOL).set('web'));
  observed.ready = false;
  await settled();
  t.like(condition('web', 'Serving'), { reason: 'forwarderNotReady' });
  observed.ready = true;
  observed.tell('all');
  clock.advance(REPORTS_SETTLE_MS);
  await settled();
  t.like(condition('web', 'Serving'), { reason: 'notForwarded' });
});

test('startController() counts equal events, and keeps the newest', async (t) => {
  const { source, events } = bench((c) => c.pool('p', ['192.0.2.0/24']).set('web'));
  await settled();
  for (let index = 1; index <= 2; index++) {
    for (const ip of ['192.0.2.7', '192.0.2.8']) {
      source.change((c) => c.set('web', { ips: [ip] }));
      await settled();
    }
  }
  t.deepEqual(events('web'), ['IPAllocated 1', 'IPAllocated 2', 'IPAllocated 2']);
  for (let index = 20; index < 20 + EVENTS_PER_SERVICE; index++) {
    source.change((c) => c.set('web', { ips: [`192.0.2.${index}`] }));
    await settled();
  }
  t.is(events('web').length, EVENTS_PER_SERVICE);
  t.false(events('web').includes('IPAllocated 2'));
});

test('startController() logs one line an event, with revision, object and duration', async (t) => {
  const { log } = bench((c) => c.pool('p', ['192.0.2.0/32']).set('a').set('b'));
  await settled();
  const lines = log.lines.map(({ level, message, fields }) => [
    level,
    message,
    fields['object'],
    fields['reason'],
  ]);
  t.deepEqual(lines.sort(), [
    ['info', 'Assigned IP ["192.0.2.0"]', 'Service default/a', 'IPAllocated'],
    [
      'warn',
      'Failed to allocate IP for "default/b": no available IPs',
      'Service default/b',
      'AllocationFailed',
    ],
  ]);
  t.like(log.lines[0]?.fields, { revision: 1, ms: 0 });
});

test('startController() says that a pool is not in force as written', async (t) => {
  const { source, controller } = bench((c) => c.pool('p', POOL));
  await settled();
  t.false(controller.counters().configStale);
  source.change((c) => c.pool('q', ['192.0.2.0/24'], { createdMs: 9 }));
  await settled();
  t.true(controller.counters().configStale);
});

test('stop() ends after the write under way, and lets go of the reports', async (t) => {
  const source = fakeSource();
  let release = () => {};
  source.delay = new Promise((resolve) => {
    release = resolve;
  });
  const { controller, observed } = bench((c) => c.pool('p', POOL).set('a'), source);
  await settled();
  const stopped = controller.stop();
  release();
  await stopped;
  t.true(observed.closed);
  t.is(source.writes.length, 1);
  source.change((c) => c.set('b'));
  await settled();
  t.is(source.attempts.length, 1);
});

test('stop() does not wait for a write that hangs, and says nothing of its failure', async (t) => {
  const source = fakeSource();
  let fail = (_error: Error) => {};
  source.delay = new Promise((_resolve, reject) => {
    fail = reject;
  });
  const { controller, clock, log } = bench((c) => c.pool('p', POOL).set('a'), source);
  await settled();
  const stopped = controller.stop();
  clock.advance(STOP_WAIT_MS);
  await stopped;
  fail(new Error('broken off'));
  await settled();
  t.deepEqual(
    log.lines.filter(({ level }) => level === 'error'),
    [],
  );
});

test('startController() stands by while another leads, and begins with nothing when it leads', async (t) => {
  const source = fakeSource();
  source.lead('edge-2');
  const { controller, ips } = bench((c) => c.pool('p', POOL).set('a'), source);
  await settled();
  t.is(source.attempts.length, 0);
  t.is(controller.allocation(), undefined);
  t.deepEqual(controller.readiness(), { ready: true, reason: 'Standing by; "edge-2" leads' });
  source.problem = 'It may not create Leases';
  const reason = 'Cannot stand for leadership: It may not create Leases';
  t.deepEqual(controller.readiness(), { ready: false, reason });
  source.problem = '';
  source.lead('');
  await settled();
  t.deepEqual(ips('a'), ['192.0.2.0']);
  t.deepEqual(controller.readiness(), { ready: true, reason: '' });
  source.lead('edge-2');
  await settled();
  t.is(controller.allocation(), undefined);
  // What the other decides counts, whatever was decided here.
  source.change((c) => c.status('a', ['192.0.2.3'], { pool: 'p' }));
  await settled();
  source.lead('');
  await settled();
  t.deepEqual(ips('a'), ['192.0.2.3']);
});

test('startController() decides nothing on what an earlier process remembered', async (t) => {
  const source = fakeSource();
  const remember = (remembered: boolean) =>
    source.change((c) => {
      c.snapshot = { ...c.snapshot, remembered };
    });
  source.change((c) => c.pool('p', POOL).set('a'));
  remember(true);
  const { controller } = run(source);
  await settled();
  t.is(source.attempts.length, 0);
  t.false(controller.readiness().ready);
  remember(false);
  await settled();
  t.is(source.writes.length, 1);
});

test('startController() tries again what could not be written, and holds up nobody else', async (t) => {
  const source = fakeSource();
  source.refused.set('default/a', new Error('409 Conflict'));
  const { clock, controller, ips, events, log } = bench(
    (c) => c.pool('p', POOL).set('a').set('b'),
    source,
  );
  await settled();
  t.deepEqual([ips('a'), ips('b')], [undefined, ['192.0.2.1']]);
  t.deepEqual(controller.readiness(), {
    ready: true,
    reason: '1 statuses could not be written yet',
  });
  t.like(controller.counters(), { updates: 1, updateErrors: 1 });
  t.like(log.lines.at(-1), { level: 'warn', fields: { count: 1 } });
  source.change((c) => c.set('c'));
  await settled();
  t.deepEqual(ips('c'), ['192.0.2.2']);
  t.is(source.attempts.length, 2);
  source.refused.clear();
  clock.advance(100);
  await settled();
  t.deepEqual([ips('a'), events('a')], [['192.0.2.0'], ['IPAllocated 1']]);
  t.is(controller.readiness().reason, '');
  const attempts = source.attempts.length;
  clock.advance(60_000);
  await settled();
  t.is(source.attempts.length, attempts);
});

test('startController() writes together who gives an address up and who gets it', async (t) => {
  const source = fakeSource();
  const { ips, clock } = bench((c) => c.pool('p', ['192.0.2.0/32']).set('a'), source);
  await settled();
  source.refused.set('default/a', new Error('409 Conflict'));
  source.change((c) => c.edit('a', { ports: [] }));
  clock.advance(60_000);
  source.change((c) => c.set('b').edit('a', { type: 'ClusterIP' }));
  await settled();
  const last = source.attempts.at(-1);
  t.deepEqual([...(last?.keys() ?? [])].sort(), ['default/a', 'default/b']);
  source.refused.clear();
  clock.advance(100);
  await settled();
  t.deepEqual([ips('a'), ips('b')], [undefined, ['192.0.2.0']]);
});

test('startController() keeps the address of a deleted Service until no box announces it', async (t) => {
  const { source, observed, clock, ips } = bench((c) =>
    c.pool('p', ['192.0.2.0/32']).set('a').set('b'),
  );
  await settled();
  observed.boxes.set('default/a', ['edge-1']);
  source.change((c) => c.edit('a', { deleting: true }));
  await settled();
  t.deepEqual([ips('a'), ips('b')], [['192.0.2.0'], []]);
  observed.boxes.delete('default/a');
  observed.tell({ services: ['default/a'] });
  clock.advance(REPORTS_SETTLE_MS);
  await settled();
  t.deepEqual([ips('a'), ips('b')], [undefined, ['192.0.2.0']]);
});

test('startController() waits so long for a box, and no longer', async (t) => {
  const { source, observed, clock, ips, log } = bench((c) => c.pool('p', POOL).set('a'));
  await settled();
  observed.boxes.set('default/a', ['edge-1']);
  source.change((c) => c.edit('a', { deleting: true }));
  await settled();
  clock.advance(DEPARTURE_LIMIT_MS - 1);
  await settled();
  t.deepEqual(ips('a'), ['192.0.2.0']);
  clock.advance(1);
  await settled();
  t.is(ips('a'), undefined);
  t.like(
    log.lines.find(({ level }) => level === 'warn'),
    { fields: { object: 'Service default/a', boxes: ['edge-1'] } },
  );
});

test('startController() gives nothing to a Service that is being deleted', async (t) => {
  const { source, ips } = bench((c) => c.pool('p', POOL).set('a', { deleting: true }).set('b'));
  await settled();
  t.deepEqual([ips('a'), ips('b')], [undefined, ['192.0.2.0']]);
  t.is(source.attempts.length, 1);
});

test('startController() gives a Service of another type back, also after a restart', async (t) => {
  const { source } = bench((c) =>
    c
      .set('web', { type: 'ClusterIP' })
      .status('web', [], { conditions: [condition('tidegate.io/Allocated')] })
      .set('theirs', { type: 'ClusterIP' })
      .status('theirs', [], { conditions: [condition('x/y')] }),
  );
  await settled();
  t.deepEqual([...(source.writes[0] ?? [])], [['default/web', undefined]]);
});

test('startController() guards a Service before it is deleted, and says which ports are not served', async (t) => {
  const { source, status } = bench((c) =>
    c
      .pool('p', POOL)
      .set('web', { ports: [80, '90/SCTP'] })
      .status('web', ['192.0.2.3'], { pool: 'p', guarded: false }),
  );
  await settled();
  t.is(source.attempts.length, 1);
  t.true(status('web')?.guarded);
  t.deepEqual(status('web')?.ports, [
    { port: 90, protocol: 'SCTP', error: 'tidegate.io/ProtocolNotSupported' },
  ]);
  source.change((c) => c.edit('web', { labels: { a: 'b' } }));
  await settled();
  t.is(source.attempts.length, 1);
});

test('startController() says nothing anew over a restart where events are forgotten', async (t) => {
  const first = bench((c) => c.pool('p', ['192.0.2.0/32']).set('a').set('b'));
  await settled();
  await first.controller.stop();
  first.source.change((c) => {
    for (const name of ['a', 'b']) {
      const held = c.snapshot.statuses.get(`default/${name}`);
      if (held) c.status(name, [], { ...held, events: [] });
    }
  });
  const writes = first.source.attempts.length;
  run(first.source);
  await settled();
  t.is(first.source.attempts.length, writes);
});

test('startController() reports the use of pools, and what is wrong with them, when it changes', async (t) => {
  const { source } = bench((c) => c.pool('p', POOL).set('a'));
  await settled();
  const counts = () => [...(source.reports.at(-1)?.pools ?? [])];
  t.like(counts()[0], { name: 'p', assignedIPv4: 1n, availableIPv4: 3n });
  const reports = source.reports.length;
  source.change((c) => c.edit('a', { labels: { a: 'b' } }));
  await settled();
  t.is(source.reports.length, reports);
  source.change((c) => c.pool('q', ['192.0.2.0/24'], { createdMs: 9 }));
  await settled();
  t.is(source.reports.at(-1)?.problems[0]?.object?.key, 'metallb-system/q');
});

function condition(type: string) {
  return { type, status: 'True', reason: 'R', message: '', sinceMs: 0 } as const;
}
