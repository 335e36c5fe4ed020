import test from 'ava';
import { cluster } from '../allocation-cluster.ts';

const V6 = '2001:db8::/126';
const TWO = '192.0.2.0/31';
const dual = (
  policy: 'PreferDualStack' | 'RequireDualStack',
  families: readonly (4 | 6)[] = [4, 6],
) => ({ ipFamilyPolicy: policy, families }) as const;

test('allocate() takes both addresses from one pool when both are required', (t) => {
  const c = cluster().pool('a', [TWO]).pool('b', [V6]).set('s', dual('RequireDualStack')).step();
  t.deepEqual(c.ips('s'), []);
  c.pool('c', ['198.51.100.0/31', '2001:db8:1::/126']).step();
  t.deepEqual([c.ips('s'), c.poolOf('s')], [['198.51.100.0', '2001:db8:1::'], 'c']);
  t.deepEqual(c.events('s'), ['IPAllocated: Assigned IP ["198.51.100.0" "2001:db8:1::"]']);
});

test('allocate() prefers a dual pool, else the first family, else the other', (t) => {
  const pools = () => cluster().pool('a6', [V6]).pool('b4', [TWO]);
  const with2 = pools().pool('z', ['198.51.100.0/31', '2001:db8:1::/126']);
  t.is(with2.set('s', dual('PreferDualStack')).step().poolOf('s'), 'z');
  t.deepEqual(pools().set('s', dual('PreferDualStack')).step().ips('s'), ['192.0.2.0']);
  t.deepEqual(
    pools()
      .set('s', dual('PreferDualStack', [6, 4]))
      .step()
      .ips('s'),
    ['2001:db8::'],
  );
  t.deepEqual(cluster().pool('a6', [V6]).set('s', dual('PreferDualStack')).step().ips('s'), [
    '2001:db8::',
  ]);
});

test('allocate() prefers a pool made for the Service even to a dual one', (t) => {
  const c = cluster()
    .pool('dual', [TWO, V6])
    .pool('mine', ['10.0.0.0/31'], { serviceAllocation: {} });
  t.is(c.set('s', dual('PreferDualStack')).step().poolOf('s'), 'mine');
});

test('allocate() adds the second address later, from the same pool only', (t) => {
  const c = cluster().pool('p', ['192.0.2.0/32']).set('s', dual('PreferDualStack')).step();
  t.deepEqual(c.events('s'), [
    'IPAllocated: Assigned IP ["192.0.2.0"]',
    'AdditionalAssignFailed: cannot assign additional IP in PreferDualStack: no available IPs in pool p for ipv6 IPFamily',
  ]);
  t.deepEqual(c.reasons('s')[1], 'Normal AdditionalAssignFailed');
  c.pool('dual', ['10.0.0.0/31', '2001:db8:1::/126']).step();
  t.deepEqual([c.ips('s'), c.events('s')], [['192.0.2.0'], []]);
  c.pool('p', ['192.0.2.0/32', V6]).step();
  t.deepEqual(c.ips('s'), ['192.0.2.0', '2001:db8::']);
  t.deepEqual(c.events('s'), ['IPAllocated: Assigned additional IP "2001:db8::"']);
});

test('allocate() wakes a Service that waits for its second address', (t) => {
  const c = cluster()
    .pool('p', [TWO, '2001:db8::/128'])
    .set('six', { families: [6] });
  c.step().set('s', dual('PreferDualStack')).step();
  t.deepEqual(c.ips('s'), ['192.0.2.0']);
  t.deepEqual(c.delete('six').step().ips('s'), ['192.0.2.0', '2001:db8::']);
});

test('allocate() takes both addresses away when their pool loses a family', (t) => {
  const c = cluster().pool('a', [TWO, V6]).set('s', dual('PreferDualStack')).step();
  c.pool('b', ['10.0.0.0/31', '2001:db8:1::/126']).step();
  c.pool('a', [V6]).step();
  t.deepEqual([c.ips('s'), c.poolOf('s')], [['10.0.0.0', '2001:db8:1::'], 'b']);
});

test('allocate() refuses exactly one address to a Service of two families', (t) => {
  for (const policy of ['PreferDualStack', 'RequireDualStack'] as const) {
    const c = cluster()
      .pool('p', [TWO, V6])
      .set('s', { ...dual(policy), ips: ['192.0.2.0'] })
      .step();
    t.like(c.refusal('s'), {
      message:
        'Failed to allocate IP for "default/s": requested loadBalancer IP(s) ["192.0.2.0"] does not match the ipFamily of the service',
    });
  }
});

test('allocate() keeps an address of the remaining family when a Service becomes single-stack', (t) => {
  const c = cluster()
    .pool('p', ['192.0.2.0/29', V6])
    .set('first', { families: [6] })
    .step();
  c.set('s', { ...dual('RequireDualStack') })
    .step()
    .delete('first')
    .step();
  t.deepEqual(
    c
      .edit('s', { ipFamilyPolicy: 'SingleStack', families: [6] })
      .step()
      .ips('s'),
    ['2001:db8::1'],
  );
});

test('allocate() keeps the first address when a Service comes to require both and its pool has both', (t) => {
  const c = cluster().pool('p', ['192.0.2.0/29', V6]).set('a').set('s').step().delete('a').step();
  c.edit('s', dual('RequireDualStack')).step();
  t.deepEqual(c.ips('s'), ['192.0.2.1', '2001:db8::']);
});

test('allocate() follows a Service between PreferDualStack and RequireDualStack in a single-stack pool', (t) => {
  const c = cluster().pool('p', ['192.0.2.0/32']).set('s', dual('PreferDualStack')).step();
  t.deepEqual(c.edit('s', { ipFamilyPolicy: 'RequireDualStack' }).step().ips('s'), []);
  t.deepEqual(c.edit('s', { ipFamilyPolicy: 'PreferDualStack' }).step().ips('s'), ['192.0.2.0']);
});

test('allocate() converges for PreferDualStack with one family', (t) => {
  const c = cluster()
    .pool('p', [TWO, V6])
    .set('s', dual('PreferDualStack', [4]))
    .step();
  t.deepEqual(c.ips('s'), ['192.0.2.0']);
  c.edit('s', { labels: { a: 'b' } }).step();
  t.deepEqual([c.ips('s'), c.events('s'), c.refusal('s')], [['192.0.2.0'], [], undefined]);
});

test('allocate() refuses a Service that requires two families and has one', (t) => {
  const c = cluster()
    .pool('p', [TWO, V6])
    .set('s', dual('RequireDualStack', [4]))
    .step();
  t.deepEqual(c.reasons('s'), ['Warning not enough clusterips']);
});

test('allocate() says which family a requested pool lacks', (t) => {
  const c = cluster()
    .pool('p', [TWO])
    .set('six', { families: [6], poolRequest: 'p' });
  c.set('both', { ...dual('RequireDualStack'), poolRequest: 'p' }).step();
  const end = (key: string) => c.refusal(key)?.message.replace(/^.*": /, '');
  t.is(end('six'), 'no available IPs in pool p for ipv6 IPFamily');
  t.is(end('both'), 'no available IPs in pool p for dual IPFamily');
});

test('allocate() gives a headless Service no address', (t) => {
  const c = cluster().pool('p', [TWO]).set('s', { headless: true }).step();
  t.like(c.refusal('s'), { field: 'spec.clusterIP' });
});
