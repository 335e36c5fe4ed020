import test from 'ava';
import type { ServiceForwarding, VirtualServer } from '../../src/domain/forwarding.ts';
import { KeyedMap } from '../../src/domain/keyed-map.ts';
import { type Applied, createAddressHolders, servingOf } from '../../src/forwarder/serving.ts';
import { address, backend, virtualServer } from '../support/objects.ts';

const VIP = '192.0.2.1';

function server(port: number, backends: readonly string[], service = 'default/web'): VirtualServer {
  const all = backends.map((text) => backend(`${text} 80`));
  return virtualServer(`${VIP} TCP ${port}`, all, { service });
}

function part(service: string, servers: readonly VirtualServer[], addresses = [VIP]) {
  const servable = servers.some(({ ring }) => ring.length > 0);
  return {
    service,
    addresses: addresses.map(address),
    servers,
    checks: [],
    servable,
    reason: servable ? '' : 'noEndpoints',
    alarms: [],
    notes: [],
  } satisfies ServiceForwarding;
}

/** What is in the maps: usable backends by server id; a text is why the server failed. */
function applied(state: Readonly<Record<string, readonly string[] | string>>): Applied {
  return {
    failure: (id) => (typeof state[id] === 'string' ? state[id] : undefined),
    usableBackends: (id) => (Array.isArray(state[id]) ? state[id].map(address) : []),
  };
}

test('servingOf() counts distinct backend addresses over all ports', (t) => {
  const parts = [
    part('default/web', [server(80, ['10.0.0.1', '10.0.0.2']), server(443, ['10.0.0.1'])]),
  ];
  const maps = applied({ [`${VIP} TCP 80`]: ['10.0.0.1'], [`${VIP} TCP 443`]: ['10.0.0.1'] });
  t.deepEqual(servingOf(address(VIP), parts, maps, 7), {
    address: address(VIP),
    service: 'default/web',
    servable: true,
    usableBackends: 1,
    backends: 2,
    reason: '',
    revision: 7,
  });
});

test('servingOf() tells why an address cannot be served', (t) => {
  const parts = [part('default/web', [server(80, ['10.0.0.1'])])];
  const reasonWith = (state: Parameters<typeof applied>[0], of = parts) =>
    servingOf(address(VIP), of, applied(state), 1).reason;
  t.is(reasonWith({ [`${VIP} TCP 80`]: [] }), 'backendsUnreachable');
  t.is(reasonWith({ [`${VIP} TCP 80`]: 'map full' }), 'forwardingFailed');
  t.is(reasonWith({}, [part('default/web', [server(80, [])])]), 'noEndpoints');
  t.is(reasonWith({}, [part('default/web', [])]), 'noEndpoints');
});

test('of several Services that share an address one that works is enough', (t) => {
  const parts = [
    part('default/a', [server(80, [], 'default/a')]),
    part('default/b', [server(443, ['10.0.0.1'], 'default/b')]),
  ];
  const maps = applied({ [`${VIP} TCP 443`]: ['10.0.0.1'] });
  t.like(servingOf(address(VIP), parts, maps, 1), { servable: true, service: 'default/b' });
});

test('the holders of an address follow what changes', (t) => {
  const holders = createAddressHolders();
  const a = part('default/a', [], [VIP]);
  const b = part('default/b', [], [VIP, '192.0.2.2']);
  const services = KeyedMap.from([
    ['default/a', a],
    ['default/b', b],
  ] as const);
  t.deepEqual([...holders.update(services)].sort(), [VIP, '192.0.2.2']);
  t.deepEqual(
    holders
      .of(VIP)
      .map(({ service }) => service)
      .sort(),
    ['default/a', 'default/b'],
  );
  t.deepEqual([...holders.update(services)], []);
  const moved = services.with('default/b', part('default/b', [], ['192.0.2.3']));
  t.deepEqual([...holders.update(moved)].sort(), [VIP, '192.0.2.2', '192.0.2.3'].sort());
  t.deepEqual(holders.of(VIP), [a]);
  t.deepEqual(holders.of('192.0.2.2'), []);
  holders.update(moved.without('default/a'));
  t.deepEqual(holders.of(VIP), []);
});
