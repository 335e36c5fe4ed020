import test from 'ava';
import type { Backend, VirtualServer } from '../../../src/domain/forwarding.ts';
import { INDEX_GRACE_MS } from '../../../src/forwarder/xdp/index-pool.ts';
import {
  apply,
  backendAt,
  backendOf,
  type DataplaneBench,
  dataplaneBench,
  layout,
  serverOf,
  VIP,
} from '../../support/dataplane-bench.ts';
import { resolvedHop } from '../../support/fake-next-hops.ts';
import { address } from '../../support/objects.ts';

const REACHABLE = layout.constant('TG_BACKEND_REACHABLE');
const ACTIVE = layout.constant('TG_BACKEND_ACTIVE');
const KEEPS_UDP = layout.constant('TG_BACKEND_KEEPS_UDP');
const DEAD = layout.constant('TG_BACKEND_DEAD');
const COUNTED = layout.constant('TG_BACKEND_COUNTED');
const ID = `${VIP} TCP 80`;

function entryOf({ bpf, dataplane }: DataplaneBench, host = 1) {
  return backendAt(bpf.object, dataplane.backendIndex(ID, `10.0.1.${host} 8080`) as number);
}

const USES = ['active', 'draining', 'down'] as const;
const POLICIES: readonly [Partial<VirtualServer>, readonly [number, number, number]][] = [
  [{}, [ACTIVE | KEEPS_UDP, KEEPS_UDP, 0]],
  [{ resetDead: true }, [ACTIVE | KEEPS_UDP, KEEPS_UDP, DEAD]],
  [
    { scheduler: 'least-connections', resetDead: true },
    [COUNTED | ACTIVE | KEEPS_UDP, COUNTED | KEEPS_UDP, COUNTED | DEAD],
  ],
];

test("the flags say a backend's use and its server's policy, from whatever they were", (t) => {
  const bench = dataplaneBench();
  const steps: { fields: Partial<VirtualServer>; use: Backend['use']; flags: number }[] = [];
  for (const [fields, flags] of POLICIES) {
    for (const [i, use] of USES.entries()) steps.push({ fields, use, flags: flags[i] ?? 0 });
  }
  for (const from of steps) {
    for (const to of steps) {
      for (const between of ['changed', 'gone and back', 'server gone and back']) {
        apply(bench.dataplane, serverOf([backendOf(1, { use: from.use })], from.fields));
        if (between === 'gone and back') apply(bench.dataplane, serverOf([], from.fields));
        if (between === 'server gone and back') bench.dataplane.remove(ID);
        apply(bench.dataplane, serverOf([backendOf(1, { use: to.use })], to.fields));
        t.is(entryOf(bench).flags, REACHABLE | to.flags, `${from.use} ${between} ${to.use}`);
      }
    }
  }
  t.is(bench.dataplane.usage().backends.used, 1, 'always the same index');
});

test('a step of a slow start is written into the backend alone', (t) => {
  const bench = dataplaneBench();
  const { dataplane } = bench;
  const step = (admit: number, before?: VirtualServer) =>
    serverOf([backendOf(1, { admit }), backendOf(2)], {
      slowStartSec: 10,
      ...(before && { ring: before.ring }),
    });
  const first = step(25);
  apply(dataplane, first);
  const { vips, servers, backends, rings } = dataplane.usage().writes;
  t.is(entryOf(bench).admit, 25);
  apply(dataplane, step(50, first));
  apply(dataplane, step(256));
  t.is(entryOf(bench).admit, 256);
  t.is(entryOf(bench, 2).admit, 256);
  t.deepEqual(dataplane.usage().writes, { vips, servers, backends: backends + 2, rings });
});

test('VLAN tags of the way out are written with their types, outermost first', (t) => {
  const bench = dataplaneBench();
  const at = address('10.0.1.1');
  const vlans = [
    { tpid: 0x88a8, vid: 200 },
    { tpid: 0x8100, vid: 30 },
  ];
  bench.nextHops.hops.set(at, { ...resolvedHop(), vlans });
  apply(bench.dataplane, serverOf([backendOf(1)]));
  const SERVICE_TAG = layout.constant('TG_VLAN_8021AD');
  t.like(entryOf(bench), { vlan: SERVICE_TAG | 200, innerVlan: 30 });
  bench.nextHops.hops.set(at, { ...resolvedHop(), vlans: vlans.slice(1) });
  bench.dataplane.refreshNextHops([at]);
  t.like(entryOf(bench), { vlan: 30, innerVlan: 0 });
});

test('backends share the NAT addresses of a next hop, and free them when all are gone', async (t) => {
  const bench = dataplaneBench();
  const { bpf, clock, dataplane } = bench;
  apply(dataplane, serverOf([backendOf(1), backendOf(2)]));
  t.like(entryOf(bench), { natFirst: 0, natCount: 1 });
  t.like(entryOf(bench, 2), { natFirst: 0, natCount: 1 });
  dataplane.remove(ID);
  clock.advance(INDEX_GRACE_MS);
  await dataplane.sweep();
  t.is(dataplane.usage().backends.used, 0);
  t.is(dataplane.usage().natAddresses.used, 1, 'its grace begins with the last backend');
  bpf.sweepResult.flowsByNatAddress[0] = 1;
  clock.advance(INDEX_GRACE_MS);
  await dataplane.sweep();
  t.is(dataplane.usage().natAddresses.used, 1);
  bpf.sweepResult.flowsByNatAddress[0] = 0;
  await dataplane.sweep();
  t.is(dataplane.usage().natAddresses.used, 0);
});

test('a backend without room for its NAT addresses is unreachable until a sweep finds some', async (t) => {
  const bench = dataplaneBench({ natAddresses: 3 });
  const { clock, dataplane, nextHops, healed } = bench;
  const sources = [1, 2].map((host) => address(`10.9.0.${host}`));
  apply(dataplane, serverOf([backendOf(1), backendOf(2)]));
  nextHops.hops.set(address('10.0.1.1'), resolvedHop(1, sources));
  dataplane.refreshNextHops([address('10.0.1.1')]);
  const other = [3, 4].map((host) => address(`10.9.0.${host}`));
  nextHops.hops.set(address('10.0.1.2'), resolvedHop(1, other));
  dataplane.refreshNextHops([address('10.0.1.2')]);
  t.like(entryOf(bench, 2), { flags: ACTIVE | KEEPS_UDP, natCount: 0 });
  t.deepEqual(dataplane.usableBackends(ID), [address('10.0.1.1')]);
  apply(dataplane, serverOf([backendOf(1), backendOf(2)], { resetDead: true }));
  t.is(dataplane.usableBackends(ID).length, 1, 'an update does not help');
  apply(dataplane, serverOf([backendOf(2)]));
  for (let i = 0; i < 3; i++) {
    clock.advance(INDEX_GRACE_MS);
    await dataplane.sweep();
  }
  t.deepEqual(dataplane.usableBackends(ID), [address('10.0.1.2')]);
  t.is(entryOf(bench, 2).natCount, 2);
  t.is(healed.at(-1), ID);
});
