import test from 'ava';
import { cluster } from '../allocation-cluster.ts';

const TWO = '192.0.2.0/31';
const broken = {
  severity: 'error',
  object: { kind: 'IPAddressPool', key: 'metallb-system/lost' },
  message: 'm',
  remedy: 'r',
} as const;

test('allocate() lets the pool in force hold and the newer one in when the overlap goes', (t) => {
  const c = cluster().pool('old', ['192.0.2.0/30'], { createdMs: 1 }).set('s').step();
  c.pool('a-new', ['192.0.2.0/24'], { createdMs: 2 }).set('t', { poolRequest: 'a-new' }).step();
  t.is(c.poolOf('s'), 'old');
  t.like(c.refusal('t'), {
    message: 'Failed to allocate IP for "default/t": unknown pool "a-new"',
    remedy: 'Correct IPAddressPool "a-new", which cannot be used as it is',
  });
  t.deepEqual(c.allocation?.problems, [
    {
      severity: 'error',
      object: { kind: 'IPAddressPool', key: 'metallb-system/a-new' },
      field: 'spec.addresses[0]',
      message: '"192.0.2.0/24" overlaps IPAddressPool "old" ("192.0.2.0/30")',
      remedy:
        'Take the common addresses out of one of the two pools; until then no address is given from this pool',
    },
  ]);
  c.dropPool('old').step();
  t.deepEqual([c.ips('s'), c.poolOf('s'), c.events('s')], [['192.0.2.0'], 'a-new', []]);
  t.is(c.poolOf('t'), 'a-new');
  t.deepEqual(c.allocation?.problems, []);
});

test('allocate() loses no address when pools are renamed, split or swapped, the new one applied first', (t) => {
  const renamed = cluster()
    .pool('z', [TWO])
    .set('s')
    .step()
    .pool('a', [TWO])
    .step()
    .dropPool('z')
    .step();
  t.deepEqual([renamed.ips('s'), renamed.poolOf('s')], [['192.0.2.0'], 'a']);

  const split = cluster()
    .pool('z', ['192.0.2.0/30'])
    .set('s', { ips: ['192.0.2.3'] })
    .step();
  split.pool('a', ['192.0.2.2/31']).step().pool('z', [TWO]).step();
  t.deepEqual([split.ips('s'), split.poolOf('s')], [['192.0.2.3'], 'a']);

  const swap = cluster().pool('a', [TWO]).pool('b', ['198.51.100.0/31']);
  swap
    .set('s', { ips: ['192.0.2.0'] })
    .set('t', { ips: ['198.51.100.0'] })
    .step();
  swap.pool('a', ['198.51.100.0/31']).step();
  t.deepEqual([swap.poolOf('s'), swap.poolOf('t')], ['a', 'b']);
  swap.pool('b', [TWO]).step();
  t.deepEqual([swap.poolOf('s'), swap.poolOf('t')], ['b', 'a']);
  t.deepEqual([swap.ips('s'), swap.ips('t')], [['192.0.2.0'], ['198.51.100.0']]);
});

test('allocate() keeps the last good version of a pool that is edited into another', (t) => {
  const c = cluster()
    .pool('a', [TWO], { createdMs: 1 })
    .pool('b', ['192.0.2.8/29'], { createdMs: 2 })
    .step();
  c.pool('a', ['192.0.2.0/28'], { createdMs: 1 }).set('s').step();
  t.deepEqual(c.ips('s'), ['192.0.2.0']);
  t.like(c.allocation?.problems[0], {
    remedy:
      'Take the common addresses out of one of the two pools; until then the version before this edit stays in force',
  });
  t.is(c.usage('a')?.availableIPv4, 1n);
});

test('allocate() refuses the newer of two pools of one name', (t) => {
  const c = cluster().pool('a', [TWO], { createdMs: 1 });
  c.pool('b', ['192.0.2.8/29'], { name: 'a', createdMs: 2 }).set('s').step();
  t.deepEqual(c.ips('s'), ['192.0.2.0']);
  t.like(c.allocation?.problems[0], { field: 'metadata.name' });
});

test('allocate() keeps holders of a pool that cannot be read after a restart, and gives nothing from it', (t) => {
  const c = cluster().pool('p', ['10.0.0.0/31']).problems(broken);
  c.set('s').status('s', ['192.0.2.7'], { pool: 'lost' });
  c.set('named', { poolRequest: 'lost' }).status('named', ['192.0.2.8'], { pool: 'lost' });
  c.set('gone').status('gone', ['192.0.2.9'], { pool: 'really-gone' });
  c.set('new', { poolRequest: 'lost' }).step();
  t.deepEqual([c.ips('s'), c.ips('named'), c.poolOf('s')], [['192.0.2.7'], ['192.0.2.8'], 'lost']);
  t.deepEqual(c.ips('gone'), ['10.0.0.0']);
  t.like(c.refusal('new'), {
    message: 'Failed to allocate IP for "default/new": unknown pool "lost"',
  });
  c.edit('s', { labels: { a: 'b' } }).step();
  t.deepEqual(c.ips('s'), ['192.0.2.7']);
  c.pool('lost', ['192.0.2.0/28']).problems().step();
  t.deepEqual(
    [c.ips('s'), c.ips('new'), c.usage('lost')?.services],
    [['192.0.2.7'], ['192.0.2.0'], 3],
  );
});

test('allocate() evicts the holders of an unreadable pool when it is removed', (t) => {
  const c = cluster().pool('p', ['10.0.0.0/31']).problems(broken);
  c.set('s').status('s', ['192.0.2.7'], { pool: 'lost' }).step();
  t.deepEqual(c.problems().step().ips('s'), ['10.0.0.0']);
});

test('allocate() keeps the address of a Service that may stand in an unreadable file at the start', (t) => {
  const unreadable = { severity: 'error', message: 'm', remedy: 'r' } as const;
  const c = cluster().pool('p', ['192.0.2.0/32']).problems(unreadable);
  c.status('hidden', ['192.0.2.0'], { pool: 'p' }).set('s').step();
  t.deepEqual(c.ips('s'), []);
  t.deepEqual(c.set('hidden').problems().step().ips('hidden'), ['192.0.2.0']);

  const deleted = cluster().pool('p', ['192.0.2.0/32']).problems(unreadable);
  deleted.status('hidden', ['192.0.2.0'], { pool: 'p' }).set('s').step();
  t.deepEqual(deleted.problems().step().ips('s'), ['192.0.2.0']);

  const known = cluster().pool('p', ['192.0.2.0/32']).set('a').set('s').step();
  t.deepEqual(known.problems(unreadable).delete('a').step().ips('s'), ['192.0.2.0']);
});
