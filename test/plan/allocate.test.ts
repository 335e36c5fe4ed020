import test from 'ava';
import { allocate } from '../../src/plan/allocate.ts';
import { cluster, outcome } from './allocation-cluster.ts';

const V6 = '2001:db8::/126';
const TWO = '192.0.2.0/31';
const dual = (
  policy: 'PreferDualStack' | 'RequireDualStack',
  families: readonly (4 | 6)[] = [4, 6],
) => ({ ipFamilyPolicy: policy, families }) as const;

test('allocate() does not look at Services of another class, nor count their addresses', (t) => {
  const c = cluster().pool('p', ['192.0.2.0/32']);
  c.set('other', { loadBalancerClass: 'x/y' }).status('other', ['192.0.2.0']);
  c.set('cluster', { type: 'ClusterIP' }).status('cluster', ['192.0.2.0']);
  c.set('s', { loadBalancerClass: c.settings.class }).step();
  t.deepEqual([...(c.allocation?.services.keys() ?? [])], ['default/s']);
  t.deepEqual(c.ips('s'), ['192.0.2.0']);
  t.is(c.usage('p')?.assignedIPv4, 1n);
  c.settings = { ...c.settings, handleUnclassed: false };
  t.deepEqual(c.set('none').step().ips('none'), []);
  t.is(c.refusal('none'), undefined);
});

test('allocate() does not repeat a refusal unless its reason changes', (t) => {
  const c = cluster().pool('p', ['192.0.2.0/32']).set('a').set('b').step();
  t.deepEqual(c.reasons('b'), ['Warning AllocationFailed']);
  c.edit('b', { labels: { a: 'b' } }).step();
  t.deepEqual(c.events('b'), []);
  c.restart().step();
  t.deepEqual(c.events('b'), []);
  c.edit('b', { poolRequest: 'p' }).step();
  t.deepEqual(c.events('b'), [
    'AllocationFailed: Failed to allocate IP for "default/b": no available IPs in pool p',
  ]);
  c.delete('a').step();
  t.deepEqual(c.reasons('b'), ['Normal IPAllocated']);
  c.dropPool('p').step();
  t.deepEqual(c.reasons('b'), ['Normal ClearAssignment', 'Warning AllocationFailed']);
});

test('allocate() warns of deprecated annotations when it gives an address', (t) => {
  const deprecatedAnnotations = ['metallb.universe.tf/address-pool'];
  const c = cluster().pool('p', [TWO]).set('s', { poolRequest: 'p', deprecatedAnnotations }).step();
  t.deepEqual(c.events('s'), [
    'IPAllocated: Assigned IP ["192.0.2.0"]',
    'deprecatedAnnotation: Service uses deprecated annotation metallb.universe.tf/address-pool',
  ]);
  t.deepEqual(
    c
      .edit('s', { labels: { a: 'b' } })
      .step()
      .events('s'),
    [],
  );
});

test('allocate() counts addresses once each, without overflow and never below zero', (t) => {
  const c = cluster().pool('p', ['10.0.0.0/8', '2001:db8::/32']).set('a', { sharingKey: 'k' });
  c.set('b', { sharingKey: 'k', ports: [81] })
    .set('c', dual('RequireDualStack'))
    .step();
  t.deepEqual(c.usage('p'), {
    name: 'p',
    assignedIPv4: 2n,
    assignedIPv6: 1n,
    availableIPv4: 2n ** 24n - 2n,
    availableIPv6: 2n ** 96n - 1n,
    services: 3,
  });
  const buggy = cluster().pool('p', ['192.0.2.255/32'], { avoidBuggyIPs: true }).step();
  t.like(buggy.usage('p'), { availableIPv4: 0n, assignedIPv4: 0n });
  const slash24 = cluster().pool('p', ['192.0.2.0/23'], { avoidBuggyIPs: true }).step();
  t.is(slash24.usage('p')?.availableIPv4, 508n);
});

test('allocate() follows a dual pool through its life in the counters', (t) => {
  const c = cluster().pool('p', ['192.0.2.0/30', V6]).set('s', dual('RequireDualStack')).step();
  t.like(c.usage('p'), {
    availableIPv4: 3n,
    availableIPv6: 3n,
    assignedIPv4: 1n,
    assignedIPv6: 1n,
  });
  c.pool('p', ['192.0.2.0/29', '2001:db8::/125']).step();
  t.like(c.usage('p'), {
    availableIPv4: 7n,
    availableIPv6: 7n,
    assignedIPv4: 1n,
    assignedIPv6: 1n,
  });
  c.delete('s').step();
  t.like(c.usage('p'), {
    availableIPv4: 8n,
    availableIPv6: 8n,
    assignedIPv4: 0n,
    assignedIPv6: 0n,
  });
});

test('allocate() looks only at what changed', (t) => {
  const c = cluster().pool('p', ['10.0.0.0/8']);
  for (let index = 0; index < 1000; index++) c.set(`s${index}`);
  c.step();
  t.is(c.allocation?.planned, 1000);
  c.plan();
  t.is(c.allocation?.planned, 0);
  c.edit('s7', { labels: { a: 'b' } }).plan();
  t.is(c.allocation?.planned, 1);
  c.delete('s8').plan();
  t.is(c.allocation?.planned, 1);
});

test('allocate() keeps what did not change as the same objects', (t) => {
  const c = cluster().pool('p', ['10.0.0.0/8']).set('a').set('b').step();
  const before = c.allocation;
  c.edit('a', { labels: { a: 'b' } }).plan();
  t.is(c.allocation?.services, before?.services);
});

test('allocate() gives the same for the same arguments', (t) => {
  const c = cluster().pool('p', [TWO]).set('a').set('b').set('c').step();
  const before = c.allocation;
  c.delete('a');
  const [first, second] = [1, 2].map(() => allocate(before, c.snapshot, c.settings));
  t.deepEqual(first && outcome(first), second && outcome(second));
});
