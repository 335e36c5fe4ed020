import { performance } from 'node:perf_hooks';
import { ipv4 } from '../../src/domain/address.ts';
import { KeyedMap } from '../../src/domain/keyed-map.ts';
import type { Pool } from '../../src/domain/pool.ts';
import type { Service, ServiceStatus } from '../../src/domain/service.ts';
import { EMPTY_SNAPSHOT, type Snapshot } from '../../src/domain/snapshot.ts';
import { allocate } from '../../src/plan/allocate.ts';
import type { Allocation } from '../../src/plan/allocation/allocation.ts';
import { makePool, makeService, SETTINGS, type ServiceSpec } from '../plan/allocation-cluster.ts';

/** Prints how long allocation takes. Run: `node test/bench/allocation.ts [services]`. */
const COUNT = Number(process.argv[2] ?? 10_000);
const REPEATS = 50;

const pools = (...list: Pool[]) => KeyedMap.from(list.map((pool) => [pool.key, pool] as const));
const eight = makePool('eight', ['10.0.0.0/8', '2001:db8::/64']);

function services(spec: (index: number) => ServiceSpec): KeyedMap<Service> {
  return KeyedMap.from(
    Array.from({ length: COUNT }, (_, index) => {
      const service = makeService(`ns${index % 50}/s${index}`, spec(index));
      return [service.key, service] as const;
    }),
  );
}

function written(snapshot: Snapshot, allocation: Allocation, before?: Allocation): Snapshot {
  const known = before?.services ?? KeyedMap.empty();
  const changes = allocation.services.changedKeys(known).map((key) => {
    const { addresses, pool } = allocation.services.get(key) ?? { addresses: [], pool: '' };
    const status: ServiceStatus = { addresses, pool, hostnames: [], conditions: [], events: [] };
    return [key, status] as const;
  });
  return { ...snapshot, statuses: snapshot.statuses.withAll(changes) };
}

function timed<T>(run: () => T): { ms: number; result: T } {
  const start = performance.now();
  const result = run();
  return { ms: performance.now() - start, result };
}

function report(name: string, ms: number, note = ''): void {
  console.log(`${name.padEnd(58)} ${ms.toFixed(3).padStart(10)} ms  ${note}`);
}

function measure(name: string, list: KeyedMap<Service>, poolMap: KeyedMap<Pool>): void {
  const empty: Snapshot = { ...EMPTY_SNAPSHOT, revision: 1, services: list, pools: poolMap };
  const first = timed(() => allocate(undefined, empty, SETTINGS));
  const waiting = [...first.result.services.values()].filter(({ refusal }) => refusal).length;
  report(`${name}: from empty`, first.ms, `${COUNT - waiting} served, ${waiting} refused`);
  const full = written(empty, first.result);
  const restart = timed(() => allocate(undefined, full, SETTINGS));
  report(`${name}: restart, all keep`, restart.ms);
  let snapshot = full;
  let allocation = allocate(first.result, full, SETTINGS);
  const times: number[] = [];
  let planned = 0;
  for (let round = 0; round < REPEATS; round++) {
    const key = `ns${round % 50}/s${round}`;
    const service = snapshot.services.get(key) as Service;
    const gone = { ...snapshot, services: snapshot.services.without(key) };
    const freed = timed(() => allocate(allocation, gone, SETTINGS));
    snapshot = written(
      { ...gone, services: gone.services.with(key, service) },
      freed.result,
      allocation,
    );
    const back = timed(() => allocate(freed.result, snapshot, SETTINGS));
    snapshot = written(snapshot, back.result, freed.result);
    allocation = back.result;
    planned = Math.max(planned, freed.result.planned, back.result.planned);
    times.push(freed.ms, back.ms);
  }
  times.sort((a, b) => a - b);
  report(`${name}: one change, median`, times[REPEATS] as number);
  report(
    `${name}: one change, worst of ${times.length}`,
    times.at(-1) as number,
    `planned ≤ ${planned}`,
  );
}

measure(
  '/8 and v6 /64',
  services(() => ({})),
  pools(eight),
);
measure(
  'dual stack',
  services(() => ({ ipFamilyPolicy: 'RequireDualStack' })),
  pools(eight),
);
measure(
  'every second address asked for',
  services((index) => ({
    request: { kind: 'addresses', addresses: [ipv4(0x0a000000 + index * 2)], field: 'f' },
  })),
  pools(eight),
);
measure(
  'one sharing key, one port',
  services(() => ({ sharingKey: 'k' })),
  pools(eight),
);
measure(
  'one sharing key, own ports',
  services((index) => ({ sharingKey: 'k', ports: [1 + index] })),
  pools(eight),
);
measure(
  'half of them wait',
  services(() => ({})),
  pools(makePool('small', [`10.0.0.0-10.0.${Math.floor(COUNT / 512)}.255`])),
);
measure(
  '200 pools, all but one full',
  services(() => ({})),
  pools(
    eight,
    ...Array.from({ length: 199 }, (_, index) =>
      makePool(`a${index}`, [`172.16.${index}.1-172.16.${index}.9`], {
        serviceAllocation: { priority: 1 + index },
      }),
    ),
  ),
);
measure(
  'avoidBuggyIPs',
  services(() => ({})),
  pools(makePool('careful', ['10.0.0.0/8'], { avoidBuggyIPs: true })),
);
