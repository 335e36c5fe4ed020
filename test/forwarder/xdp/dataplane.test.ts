import test from 'ava';
import fc from 'fast-check';
import { formatAddress } from '../../../src/domain/address.ts';
import type { Backend, VirtualServer } from '../../../src/domain/forwarding.ts';
import { type Prefix, parsePrefix } from '../../../src/domain/prefix.ts';
import { SCHEDULERS } from '../../../src/domain/scheduler.ts';
import { decode, encode } from '../../../src/forwarder/xdp/abi.ts';
import { INDEX_GRACE_MS } from '../../../src/forwarder/xdp/index-pool.ts';
import type { BpfObject } from '../../../src/system/bpf.ts';
import {
  apply,
  backendAt,
  backendOf,
  dataplaneBench as bench,
  layout,
  NO_WRITES,
  ringOf,
  ringWordsOf,
  serverOf as server,
  VIP,
  vipOf,
} from '../../support/dataplane-bench.ts';
import { resolvedHop, SOURCE } from '../../support/fake-next-hops.ts';
import { address } from '../../support/objects.ts';

const REACHABLE = layout.constant('TG_BACKEND_REACHABLE');
const ACTIVE = layout.constant('TG_BACKEND_ACTIVE');
const KEEPS_UDP = layout.constant('TG_BACKEND_KEEPS_UDP');

function backend(host: number, use: Backend['use'] = 'active'): Backend {
  return backendOf(host, { use });
}

test('update() writes server, backends, ring and VIP with the address marked', (t) => {
  const { bpf, dataplane } = bench();
  apply(dataplane, server([backend(1), backend(2, 'draining'), backend(3, 'down')]));
  t.deepEqual(new Set(ringOf(bpf.object)), new Set(['10.0.1.1']));
  t.is(vipOf(bpf.object, 0, 0)?.ringSize, 0);
  const flags = [1, 2, 3].map((host) => {
    const index = dataplane.backendIndex(`${VIP} TCP 80`, `10.0.1.${host} 8080`) as number;
    return backendAt(bpf.object, index).flags;
  });
  t.deepEqual(flags, [REACHABLE | ACTIVE | KEEPS_UDP, REACHABLE | KEEPS_UDP, REACHABLE]);
  t.false(dataplane.backendIndex(`${VIP} TCP 80`, '10.0.1.1 8080') === 0);
});

test('a VIP is switched only to what is completely there', (t) => {
  const { bpf, dataplane } = bench();
  let seen = 0;
  bpf.onVipUpdate = (key, value) => {
    const { port } = decode(layout.vipKey, key);
    const vip = decode(layout.vip, value);
    if (port === 0) return;
    seen += 1;
    for (const index of ringWordsOf(bpf.object, vip)) {
      const entry = backendAt(bpf.object, index);
      t.is(entry.server, vip.server);
      t.is(entry.flags & ACTIVE, ACTIVE);
      t.is(entry.port, 8080);
    }
  };
  apply(dataplane, server([backend(1), backend(2)]));
  apply(dataplane, server([backend(2, 'down'), backend(3)]));
  t.is(seen, 2);
});

test('a backend that is taken out is closed only after the ring has left it', (t) => {
  const { bpf, dataplane } = bench();
  apply(dataplane, server([backend(1), backend(2)]));
  const index = dataplane.backendIndex(`${VIP} TCP 80`, '10.0.1.1 8080') as number;
  let flagsAtSwitch = 0;
  bpf.onVipUpdate = () => {
    flagsAtSwitch = backendAt(bpf.object, index).flags;
  };
  apply(dataplane, server([backend(1, 'down'), backend(2)]));
  t.is(flagsAtSwitch & ACTIVE, ACTIVE);
  t.is(backendAt(bpf.object, index).flags, REACHABLE);
});

test('update() writes nothing when nothing changed', (t) => {
  const { bpf, dataplane } = bench();
  apply(dataplane, server([backend(1), backend(2)]));
  const before = dataplane.usage().writes;
  const calls = { ...bpf.calls };
  apply(dataplane, server([backend(1), backend(2)]));
  t.deepEqual(dataplane.usage().writes, before);
  t.deepEqual(bpf.calls, calls);
});

test('a change of health alone rewrites the ring and one backend', (t) => {
  const { dataplane } = bench();
  apply(dataplane, server([backend(1), backend(2)]));
  const { vips, servers, backends, rings } = dataplane.usage().writes;
  apply(dataplane, server([backend(1), backend(2, 'down')]));
  t.deepEqual(dataplane.usage().writes, {
    vips: vips + 1,
    servers,
    backends: backends + 1,
    rings: rings + 1,
  });
});

test('remove() takes the VIP away first and keeps the marker while another port is served', (t) => {
  const { bpf, dataplane } = bench();
  apply(dataplane, server([backend(1)]));
  apply(dataplane, server([backend(1)], { port: 443 }));
  dataplane.remove(`${VIP} TCP 80`);
  t.is(vipOf(bpf.object, 80), undefined);
  t.truthy(vipOf(bpf.object, 0, 0));
  dataplane.remove(`${VIP} TCP 443`);
  t.is(vipOf(bpf.object, 0, 0), undefined);
  dataplane.remove(`${VIP} TCP 443`);
  t.deepEqual([...dataplane.list()], []);
});

test('an index is used again only after a sweep that began later saw no flow of it', async (t) => {
  const { bpf, clock, dataplane } = bench({ servers: 3, backends: 3 });
  apply(dataplane, server([backend(1), backend(2)]));
  const indices = [1, 2].map((host) =>
    dataplane.backendIndex(`${VIP} TCP 80`, `10.0.1.${host} 8080`),
  );
  apply(dataplane, server([]));
  const full = { message: /limit of 2 backends .*forwarder\.limits\.backends/ };
  t.throws(() => apply(dataplane, server([backend(3)])), full);
  await dataplane.sweep();
  t.throws(() => apply(dataplane, server([backend(3)])), full, 'too soon');
  clock.advance(INDEX_GRACE_MS);
  bpf.sweepResult.flowsByBackend[indices[0] as number] = 1;
  await dataplane.sweep();
  apply(dataplane, server([backend(3)]));
  t.is(dataplane.backendIndex(`${VIP} TCP 80`, '10.0.1.3 8080'), indices[1]);
  t.is(formatAddress(backendAt(bpf.object, indices[0] as number).address), '10.0.1.1');
});

test('a backend that comes back has its index, and so its flows, again', (t) => {
  const { dataplane } = bench();
  const id = `${VIP} TCP 80`;
  apply(dataplane, server([backend(1), backend(2)]));
  const index = dataplane.backendIndex(id, '10.0.1.1 8080');
  apply(dataplane, server([backend(2)]));
  apply(dataplane, server([backend(1), backend(2)]));
  t.is(dataplane.backendIndex(id, '10.0.1.1 8080'), index);
  const serverIndex = dataplane.serverIndex(id);
  dataplane.remove(id);
  apply(dataplane, server([backend(1), backend(2)]));
  t.is(dataplane.serverIndex(id), serverIndex);
  t.is(dataplane.backendIndex(id, '10.0.1.1 8080'), index);
});

test('a full table fails with its limit and the remedy, and what worked stays', (t) => {
  const { bpf, dataplane } = bench({ servers: 3, vips: 32 });
  apply(dataplane, server([backend(1)], { port: 1 }));
  apply(dataplane, server([backend(1)], { port: 2 }));
  t.throws(() => apply(dataplane, server([backend(1)], { port: 3 })), {
    message: /limit of 2 is reached; raise forwarder\.limits\.servers/,
  });
  t.deepEqual(ringOf(bpf.object, 1), ['10.0.1.1', '10.0.1.1', '10.0.1.1']);
  t.deepEqual([...dataplane.list()].length, 2);
});

test('a server that cannot be changed goes on as it was, also after a restart', (t) => {
  const { dataplane, restart } = bench({ backends: 3 });
  const id = `${VIP} TCP 80`;
  apply(dataplane, server([backend(1), backend(2)]));
  const adopted = restart();
  for (const each of [dataplane, adopted]) {
    t.throws(() => apply(each, server([backend(1), backend(3)])));
    t.deepEqual(each.usableBackends(id), [address('10.0.1.1'), address('10.0.1.2')]);
  }
});

test('a VIP that does not fit leaves no marker behind, and fits once there is room', async (t) => {
  const { bpf, clock, dataplane } = bench({ vips: 2 });
  const other = server([backend(1)], { address: address('192.0.2.11') });
  apply(dataplane, server([backend(1)]));
  t.throws(() => apply(dataplane, other), { message: /"vips" is full at 2 entries/ });
  t.is(vipOf(bpf.object, 0, 0, '192.0.2.11'), undefined);
  dataplane.remove(`${VIP} TCP 80`);
  apply(dataplane, other);
  t.deepEqual(ringOf(bpf.object, 80, '192.0.2.11')[0], '10.0.1.1');
  clock.advance(INDEX_GRACE_MS);
  await dataplane.sweep();
  t.is(dataplane.usage().servers.used, 1);
  t.is(dataplane.usage().backends.used, 1);
});

test('a new next hop is written into every entry of its address, and nothing else', (t) => {
  const { bpf, nextHops, dataplane } = bench();
  apply(dataplane, server([backend(1), backend(2)]));
  apply(dataplane, server([backend(1)], { port: 443 }));
  const before = dataplane.usage().writes;
  nextHops.hops.set(address('10.0.1.1'), resolvedHop(0x02_00_00_00_00_77));
  const touched = dataplane.refreshNextHops([address('10.0.1.1')]);
  t.deepEqual([...touched].sort(), [`${VIP} TCP 443`, `${VIP} TCP 80`]);
  t.deepEqual(dataplane.usage().writes, { ...before, backends: before.backends + 2 });
  const index = dataplane.backendIndex(`${VIP} TCP 443`, '10.0.1.1 8080') as number;
  t.is(backendAt(bpf.object, index).dstMac, 0x02_00_00_00_00_77 as never);
});

test('a backend without a way to it takes no packets, and one being asked about keeps its way', (t) => {
  const { nextHops, dataplane } = bench();
  const id = `${VIP} TCP 80`;
  const at = address('10.0.1.1');
  apply(dataplane, server([backend(1)]));
  nextHops.hops.set(at, { state: 'pending' });
  dataplane.refreshNextHops([at]);
  t.is(dataplane.usableBackends(id).length, 1);
  nextHops.hops.set(at, { state: 'unreachable', reason: 'No route' });
  dataplane.refreshNextHops([at]);
  t.is(dataplane.usableBackends(id).length, 0);
  nextHops.hops.set(at, { state: 'pending' });
  dataplane.refreshNextHops([at]);
  t.is(dataplane.usableBackends(id).length, 0);
});

test('a changed NAT address is another group of the same backend; its flows keep theirs', (t) => {
  const { bpf, nextHops, dataplane } = bench();
  const id = `${VIP} TCP 80`;
  const at = address('10.0.1.1');
  apply(dataplane, server([backend(1)]));
  const index = dataplane.backendIndex(id, '10.0.1.1 8080') as number;
  const before = backendAt(bpf.object, index);
  const other = address('10.0.0.2');
  nextHops.hops.set(at, resolvedHop(1, [other]));
  dataplane.refreshNextHops([at]);
  const after = backendAt(bpf.object, index);
  t.is(dataplane.backendIndex(id, '10.0.1.1 8080'), index);
  t.is(dataplane.endsOf(index, before.natFirst)?.natAddress, SOURCE);
  t.is(dataplane.endsOf(index, after.natFirst)?.natAddress, other);
  t.is(dataplane.usage().writes.rings, 1);
});

test('a second process adopts what the first left, and writes nothing that is equal', (t) => {
  const { bpf, nextHops, dataplane, restart } = bench();
  const first = server([backend(1), backend(2)]);
  const second = server([backend(1)], { port: 443, affinityTimeoutSec: 60 });
  apply(dataplane, first);
  apply(dataplane, second);
  const again = restart();
  t.deepEqual([...again.list()].sort(), [second.id, first.id].sort());
  t.true(nextHops.followed.has(address('10.0.1.2')));
  apply(again, first);
  apply(again, second);
  t.deepEqual(again.usage().writes, NO_WRITES);
  again.remove(second.id);
  t.is(vipOf(bpf.object, 443), undefined);
  t.deepEqual(new Set(ringOf(bpf.object)), new Set(['10.0.1.1', '10.0.1.2']));
});

test('a second process does not reuse what flows of the first may hold', async (t) => {
  const { bpf, clock, dataplane, restart } = bench();
  apply(dataplane, server([backend(1), backend(2)]));
  const old = dataplane.backendIndex(`${VIP} TCP 80`, '10.0.1.1 8080') as number;
  apply(dataplane, server([backend(2)]));
  dataplane.remove(`${VIP} TCP 80`);
  const again = restart();
  t.deepEqual([...again.list()], []);
  t.is(again.usage().backends.used, 2);
  t.is(again.usage().servers.used, 1);
  bpf.sweepResult.flowsByBackend[old] = 3;
  bpf.sweepResult.flowsByServer[backendAt(bpf.object, old).server] = 3;
  clock.advance(INDEX_GRACE_MS);
  await again.sweep();
  t.is(again.usage().backends.used, 1);
  t.is(again.endsOf(old, 0)?.backend.address, address('10.0.1.1'));
  t.is(again.endsOf(old + 1, 0), undefined);
  t.is(again.endsOf(9999, 0), undefined);
});

test('a marker or a ring that a crash left alone is mended', (t) => {
  const { bpf, dataplane, restart } = bench();
  apply(dataplane, server([backend(1)]));
  const vips = bpf.object.maps['vips'] as BpfObject['maps'][string];
  const key = (at: string, port: number, protocol: number) =>
    encode(layout.vipKey, { address: address(at), port, protocol });
  vips.update(key('192.0.2.99', 0, 0), new Uint8Array(layout.vip.size));
  vips.delete(key(VIP, 0, 0));
  const broken = {
    ...decode(layout.vip, vips.lookup(key(VIP, 80, 6)) as Uint8Array),
    ringChunk: 9,
  };
  vips.update(key(VIP, 80, 6), encode(layout.vip, broken));
  const again = restart();
  t.is(vipOf(bpf.object, 0, 0, '192.0.2.99'), undefined);
  t.truthy(vipOf(bpf.object, 0, 0));
  apply(again, server([backend(1)]));
  t.deepEqual(ringOf(bpf.object), ['10.0.1.1', '10.0.1.1', '10.0.1.1']);
});

const CLIENTS = ['198.51.100.0/24', '2001:db8::/32'].map((text) => parsePrefix(text) as Prefix);

test('source ranges are complete when the VIP is switched to them, and old ones go later', async (t) => {
  const { bpf, clock, dataplane } = bench();
  const acl = bpf.object.maps['acl'] as BpfObject['maps'][string];
  const lists = () => new Set(acl.entries().map(({ key }) => decode(layout.aclKey, key).acl));
  bpf.onVipUpdate = (_key, value) => {
    const { acl: id, ringSize } = decode(layout.vip, value);
    if (ringSize > 0 && id !== 0) t.true(lists().has(id));
  };
  apply(dataplane, server([backend(1)], { sourceRanges: CLIENTS }));
  const before = vipOf(bpf.object)?.acl as number;
  apply(dataplane, server([backend(1)], { sourceRanges: CLIENTS, port: 443 }));
  t.is(vipOf(bpf.object, 443)?.acl, before, 'equal lists are one');
  const other = [parsePrefix('203.0.113.0/24') as Prefix];
  for (const port of [80, 443]) {
    apply(dataplane, server([backend(1)], { sourceRanges: other, port }));
    t.true(lists().has(before), 'a packet may be reading it');
  }
  clock.advance(INDEX_GRACE_MS);
  await dataplane.sweep();
  t.deepEqual([...lists()], [vipOf(bpf.object)?.acl]);
  apply(dataplane, server([backend(1)]));
  t.is(vipOf(bpf.object)?.acl, 0);
  t.is(dataplane.usage().sourceRanges.lists, 1);
});

test('flows are ended where a list came or changed, once a pass', async (t) => {
  const { clock, dataplane, ended, restart } = bench();
  const listed = server([backend(1)], { sourceRanges: CLIENTS });
  const servers = () => ended.splice(0).map((rules) => rules.flatMap((rule) => rule.servers));
  const settle = async (each: typeof dataplane) => {
    each.commit();
    await each.idle();
    clock.advance(INDEX_GRACE_MS);
    await each.sweep();
    return servers();
  };
  apply(dataplane, server([backend(1)], { port: 443 }));
  t.deepEqual(await settle(dataplane), [], 'everybody may come');
  apply(dataplane, server([backend(1)]));
  apply(dataplane, listed);
  const index = dataplane.serverIndex(listed.id) as number;
  t.deepEqual(await settle(dataplane), [[index], [index]]);
  apply(dataplane, server([backend(1, 'down')], { sourceRanges: CLIENTS }));
  t.deepEqual(await settle(dataplane), [], 'the same list');
  dataplane.remove(listed.id);
  apply(dataplane, listed);
  t.deepEqual(await settle(dataplane), [[index], [index]], 'it may have flows of before');
  const again = restart();
  apply(again, listed);
  t.deepEqual(await settle(again), [[index], [index]], 'the process may have died too early');
  apply(again, server([backend(1)]));
  t.deepEqual(await settle(again), []);
});

const FAILURES = {
  'source ranges': { acl: 1 },
  affinity: { affinityBackends: 3 },
  backends: { backends: 4 },
} as const;

for (const [what, sizes] of Object.entries(FAILURES)) {
  test(`an update for which there is no room for ${what} changes nothing, again and again`, async (t) => {
    const { bpf, clock, dataplane } = bench(sizes);
    const affinity = { affinityTimeoutSec: 60 };
    const before = server([backend(1), backend(2, 'down')], { sourceRanges: [], ...affinity });
    const after = server([backend(1), backend(2), backend(3), backend(4)], {
      sourceRanges: [...CLIENTS, parsePrefix('203.0.113.0/24') as Prefix],
      ...affinity,
    });
    apply(dataplane, before);
    const maps = ['vips', 'affinity_backends'] as const;
    const held = () =>
      maps.map(
        (name) => new Set(bpf.object.maps[name]?.entries().map((each) => String(each.value))),
      );
    const [vips, usage] = [held(), dataplane.usage()];
    for (let i = 0; i < 3; i++) {
      t.throws(() => apply(dataplane, after));
      t.throws(() => apply(dataplane, { ...after, id: `${VIP} TCP 443`, port: 443 }));
      t.deepEqual(held(), vips);
      t.deepEqual(dataplane.usableBackends(before.id), [address('10.0.1.1')]);
      clock.advance(INDEX_GRACE_MS);
      await dataplane.sweep();
      const { servers, backends, sourceRanges, rings } = dataplane.usage();
      t.deepEqual(servers, usage.servers);
      t.deepEqual(backends, usage.backends);
      t.deepEqual(sourceRanges, usage.sourceRanges);
      t.deepEqual(rings, usage.rings);
    }
    apply(dataplane, before);
    t.deepEqual(dataplane.usage().writes.vips, usage.writes.vips);
  });
}

test("a removed server's affinity goes with it, also where a process died before", (t) => {
  const { bpf, dataplane, restart } = bench();
  const map = bpf.object.maps['affinity_backends'] as BpfObject['maps'][string];
  const sticky = server([backend(1)], { affinityTimeoutSec: 60 });
  apply(dataplane, sticky);
  t.is(map.entries().length, 1);
  const left = map.entries()[0] as { key: Uint8Array; value: Uint8Array };
  dataplane.remove(sticky.id);
  t.is(map.entries().length, 0);
  map.update(left.key, left.value);
  restart();
  t.is(map.entries().length, 0);
});

test('whatever is updated, removed, swept and restarted, the maps say what was wanted last', async (t) => {
  const step = fc.oneof(
    fc.record({
      kind: fc.constant('update' as const),
      port: fc.integer({ min: 1, max: 4 }),
      hosts: fc.uniqueArray(fc.integer({ min: 1, max: 6 }), { maxLength: 4 }),
      down: fc.nat(3),
      scheduler: fc.constantFrom(...SCHEDULERS),
      choice: fc.constantFrom('rendezvous' as const, 'ring' as const),
      affinityTimeoutSec: fc.constantFrom(0, 60),
      sourceRanges: fc.subarray(CLIENTS),
      resetDead: fc.boolean(),
    }),
    fc.record({ kind: fc.constant('remove' as const), port: fc.integer({ min: 1, max: 4 }) }),
    fc.record({ kind: fc.constant('sweep' as const) }),
    fc.record({ kind: fc.constant('restart' as const) }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      const { bpf, clock, dataplane, restart } = bench({ servers: 9, backends: 200 });
      const wanted = new Map<number, VirtualServer>();
      let current = dataplane;
      for (const each of steps) {
        clock.advance(600);
        if (each.kind === 'sweep') await current.sweep();
        else if (each.kind === 'restart') current = restart();
        else if (each.kind === 'remove') {
          wanted.delete(each.port);
          current.remove(`${VIP} TCP ${each.port}`);
        } else if (each.kind === 'update') {
          const hosts = [...each.hosts].sort();
          const backends = hosts.map((host, i) =>
            backend(host, i === each.down ? 'down' : 'active'),
          );
          const { port, scheduler, affinityTimeoutSec, sourceRanges, resetDead } = each;
          const choice = scheduler === 'maglev' ? each.choice : 'ring';
          const fields = { port, scheduler, choice, affinityTimeoutSec, sourceRanges, resetDead };
          wanted.set(port, server(backends, fields));
          apply(current, wanted.get(each.port) as VirtualServer);
        }
        for (const [port, value] of wanted) {
          const expected = Array.from(value.ring, (i) =>
            formatAddress((value.backends[i] as Backend).address),
          );
          t.deepEqual(ringOf(bpf.object, port), expected);
        }
      }
      t.deepEqual([...current.list()].sort(), [...wanted.values()].map(({ id }) => id).sort());
      const calls = { ...bpf.calls };
      const again = restart();
      for (const value of wanted.values()) apply(again, value);
      t.deepEqual(again.usage().writes, NO_WRITES);
      t.is(bpf.calls['affinity_backends'], calls['affinity_backends']);
      t.is(bpf.calls['acl'], calls['acl']);
      const lists = new Set([...wanted.keys()].map((port) => vipOf(bpf.object, port)?.acl));
      clock.advance(INDEX_GRACE_MS);
      await again.sweep();
      t.is(again.usage().sourceRanges.lists, lists.has(0) ? lists.size - 1 : lists.size);
      const sticky = [...wanted.values()].filter((each) => each.affinityTimeoutSec > 0);
      const entries = sticky.flatMap(({ backends }) => backends.filter((b) => b.use === 'active'));
      t.is(bpf.object.maps['affinity_backends']?.entries().length, entries.length);
    }),
    { numRuns: 60 },
  );
});
