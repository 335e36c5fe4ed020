import test from 'ava';
import { cluster } from '../allocation-cluster.ts';

const TWO = '192.0.2.0/31';
const dual = (
  policy: 'PreferDualStack' | 'RequireDualStack',
  families: readonly (4 | 6)[] = [4, 6],
) => ({ ipFamilyPolicy: policy, families }) as const;

test('allocate() wakes those who wait when a Service goes, moves, or changes type or class', (t) => {
  const changes = {
    goes: (c: ReturnType<typeof cluster>) => c.delete('a'),
    moves: (c: ReturnType<typeof cluster>) => c.edit('a', { poolRequest: 'q' }),
    'becomes ClusterIP': (c: ReturnType<typeof cluster>) => c.edit('a', { type: 'ClusterIP' }),
    'changes class': (c: ReturnType<typeof cluster>) => c.edit('a', { loadBalancerClass: 'x/y' }),
  };
  for (const [what, change] of Object.entries(changes)) {
    const c = cluster()
      .pool('p', ['192.0.2.0/32'])
      .pool('q', ['192.0.2.8/32'], { autoAssign: false });
    c.set('a').set('b').set('c').step();
    t.deepEqual([c.ips('b'), c.ips('c')], [[], []]);
    change(c).plan();
    t.deepEqual([c.ips('b'), c.ips('c')], [['192.0.2.0'], []], what);
    t.deepEqual(c.allocation?.planned, 2, what);
  }
});

test('allocate() wakes those who wait for a port, a key or a family that is left', (t) => {
  const port = cluster()
    .pool('p', ['192.0.2.0/32'])
    .set('a', { sharingKey: 'k', ports: [80, 443] });
  port.set('b', { sharingKey: 'k', ports: [443] }).step();
  t.like(port.refusal('b'), { message: 'Failed to allocate IP for "default/b": no available IPs' });
  t.deepEqual(
    port
      .set('a', { sharingKey: 'k', ports: [80] })
      .step()
      .ips('b'),
    ['192.0.2.0'],
  );

  const key = cluster()
    .pool('p', ['192.0.2.0/32'])
    .set('a')
    .set('b', { sharingKey: 'k', ports: [81] })
    .step();
  t.deepEqual(key.edit('a', { sharingKey: 'k' }).step().ips('b'), ['192.0.2.0']);

  const family = cluster().pool('p', ['192.0.2.0/32', '2001:db8::/128']);
  family
    .set('a', dual('RequireDualStack'))
    .set('b', { families: [6] })
    .step();
  t.deepEqual(family.ips('b'), []);
  family.edit('a', { ipFamilyPolicy: 'SingleStack', families: [4] }).step();
  t.deepEqual([family.ips('a'), family.ips('b')], [['192.0.2.0'], ['2001:db8::']]);
});

test('allocate() serves the oldest of those who wait first', (t) => {
  const c = cluster().pool('p', ['192.0.2.0/32']).set('first', { createdMs: 1 });
  c.set('young', { createdMs: 9 }).set('b', { createdMs: 5 }).set('a', { createdMs: 5 }).step();
  c.delete('first').step();
  t.deepEqual(c.ips('a'), ['192.0.2.0']);
});

test('allocate() evicts and serves anew when a pool is deleted or shrinks', (t) => {
  const c = cluster().pool('a', ['192.0.2.0/30']).pool('b', ['198.51.100.0/32']).set('s').step();
  c.pool('a', ['192.0.2.2/31']).step();
  t.deepEqual(c.ips('s'), ['192.0.2.2']);
  c.dropPool('a').step();
  t.deepEqual(c.events('s'), [
    'ClearAssignment: current IP for "default/s" not allowed by config, will attempt for new IP assignment: ["192.0.2.2"] is not allowed in config',
    'IPAllocated: Assigned IP ["198.51.100.0"]',
  ]);
  t.deepEqual(c.reasons('s'), ['Normal ClearAssignment', 'Normal IPAllocated']);
  c.dropPool('b').step();
  t.deepEqual(c.reasons('s'), ['Normal ClearAssignment', 'Warning AllocationFailed']);
});

test('allocate() adopts what the statuses say, without events, also without autoAssign', (t) => {
  const c = cluster()
    .pool('p', [TWO], { autoAssign: false })
    .set('s')
    .status('s', ['192.0.2.1'])
    .step();
  t.deepEqual([c.ips('s'), c.poolOf('s'), c.events('s')], [['192.0.2.1'], 'p', []]);
});

test('allocate() serves a Service whose status holds a host name', (t) => {
  const c = cluster()
    .pool('p', [TWO])
    .set('s')
    .status('s', [], { hostnames: ['lb.example'] })
    .step();
  t.deepEqual(c.ips('s'), ['192.0.2.0']);
});

test('allocate() lets the older of two holders keep the address', (t) => {
  const c = cluster().pool('p', [TWO]).set('a', { createdMs: 2 }).set('b', { createdMs: 1 });
  c.status('a', ['192.0.2.1']).status('b', ['192.0.2.1']).step();
  t.deepEqual([c.ips('a'), c.ips('b')], [['192.0.2.0'], ['192.0.2.1']]);
  t.deepEqual(c.events('a'), [
    `ClearAssignment: current IP for "default/a" not allowed by config, will attempt for new IP assignment: can't change sharing key for "default/a", address also in use by default/b`,
    'IPAllocated: Assigned IP ["192.0.2.0"]',
  ]);
});

test('allocate() adopts a status edited by a third hand when the address is free', (t) => {
  const c = cluster().pool('p', ['192.0.2.0/30']).set('a').set('b').step();
  c.status('a', ['192.0.2.3']).step();
  t.deepEqual([c.ips('a'), c.events('a')], [['192.0.2.3'], []]);
  c.status('a', ['192.0.2.1']).step();
  t.deepEqual([c.ips('a'), c.ips('b')], [['192.0.2.0'], ['192.0.2.1']]);
  c.status('a', []).step();
  t.deepEqual(c.ips('a'), ['192.0.2.0']);
});

test('allocate() lets all who can keep their address keep it before anybody is served at the start', (t) => {
  const c = cluster().pool('p', [TWO]);
  c.set('asks', { ips: ['192.0.2.0'], createdMs: 1 })
    .set('moves', { createdMs: 2 })
    .status('moves', ['203.0.113.1']);
  c.set('keeps', { createdMs: 9 }).status('keeps', ['192.0.2.0']).step();
  t.deepEqual([c.ips('keeps'), c.ips('moves'), c.ips('asks')], [['192.0.2.0'], ['192.0.2.1'], []]);
});

test('allocate() clears a status with two addresses of a family, with a warning', (t) => {
  const c = cluster()
    .pool('p', ['192.0.2.0/29'])
    .set('s')
    .status('s', ['192.0.2.3', '192.0.2.4'])
    .step();
  t.deepEqual(c.events('s'), [
    'nolbIPsIPFamily: Failed to retrieve LBIPs IPFamily for ["192.0.2.3" "192.0.2.4"]: IPFamilyForAddresses: same address family ["192.0.2.3" "192.0.2.4"]',
    'IPAllocated: Assigned IP ["192.0.2.0"]',
  ]);
});

test('allocate() does not give away a decision that could not be written', (t) => {
  const c = cluster().pool('p', [TWO]).set('a').plan();
  c.set('b').plan();
  c.edit('a', { labels: { x: 'y' } }).plan();
  t.deepEqual([c.ips('a'), c.ips('b')], [['192.0.2.0'], ['192.0.2.1']]);
});

test('allocate() keeps the address of a Service that is being deleted, whatever rules say, and gives it none', (t) => {
  const c = cluster().pool('p', ['192.0.2.0/32']).set('a').step().set('b').step();
  c.edit('a', { deleting: true }).dropPool('p').pool('q', ['192.0.2.0/31']).step();
  t.deepEqual([c.ips('a'), c.ips('b')], [['192.0.2.0'], ['192.0.2.1']]);
  t.deepEqual(c.events('a'), []);
  c.set('c', { deleting: true })
    .set('d', { ips: ['192.0.2.0'] })
    .step();
  t.deepEqual([c.ips('c'), c.ips('d')], [[], []]);
  // Its status goes first, the object after it.
  c.snapshot = { ...c.snapshot, statuses: c.snapshot.statuses.without('default/a') };
  c.step();
  t.deepEqual([c.ips('a'), c.ips('d')], [[], ['192.0.2.0']]);
});
