import { ipv4 } from '../../../src/domain/address.ts';
import { KeyedMap } from '../../../src/domain/keyed-map.ts';
import type { Pool } from '../../../src/domain/pool.ts';
import type { Service, ServiceStatus } from '../../../src/domain/service.ts';
import { EMPTY_SNAPSHOT, type Snapshot } from '../../../src/domain/snapshot.ts';
import { allocate } from '../../../src/plan/allocate.ts';
import type { Allocation } from '../../../src/plan/allocation/allocation.ts';
import {
  makePool,
  makeService,
  SETTINGS,
  type ServiceSpec,
} from '../../plan/allocation-cluster.ts';
import type { BenchContext, BenchGroup } from '../group.ts';
import { createRows, type Rows } from '../rows.ts';
import { percentile } from '../statistics.ts';

const COUNT = 10_000;
const CHANGES = 50;

interface Scenario {
  readonly services: (index: number) => ServiceSpec;
  readonly pools: readonly Pool[];
}

const EIGHT = makePool('eight', ['10.0.0.0/8', '2001:db8::/64']);
const PLENTY = [EIGHT];

const SCENARIOS: Readonly<Record<string, Scenario>> = {
  'one pool': { services: () => ({}), pools: PLENTY },
  'dual stack': { services: () => ({ ipFamilyPolicy: 'RequireDualStack' }), pools: PLENTY },
  'every second address asked for': {
    services: (index) => ({
      request: { kind: 'addresses', addresses: [ipv4(0x0a00_0000 + index * 2)], field: 'f' },
    }),
    pools: PLENTY,
  },
  'one sharing key, one port': { services: () => ({ sharingKey: 'k' }), pools: PLENTY },
  'one sharing key, own ports': {
    services: (index) => ({ sharingKey: 'k', ports: [1 + index] }),
    pools: PLENTY,
  },
  'half of them wait': {
    services: () => ({}),
    pools: [makePool('small', [`10.0.0.0-10.0.${Math.floor(COUNT / 512)}.255`])],
  },
  '200 pools, all but one full': {
    services: () => ({}),
    pools: [EIGHT, ...Array.from({ length: 199 }, (_, index) => fullPool(index))],
  },
  avoidBuggyIPs: {
    services: () => ({}),
    pools: [makePool('careful', ['10.0.0.0/8'], { avoidBuggyIPs: true })],
  },
};

/** Giving 10,000 Services their addresses. */
export const allocation: BenchGroup = {
  name: 'allocation',
  describe: `planning the addresses of 10,000 Services, by what they ask for: all of them from nothing,
all of them after a restart, and one that goes and comes back.`,
  needs: [],
  run: async (context) => {
    const rows = createRows();
    for (let round = 1; round <= context.rounds; round++) measureAll(context, round, rows);
    return rows.all();
  },
};

function measureAll({ progress, rounds }: BenchContext, round: number, rows: Rows): void {
  for (const [name, scenario] of Object.entries(SCENARIOS)) {
    progress(`allocation: round ${round} of ${rounds}, ${name}`);
    measure(name, scenario, rows);
  }
}

function measure(name: string, { services, pools }: Scenario, rows: Rows): void {
  const list = Array.from({ length: COUNT }, (_, index) =>
    makeService(`ns${index % CHANGES}/s${index}`, services(index)),
  );
  const empty: Snapshot = {
    ...EMPTY_SNAPSHOT,
    revision: 1,
    services: KeyedMap.from(list.map((service) => [service.key, service] as const)),
    pools: KeyedMap.from(pools.map((pool) => [pool.key, pool] as const)),
  };
  const first = timed(() => allocate(undefined, empty, SETTINGS));
  rows.add({ name: `${name}: all new`, unit: 'ms' }, first.ms);
  const full = written(empty, first.result);
  const restart = timed(() => allocate(undefined, full, SETTINGS));
  rows.add({ name: `${name}: restart`, unit: 'ms' }, restart.ms);
  const times = changeTimes(allocate(first.result, full, SETTINGS), full);
  rows.add({ name: `${name}: change, p50`, unit: 'ms' }, percentile(times, 0.5));
  rows.add({ name: `${name}: change, p99`, unit: 'ms' }, percentile(times, 0.99));
}

/** A Service goes and comes back, one after another; the time of each. */
function changeTimes(allocated: Allocation, full: Snapshot): readonly number[] {
  const times: number[] = [];
  let [snapshot, current] = [full, allocated];
  for (let change = 0; change < CHANGES; change++) {
    const key = `ns${change}/s${change}`;
    const service = snapshot.services.get(key) as Service;
    const without = { ...snapshot, services: snapshot.services.without(key) };
    const gone = timed(() => allocate(current, without, SETTINGS));
    const again = { ...without, services: without.services.with(key, service) };
    snapshot = written(again, gone.result, current);
    const back = timed(() => allocate(gone.result, snapshot, SETTINGS));
    snapshot = written(snapshot, back.result, gone.result);
    current = back.result;
    times.push(gone.ms, back.ms);
  }
  return times;
}

/** The snapshot in which the statuses say what was allocated. */
function written(snapshot: Snapshot, allocated: Allocation, before?: Allocation): Snapshot {
  const known = before?.services ?? KeyedMap.empty();
  const changes = allocated.services.changedKeys(known).map((key) => {
    const { addresses, pool } = allocated.services.get(key) ?? { addresses: [], pool: '' };
    const status: ServiceStatus = {
      addresses,
      pool,
      hostnames: [],
      ports: [],
      guarded: true,
      conditions: [],
      events: [],
    };
    return [key, status] as const;
  });
  return { ...snapshot, statuses: snapshot.statuses.withAll(changes) };
}

function timed<T>(run: () => T): { readonly ms: number; readonly result: T } {
  const start = performance.now();
  const result = run();
  return { ms: performance.now() - start, result };
}

function fullPool(index: number): Pool {
  return makePool(`a${index}`, [`172.16.${index}.1-172.16.${index}.9`], {
    serviceAllocation: { priority: 1 + index },
  });
}
