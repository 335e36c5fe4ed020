import test, { type ExecutionContext } from 'ava';
import fc from 'fast-check';
import { type Address, familyOf, formatAddress } from '../../../src/domain/address.ts';
import type { Service } from '../../../src/domain/service.ts';
import { isOurs } from '../../../src/domain/service-class.ts';
import { allocate } from '../../../src/plan/allocate.ts';
import type { Allocation } from '../../../src/plan/allocation/allocation.ts';
import { candidateOf, wantedFamilies } from '../../../src/plan/allocation/candidate.ts';
import { placeOf } from '../../../src/plan/allocation/lane.ts';
import { admits, poolTable, slotOf } from '../../../src/plan/allocation/pool-table.ts';
import { address as addr } from '../../support/objects.ts';
import { type Cluster, cluster, has, outcome, type ServiceSpec } from '../allocation-cluster.ts';

/** A small world, so that Services meet on the same addresses, ports and keys again and again. */
const KEYS = ['ns1/a', 'ns1/b', 'ns2/c', 'ns2/d', 'ns1/e', 'ns2/f'];
const IPS = ['192.0.2.0', '192.0.2.1', '192.0.2.2', '198.51.100.255', '2001:db8::1', '203.0.113.9'];
const RANGES = [
  ['192.0.2.0/31'],
  ['192.0.2.1-192.0.2.2', '2001:db8::1/128'],
  ['198.51.100.255-198.51.101.1'],
  ['2001:db8::/127', '192.0.2.2/32'],
  ['2001:db8::/127'],
];
const POOLS = ['p', 'q', 'r'];

const serviceSpec: fc.Arbitrary<ServiceSpec> = fc.record({
  ports: fc.subarray([80, 443, '80/UDP'], { minLength: 1 }),
  sharingKey: fc.constantFrom('', '', 'k', 'l'),
  externalTrafficPolicy: fc.constantFrom('Cluster', 'Cluster', 'Local'),
  selector: fc.constantFrom('app=x', 'app=y'),
  ipFamilyPolicy: fc.constantFrom('SingleStack', 'PreferDualStack', 'RequireDualStack'),
  families: fc.constantFrom([4], [6], [4, 6], [6, 4]),
  request: fc.oneof(
    { weight: 5, arbitrary: fc.constant({ kind: 'none' as const }) },
    {
      weight: 2,
      arbitrary: fc
        .subarray(IPS, { minLength: 1, maxLength: 2 })
        .map((ips) => ({ kind: 'addresses' as const, addresses: ips.map(addr), field: 'f' })),
    },
    {
      weight: 1,
      arbitrary: fc.constant({
        kind: 'invalid' as const,
        field: 'f',
        message: 'invalid metallb.io/loadBalancerIPs: "x"',
        remedy: 'r',
      }),
    },
  ),
  poolRequest: fc.constantFrom(undefined, undefined, undefined, 'p', 'q'),
  loadBalancerClass: fc.constantFrom(undefined, undefined, undefined, 'other/class'),
  type: fc.constantFrom('LoadBalancer', 'LoadBalancer', 'LoadBalancer', 'ClusterIP'),
  labels: fc.constantFrom({}, { tier: 'web' }),
  headless: fc.constantFrom(false, false, false, false, false, true),
  deleting: fc.constantFrom(false, false, false, false, false, true),
});

const allocation = fc.option(
  fc.record({
    priority: fc.constantFrom(0, 1, 2),
    namespaces: fc.constantFrom([], ['ns1']),
    namespaceSelectors: fc.constantFrom([], [has('team', 'blue')]),
    serviceSelectors: fc.constantFrom([], [has('tier', 'web')]),
  }),
  { nil: undefined, freq: 2 },
);

type Change = (cluster: Cluster) => void;

const key = fc.constantFrom(...KEYS);
const created = (name: string) => [...KEYS, ...POOLS].indexOf(name) % 4;

const change: fc.Arbitrary<Change> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.tuple(key, serviceSpec).map(
      ([name, spec]): Change =>
        (c) =>
          c.set(name, { ...spec, createdMs: created(name) }),
    ),
  },
  {
    weight: 3,
    arbitrary: key.map(
      (name): Change =>
        (c) =>
          c.delete(name),
    ),
  },
  {
    weight: 2,
    arbitrary: fc
      .tuple(
        fc.constantFrom(...POOLS),
        fc.constantFrom(...RANGES),
        fc.record({ autoAssign: fc.constantFrom(true, true, false), avoidBuggyIPs: fc.boolean() }),
        allocation,
      )
      .map(
        ([name, ranges, flags, rules]): Change =>
          (c) => {
            const serviceAllocation = rules ? { serviceAllocation: rules } : {};
            c.pool(name, ranges, { ...flags, ...serviceAllocation, createdMs: 10 + created(name) });
          },
      ),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(...POOLS).map(
      (name): Change =>
        (c) =>
          c.dropPool(name),
    ),
  },
  {
    weight: 1,
    arbitrary: fc.tuple(fc.constantFrom('ns1', 'ns2'), fc.constantFrom('blue', 'red')).map(
      ([name, team]): Change =>
        (c) =>
          c.namespace(name, { team }),
    ),
  },
  {
    weight: 1,
    arbitrary: fc.tuple(key, fc.subarray(IPS, { maxLength: 3 })).map(
      ([name, ips]): Change =>
        (c) =>
          c.status(name, ips, { events: c.snapshot.statuses.get(name)?.events ?? [] }),
    ),
  },
);

/** One round: some changes at once; then the statuses are written back, or the write fails. */
const round = fc.record({
  changes: fc.array(change, { minLength: 1, maxLength: 3 }),
  written: fc.constantFrom(true, true, true, false),
});

test('allocate() step by step ends where one full pass, and a restart, would', (t) => {
  fc.assert(
    fc.property(fc.array(round, { minLength: 1, maxLength: 12 }), (rounds) => {
      const c = cluster().pool('p', ['192.0.2.0/31'], { createdMs: 10 });
      for (const { changes, written } of rounds) {
        for (const apply of changes) apply(c);
        const before = c.allocation;
        c.plan();
        const now = c.allocation as Allocation;
        assertSound(t, c, now);
        const full = allocate(before, c.snapshot, { ...c.settings });
        t.deepEqual(outcome(now), outcome(full));
        t.deepEqual(eventsOf(now), eventsOf(full));
        t.deepEqual(occupied(now), occupied(full));
        t.deepEqual(outcome(now), outcome(allocate(before, c.snapshot, c.settings)));
        if (!written) continue;
        c.write();
        if (now.problems.length > 0) continue;
        const restarted = allocate(undefined, c.snapshot, c.settings);
        t.deepEqual(outcome(restarted), outcome(now));
        t.deepEqual(eventsOf(restarted), []);
      }
    }),
    { numRuns: Number(process.env['TIDEGATE_RUNS'] ?? 400) },
  );
});

test('allocate() takes no address away over a restart that its pool as written contains', (t) => {
  let conflicts = 0;
  fc.assert(
    fc.property(fc.array(round, { minLength: 1, maxLength: 12 }), (rounds) => {
      const c = cluster().pool('p', ['192.0.2.0/31'], { createdMs: 10 });
      for (const { changes } of rounds) {
        for (const apply of changes) apply(c);
        c.step();
      }
      const before = c.allocation as Allocation;
      if (before.problems.length > 0) conflicts += 1;
      const after = allocate(undefined, c.snapshot, c.settings);
      for (const [name, { addresses, pool }] of before.services) {
        const service = c.snapshot.services.get(name) as Service;
        const written = c.snapshot.pools.get(`metallb-system/${pool}`);
        const owner = written && poolTable([written]);
        const contained = (held: Address) => {
          const slot = owner && slotOf(owner, held);
          return slot && placeOf(slot.lane, held) !== undefined;
        };
        if (!written || !admits(written, service, c.snapshot.namespaces)) continue;
        const kept = after.services.get(name)?.addresses ?? [];
        if (addresses.every(contained)) t.true(addresses.every((held) => kept.includes(held)));
      }
    }),
    { numRuns: Number(process.env['TIDEGATE_RUNS'] ?? 400) },
  );
  t.true(conflicts > 0);
});

function assertSound(t: ExecutionContext, c: Cluster, { services, basis, pools }: Allocation) {
  const users = new Map<bigint, Service[]>();
  for (const [name, { addresses, pool, refusal }] of services) {
    const service = c.snapshot.services.get(name) as Service;
    t.true(isOurs(service, c.settings));
    if (service.deleting) {
      const held = c.snapshot.statuses.get(name)?.addresses ?? [];
      t.true(addresses.every((address) => held.includes(address)));
      for (const at of addresses) users.set(at, [...(users.get(at) ?? []), service]);
      continue;
    }
    t.true(addresses.length <= 2 && (addresses.length > 0 || refusal !== undefined));
    const families = addresses.map(familyOf);
    t.is(new Set(families).size, families.length);
    t.true(families.every((family) => wantedFamilies(service).includes(family)));
    for (const held of addresses) {
      users.set(held, [...(users.get(held) ?? []), service]);
      if (basis.world.unreadable.has(pool)) continue;
      const slot = slotOf(basis.world.table, held);
      t.is(slot?.owner.pool.name, pool);
      if (!slot) continue;
      t.not(placeOf(slot.lane, held), undefined);
      t.true(admits(slot.owner.pool, service, c.snapshot.namespaces));
    }
  }
  for (const [held, sharers] of users) assertMayShare(t, sharers, formatAddress(held as never));
  for (const usage of pools.values()) {
    t.true(usage.availableIPv4 >= 0n && usage.availableIPv6 >= 0n);
    const holders = [...services.values()].filter(({ pool }) => pool === usage.name);
    const held = new Set(holders.flatMap(({ addresses }) => addresses));
    t.is(usage.services, holders.length);
    t.true(usage.assignedIPv4 + usage.assignedIPv6 >= BigInt(held.size));
  }
}

function assertMayShare(t: ExecutionContext, sharers: readonly Service[], where: string) {
  const candidates = sharers.map((service) => candidateOf(service, false));
  for (const [index, a] of candidates.entries()) {
    for (const b of candidates.slice(index + 1)) {
      t.true(a.sharing !== '' && a.sharing === b.sharing, where);
      t.true(
        a.ports.every((port) => !b.ports.includes(port)),
        where,
      );
    }
  }
}

function eventsOf({ events }: Allocation) {
  return [...events].sort(([a], [b]) => (a < b ? -1 : 1));
}

function occupied({ basis }: Allocation) {
  const sorted = <V>(map: Iterable<[string, V]>) => [...map].sort(([a], [b]) => (a < b ? -1 : 1));
  const uses = sorted(basis.occupancy.uses).map(([at, { sharing, users }]) => [
    at,
    sharing,
    [...users].sort(),
  ]);
  const waiting = sorted(basis.waiting.entries);
  return { uses, places: sorted(basis.occupancy.places), waiting, room: basis.waiting.forRoom };
}
