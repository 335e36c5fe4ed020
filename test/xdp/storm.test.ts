import { availableParallelism } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import { parseRange } from '../../src/domain/prefix.ts';
import {
  type BpfObject,
  dataplaneAbi,
  endFlows,
  loadBpf,
  packRanges,
  sweepFlows,
} from '../../src/system/bpf.ts';
import { exhaustBudget } from '../support/budget.ts';
import {
  addressBytes,
  type Dataplane,
  openDataplane,
  type Scheduler,
  u32,
} from '../support/dataplane-fixture.ts';
import { countBreaches, invariantBreaches } from '../support/flow-invariants.ts';
import { createMutator, type Mutator } from '../support/mutate.ts';

/**
 * Everything that works on the flow table, at once (`native/xdp/storm.bpf.c`): new and old flows,
 * answers, cookies, full sets and stolen ports on all CPUs, sweeps with clocks that jump, lists of
 * clients, and backends that come and go. Longer: STORM_MS.
 */
const STORM_OBJECT = fileURLToPath(new URL('../../native/build/storm.bpf.o', import.meta.url));
const STORM_MS = Number(process.env['STORM_MS'] ?? 2400);
const SEED = 20_261_121;
const BATCH = 50_000;
const VIP = '192.0.2.10';
const NATS = ['10.0.0.1', '10.0.0.2', '10.0.0.3'];
const CPUS = Array.from({ length: Math.min(availableParallelism(), 4) }, (_, cpu) => cpu);
const NOTHING_WRONG = { answers_misled: 0, requests_misled: 0, lost: 0, aborted: 0 };
/** `struct storm_result`. */
const RESULTS = ['answers', 'requests', ...Object.keys(NOTHING_WRONG)];
const { structs } = dataplaneAbi();

interface World {
  readonly flows: number;
  readonly ports: number;
  readonly clients: number;
}

const WORLDS: Readonly<Record<string, World>> = {
  'full sets': { flows: 2048, ports: 20_000, clients: 65_536 },
  'few ports': { flows: 8192, ports: 200, clients: 16_384 },
  'room for all': { flows: 65_536, ports: 30_000, clients: 8192 },
};

for (const [name, world] of Object.entries(WORLDS)) {
  test.serial(`packets of all kinds on all CPUs go to their own ends: ${name}`, async (t) => {
    const { dataplane, storm } = setUp(t, world);
    const endMs = performance.now() + STORM_MS / Object.keys(WORLDS).length;
    const mutator = createMutator(SEED);
    const runs = CPUS.map(async (cpu) => {
      const frame = new Uint8Array(128);
      while (performance.now() < endMs)
        await storm.testRepeat(frame, { ifindex: 0, repeat: BATCH, cpu });
    });
    while (performance.now() < endMs) {
      await disturb(dataplane, mutator);
      await sleep(mutator.random(8));
    }
    await Promise.all(runs);
    const result = resultOf(storm);
    t.log(result, dataplane.counters(), { flows: dataplane.flows().length });
    t.like(result, NOTHING_WRONG);
    t.true((result['answers'] ?? 0) > BATCH / 10 && (result['requests'] ?? 0) > BATCH / 10);
    t.deepEqual(invariantBreaches(dataplane), []);
    await sweepFlows(dataplane.object);
    t.deepEqual([...countBreaches(dataplane), ...invariantBreaches(dataplane)], []);

    dataplane.age(100_000);
    await sweepFlows(dataplane.object);
    t.deepEqual(dataplane.flows(), []);
    for (const map of ['reverse', 'flow_hints', 'backend_flows'])
      t.true(
        new Uint8Array(dataplane.map(map).mapped()).every((byte) => byte === 0),
        map,
      );
  });
}

function setUp(t: ExecutionContext, { flows, ports, clients }: World) {
  const dataplane = openDataplane({ flows, reverse: 2 * flows });
  const storm = loadBpf({
    object: STORM_OBJECT,
    pinDir: undefined,
    maxEntries: {},
    share: dataplane.object,
  });
  t.teardown(() => {
    storm.close();
    dataplane.object.close();
  });
  const first = 20_000;
  const last = first + ports - 1;
  dataplane.reset({ nat_port_first: first, nat_port_last: last, replies_per_s: 0 });
  writeServers(dataplane, 'least');
  for (let index = 1; index <= 8; index++) writeBackend(dataplane, index, {});
  storm.maps['storm_plan']?.update(u32(0), planOf(clients));
  return { dataplane, storm };
}

/** `struct storm_plan`. */
function planOf(clients: number): Uint8Array {
  const plan = new Uint8Array(16);
  const view = new DataView(plan.buffer);
  plan.set(addressBytes(VIP).subarray(12), 0);
  plan.set([100, 64, 0, 0], 4);
  view.setUint32(8, clients - 1, true);
  view.setUint16(12, 80);
  view.setUint16(14, 53);
  return plan;
}

function writeServers(dataplane: Dataplane, scheduler: Scheduler): void {
  const common = { vip: VIP, scheduler } as const;
  dataplane.server({ ...common, index: 1, port: 80, protocol: 'tcp', ring: [1, 2, 3, 4] });
  dataplane.server({ ...common, index: 2, port: 53, protocol: 'udp', ring: [5, 6, 7, 8] });
}

/** Both servers have the same four hosts, so that they share NAT ports where protocols are equal. */
function writeBackend(
  dataplane: Dataplane,
  index: number,
  fields: { active?: boolean; keepsUdp?: boolean },
): void {
  dataplane.backend({
    index,
    address: `10.1.0.${1 + ((index - 1) % 4)}`,
    port: 8080,
    server: index < 5 ? 1 : 2,
    natAddresses: NATS,
    counted: true,
    ...fields,
  });
}

async function disturb(dataplane: Dataplane, { random }: Mutator): Promise<void> {
  switch (random(7)) {
    case 0:
      return dataplane.age(1 + random(40));
    case 1:
      return exhaustBudget(dataplane, random(2) === 1);
    case 2: {
      const fields = { active: random(3) > 0, keepsUdp: random(2) === 1 };
      return writeBackend(dataplane, 1 + random(8), fields);
    }
    case 3: {
      const range = parseRange(`100.64.${4 * random(8)}.0/22`);
      const allowed = packRanges(range ? [range] : []);
      if (random(4) === 0) await endFlows(dataplane.object, [{ servers: [1, 2], allowed }]);
      return;
    }
    case 4:
      return writeServers(dataplane, (['least', 'hash'] as const)[random(2)] ?? 'hash');
    case 5: {
      const config = new DataView(dataplane.map('config').mapped());
      return config.setUint32(structs['tg_config']?.offsets['udp_s'] ?? 0, 1 + random(30), true);
    }
    default:
      await sweepFlows(dataplane.object);
  }
}

/** Summed over all CPUs. */
function resultOf(storm: BpfObject): Record<string, number> {
  const memory = storm.maps['storm_memory'];
  const bytes = memory?.lookup(u32(0)) ?? new Uint8Array();
  const values = new BigUint64Array(bytes.slice().buffer);
  const ofCpu = Math.ceil((memory?.valueSize ?? 0) / 8);
  const sumOf = (place: number) =>
    values.filter((_, at) => at % ofCpu === place).reduce((sum, n) => sum + Number(n), 0);
  return Object.fromEntries(RESULTS.map((field, place) => [field, sumOf(place)]));
}
