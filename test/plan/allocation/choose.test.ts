import test from 'ava';
import { cluster, has } from '../allocation-cluster.ts';

const TWO = '192.0.2.0/31';
const invalid = {
  kind: 'invalid',
  field: 'metallb.io/loadBalancerIPs',
  message: 'invalid metallb.io/loadBalancerIPs: "x"',
  remedy: 'Write an address',
} as const;

test('allocate() takes pools made for the Service first, by priority, then general ones', (t) => {
  const c = cluster()
    .pool('general', ['10.0.9.0/32'])
    .pool('none', ['10.0.3.0/32'], { serviceAllocation: { namespaces: ['default'] } })
    .pool('twenty', ['10.0.2.0/32'], { serviceAllocation: { priority: 20 } })
    .pool('ten', ['10.0.1.0/32'], { serviceAllocation: { priority: 10, namespaces: ['default'] } })
    .pool('other', ['10.0.0.0/32'], { serviceAllocation: { priority: 1, namespaces: ['x'] } })
    .set('a')
    .set('b')
    .set('c')
    .set('d')
    .set('e')
    .step();
  t.deepEqual(
    ['a', 'b', 'c', 'd', 'e'].map((key) => c.poolOf(key)),
    ['ten', 'twenty', 'none', 'general', ''],
  );
});

test('allocate() takes a pool with an empty serviceAllocation before a general one', (t) => {
  const c = cluster()
    .pool('a', ['10.0.0.1/32'])
    .pool('b', ['10.0.0.2/32'], { serviceAllocation: {} });
  t.is(c.set('s').step().poolOf('s'), 'b');
});

test('allocate() takes pools of equal rank by name, ranges as written, lowest address first', (t) => {
  const c = cluster().pool('b', ['10.0.0.9/32']).pool('a', ['10.0.0.6/31', '10.0.0.2/31']);
  c.set('s').set('t').set('u').step();
  t.deepEqual([...c.ips('s'), ...c.ips('t'), ...c.ips('u')], ['10.0.0.6', '10.0.0.7', '10.0.0.2']);
});

const SELECTORS = {
  'a namespace by name': { namespaces: ['blue'] },
  'a namespace by label': { namespaceSelectors: [has('team', 'b')] },
  'a name or a label': { namespaces: ['x'], namespaceSelectors: [has('team', 'b')] },
  'a Service by label': { serviceSelectors: [has('tier', 'db'), has('tier', 'web')] },
  both: { namespaces: ['blue'], serviceSelectors: [has('tier', 'web')] },
  'a namespace by its own name': {
    namespaceSelectors: [has('kubernetes.io/metadata.name', 'blue')],
  },
} as const;

for (const [what, serviceAllocation] of Object.entries(SELECTORS)) {
  test(`allocate() gives from a pool selecting ${what} to that Service only`, (t) => {
    const c = cluster().pool('p', [TWO], { serviceAllocation }).namespace('blue', { team: 'b' });
    c.set('blue/in', { labels: { tier: 'web' } }).set('red/out', { labels: { tier: 'none' } });
    c.set('red/named', { ips: ['192.0.2.1'] })
      .set('red/pooled', { poolRequest: 'p' })
      .step();
    t.is(c.poolOf('blue/in'), 'p');
    t.like(c.refusal('red/out'), {
      message: 'Failed to allocate IP for "red/out": no available IPs',
    });
    for (const key of ['red/named', 'red/pooled']) {
      const message = `Failed to allocate IP for "${key}": pool p not compatible for ip assignment`;
      t.like(c.refusal(key), { reason: 'AllocationFailed', message });
    }
  });
}

test('allocate() lets selectors that match no namespace match nothing', (t) => {
  const c = cluster().pool('p', [TWO], {
    serviceAllocation: { namespaceSelectors: [has('a', 'b')] },
  });
  c.set('s')
    .set('asks', { poolRequest: 'p' })
    .set('holds')
    .status('holds', ['192.0.2.1'], { pool: 'p' });
  c.step();
  for (const key of ['s', 'asks', 'holds']) t.deepEqual(c.ips(key), []);
});

test('allocate() takes an address away when the Service no longer matches its pool', (t) => {
  const c = cluster().pool('p', [TWO], {
    serviceAllocation: { namespaceSelectors: [has('team', 'b')] },
  });
  c.namespace('default', { team: 'b' }).set('s').step();
  t.is(c.poolOf('s'), 'p');
  c.namespace('default', { team: 'r' }).step();
  t.deepEqual(c.ips('s'), []);
  t.deepEqual(c.events('s'), [
    'ClearAssignment: current IP for "default/s" not allowed by config, will attempt for new IP assignment: pool p not compatible for ip assignment',
    'AllocationFailed: Failed to allocate IP for "default/s": no available IPs',
  ]);
});

test('allocate() looks at nobody when labels of namespaces change that no pool reads', (t) => {
  const c = cluster().pool('p', [TWO]).set('s').step();
  c.namespace('default', { team: 'r' }).plan();
  t.is(c.allocation?.planned, 0);
});

test('allocate() never replaces a request by something else', (t) => {
  const c = cluster().pool('full', ['192.0.2.0/32']).pool('free', ['192.0.2.8/29']);
  c.set('holder', { ips: ['192.0.2.0'] }).set('ip', { ips: ['192.0.2.0'], createdMs: 1 });
  c.set('pool', { poolRequest: 'full' }).set('nowhere', { ips: ['203.0.113.1'] });
  c.set('unknown', { poolRequest: 'gone' }).step();
  const why = (key: string) => c.refusal(key)?.message.replace(/^.*": /, '');
  t.is(
    why('ip'),
    `can't change sharing key for "default/ip", address also in use by default/holder`,
  );
  t.is(why('pool'), 'no available IPs in pool full');
  t.is(why('nowhere'), '["203.0.113.1"] is not allowed in config');
  t.is(why('unknown'), 'unknown pool "gone"');
});

test('allocate() names object, field and remedy in a refusal', (t) => {
  const c = cluster()
    .pool('p', [TWO])
    .set('s', { ips: ['203.0.113.1'] })
    .step();
  t.deepEqual(c.refusal('s'), {
    reason: 'AllocationFailed',
    message: 'Failed to allocate IP for "default/s": ["203.0.113.1"] is not allowed in config',
    field: 'metallb.io/loadBalancerIPs',
    remedy: 'Ask for addresses that one IPAddressPool contains, or add them to a pool',
  });
});

test('allocate() gives from a pool without autoAssign on request only, and takes nothing away', (t) => {
  const c = cluster().pool('p', [TWO]).set('s').step();
  c.pool('p', [TWO], { autoAssign: false }).set('any').step();
  t.deepEqual(c.ips('s'), ['192.0.2.0']);
  t.deepEqual(c.ips('any'), []);
  t.deepEqual(c.set('pool', { poolRequest: 'p' }).step().ips('pool'), ['192.0.2.1']);
});

test('allocate() serves those who ask for an address before those who take any', (t) => {
  const c = cluster()
    .pool('p', [TWO])
    .set('a')
    .set('z', { ips: ['192.0.2.0'], createdMs: 5 })
    .step();
  t.deepEqual([c.ips('a'), c.ips('z')], [['192.0.2.1'], ['192.0.2.0']]);
});

test('allocate() wants the address asked for to be in the pool asked for', (t) => {
  const c = cluster().pool('p', [TWO]).pool('q', ['192.0.2.8/29']);
  c.set('s', { ips: ['192.0.2.1'], poolRequest: 'q' }).set('ok', {
    ips: ['192.0.2.1'],
    poolRequest: 'p',
  });
  t.like(c.step().refusal('s'), {
    message:
      'Failed to allocate IP for "default/s": requested loadBalancer IP(s) ["192.0.2.1"] is not compatible with requested address pool q',
  });
  t.deepEqual(c.ips('ok'), ['192.0.2.1']);
});

test('allocate() gives up the held address when the request changes, even for a taken or unknown one', (t) => {
  for (const ips of [['192.0.2.0'], ['203.0.113.1']]) {
    const c = cluster().pool('p', [TWO]).set('a').set('b').step();
    t.deepEqual(c.set('b', { ips }).step().ips('b'), []);
    t.deepEqual(c.reasons('b'), ['Warning AllocationFailed']);
  }
});

test('allocate() raises only IPAllocated when a changed request moves a Service', (t) => {
  const c = cluster().pool('p', [TWO]).pool('q', ['192.0.2.8/29']).set('s').step();
  c.set('s', { ips: ['192.0.2.1'] }).step();
  t.deepEqual(c.events('s'), ['IPAllocated: Assigned IP ["192.0.2.1"]']);
  c.set('s', { poolRequest: 'q' }).step();
  t.deepEqual(c.events('s'), ['IPAllocated: Assigned IP ["192.0.2.8"]']);
});

test('allocate() leaves the held address alone when the request cannot be read, with a warning', (t) => {
  const c = cluster().pool('p', [TWO]).set('s').set('t', { request: invalid }).step();
  t.deepEqual(c.ips('t'), []);
  t.deepEqual(c.events('t'), [
    'AllocationFailed: Failed to allocate IP for "default/t": invalid metallb.io/loadBalancerIPs: "x"',
  ]);
  c.edit('s', { request: invalid }).step();
  t.deepEqual(c.ips('s'), ['192.0.2.0']);
  t.deepEqual(c.events('s'), [
    'LoadBalancerFailed: invalid requested loadbalancer IPs: invalid metallb.io/loadBalancerIPs: "x"',
  ]);
  t.deepEqual(c.reasons('s'), ['Warning LoadBalancerFailed']);
  c.restart().step();
  t.deepEqual(c.ips('s'), ['192.0.2.0']);
  t.deepEqual(c.events('s'), []);
});

test('allocate() reads a request for two addresses of one family as unreadable', (t) => {
  const c = cluster()
    .pool('p', [TWO])
    .set('s', { ips: ['192.0.2.0', '192.0.2.1'] })
    .step();
  t.like(c.refusal('s'), { remedy: 'Ask for one address, or for one IPv4 and one IPv6 address' });
});

test('allocate() keeps an address when its request is withdrawn or something better appears', (t) => {
  const c = cluster()
    .pool('p', [TWO])
    .set('s', { ips: ['192.0.2.1'] })
    .step();
  c.set('s')
    .pool('better', ['10.0.0.0/30'], { serviceAllocation: { priority: 1 } })
    .step();
  c.pool('p', ['192.0.2.0/24']).step();
  c.pool('better', ['10.0.0.0/30'], { serviceAllocation: { priority: 9 } }).step();
  t.deepEqual([c.ips('s'), c.poolOf('s'), c.events('s')], [['192.0.2.1'], 'p', []]);
});

test('allocate() sets no address aside', (t) => {
  const c = cluster().pool('p', ['192.0.2.0/31', '::/127']);
  c.set('a')
    .set('b')
    .set('c', { families: [6] })
    .step();
  t.deepEqual([...c.ips('a'), ...c.ips('b'), ...c.ips('c')], ['192.0.2.0', '192.0.2.1', '::']);
});

test('allocate() keeps .0 and .255 from everybody with avoidBuggyIPs, and evicts when it is turned on', (t) => {
  const range = ['192.0.2.254-192.0.3.1', '2001:db8::/120'];
  const c = cluster().pool('p', range).set('held').status('held', ['192.0.3.0']).step();
  c.pool('p', range, { avoidBuggyIPs: true });
  c.set('asks', { ips: ['192.0.2.255'] })
    .set('v6', { families: [6] })
    .set('last')
    .step();
  t.deepEqual(c.ips('held'), ['192.0.2.254']);
  t.deepEqual(c.reasons('held'), ['Normal ClearAssignment', 'Normal IPAllocated']);
  t.like(c.refusal('asks'), {
    message: 'Failed to allocate IP for "default/asks": ["192.0.2.255"] is not allowed in config',
  });
  t.deepEqual([c.ips('v6'), c.ips('last')], [['2001:db8::'], ['192.0.3.1']]);
});
