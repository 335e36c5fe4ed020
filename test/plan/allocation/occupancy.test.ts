import test from 'ava';
import { cluster } from '../allocation-cluster.ts';

const TWO = '192.0.2.0/31';
const dual = (
  policy: 'PreferDualStack' | 'RequireDualStack',
  families: readonly (4 | 6)[] = [4, 6],
) => ({ ipFamilyPolicy: policy, families }) as const;

test('allocate() lets Services share with equal keys, other ports and equal backends', (t) => {
  const share = (a: object, b: object) => {
    const c = cluster().pool('p', ['192.0.2.0/32']);
    return (
      c
        .set('a', { sharingKey: 'k', ...a })
        .set('b', { sharingKey: 'k', ports: [81], ...b })
        .step()
        .ips('b').length === 1
    );
  };
  const local = { externalTrafficPolicy: 'Local', selector: 'app=x' } as const;
  t.true(share({}, {}));
  t.true(share({}, { ports: ['80/UDP'] }));
  t.true(share({ selector: 'app=x' }, { selector: 'app=y' }));
  t.true(share(local, local));
  t.true(share({}, { ...local, selector: '' }));
  t.false(share({}, { ports: [80, 81] }));
  t.false(share({}, { sharingKey: 'l' }));
  t.false(share({ sharingKey: '' }, { sharingKey: '' }));
  t.false(share({}, local));
  t.false(share(local, { ...local, selector: 'app=y' }));
});

test('allocate() shares the lowest usable address, in every namespace unless keys are scoped', (t) => {
  const fresh = () =>
    cluster().pool('p', ['192.0.2.0/30']).set('x/alone').set('x/a', { sharingKey: 'k' });
  const open = fresh()
    .set('y/b', { sharingKey: 'k', ports: [81] })
    .step();
  t.deepEqual(open.ips('y/b'), ['192.0.2.0']);
  t.deepEqual(open.ips('x/alone'), ['192.0.2.1']);
  const scoped = fresh();
  scoped.settings = { ...scoped.settings, scopeSharingKeys: true };
  scoped
    .set('y/b', { sharingKey: 'k', ports: [81] })
    .set('x/c', { sharingKey: 'k', ports: [81] })
    .step();
  t.deepEqual([scoped.ips('y/b'), scoped.ips('x/c')], [['192.0.2.2'], ['192.0.2.0']]);
});

test('allocate() shares family by family', (t) => {
  const c = cluster().pool('p', ['192.0.2.0/31', '2001:db8::/127']);
  c.set('four', { sharingKey: 'k' })
    .set('six', { sharingKey: 'k', families: [6], ports: [81] })
    .step();
  c.set('both', { ...dual('RequireDualStack'), sharingKey: 'k', ports: [81] }).step();
  t.deepEqual(c.ips('both'), ['192.0.2.0', '2001:db8::1']);
});

test('allocate() names the port in the way of a requested address', (t) => {
  const c = cluster()
    .pool('p', [TWO])
    .set('a', { sharingKey: 'k', ips: ['192.0.2.0'] });
  c.set('b', { sharingKey: 'k', ips: ['192.0.2.0'] }).step();
  t.like(c.refusal('b'), {
    message: 'Failed to allocate IP for "default/b": port TCP/80 is already in use on "192.0.2.0"',
  });
  t.regex(c.refusal('b')?.remedy ?? '', /default\/a/);
});

test('allocate() makes the sharer that changes lose, and lets a sole user change freely', (t) => {
  const c = cluster().pool('p', ['192.0.2.0/30']).set('a', { sharingKey: 'k' });
  c.set('b', { sharingKey: 'k', ports: [81] }).step();
  c.edit('a', { externalTrafficPolicy: 'Local' }).step();
  t.deepEqual([c.ips('a'), c.ips('b')], [['192.0.2.1'], ['192.0.2.0']]);
  t.deepEqual(c.reasons('a'), ['Normal ClearAssignment', 'Normal IPAllocated']);
  c.edit('b', { sharingKey: 'other' })
    .set('b', { sharingKey: 'other', ports: [1, 2] })
    .step();
  t.deepEqual([c.ips('b'), c.events('b')], [['192.0.2.0'], []]);
});

test('allocate() reconsiders sharers when their conditions change', (t) => {
  const c = cluster().pool('p', ['192.0.2.0/32']);
  c.set('a', { sharingKey: 'k', selector: 'app=x' });
  c.set('b', { sharingKey: 'k', ports: [81], selector: 'app=x' }).step();
  c.edit('b', { externalTrafficPolicy: 'Local' }).step();
  t.deepEqual([c.ips('a'), c.ips('b')], [['192.0.2.0'], []]);
  c.edit('a', { externalTrafficPolicy: 'Local' }).step();
  t.deepEqual([c.ips('a'), c.ips('b')], [['192.0.2.0'], ['192.0.2.0']]);
  c.edit('a', { selector: 'foo=bar' }).step();
  t.deepEqual([c.ips('a'), c.ips('b')], [[], ['192.0.2.0']]);
  c.edit('b', { selector: 'foo=bar' }).step();
  t.deepEqual([c.ips('a'), c.ips('b')], [['192.0.2.0'], ['192.0.2.0']]);
});
