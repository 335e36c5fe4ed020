import { availableParallelism } from 'node:os';
import test, { type ExecutionContext } from 'ava';
import { sweepFlows } from '../../src/system/bpf.ts';
import { type Dataplane, type DataplaneSize, openDataplane } from '../support/dataplane-fixture.ts';
import { invariantBreaches } from '../support/flow-invariants.ts';
import { tcp, udp } from '../support/packet.ts';
import { openReplay, type Replay } from '../support/replay.ts';

const VIP = '192.0.2.10';
const CPUS = [0, availableParallelism() - 1] as const;
const STREAMS = {
  UDP: udp({ from: '100.64.0.0:1000', to: `${VIP}:53`, payload: 'query' }),
  TCP: tcp({ from: '100.64.0.0:1000', to: `${VIP}:80`, flags: 'S' }),
};

/** A table of this size, and a replay for each CPU. */
function setUp(t: ExecutionContext, size: DataplaneSize): [Dataplane, readonly Replay[]] {
  const dataplane = openDataplane(size);
  const replays = CPUS.map(() => openReplay(dataplane.object));
  t.teardown(() => {
    for (const replay of replays) replay.close();
    dataplane.object.close();
  });
  dataplane.reset({ nat_port_first: 10000, nat_port_last: 59999 });
  dataplane.server({ index: 1, vip: VIP, port: 80, protocol: 'tcp', ring: [1, 2, 3, 4] });
  dataplane.server({ index: 2, vip: VIP, port: 53, protocol: 'udp', ring: [5, 6, 7, 8] });
  for (let i = 1; i <= 8; i++)
    dataplane.backend({ index: i, address: `10.1.0.${i}`, port: 8080, server: i < 5 ? 1 : 2 });
  return [dataplane, replays];
}

function runAll(replays: readonly Replay[], packet: Uint8Array, clients: number, packets: number) {
  for (const replay of replays) replay.load({ packet, clients });
  return Promise.all(replays.map((replay, i) => replay.run(packets, CPUS[i] ?? 0)));
}

for (const [protocol, packet] of Object.entries(STREAMS)) {
  test.serial(
    `two CPUs that meet the same new ${protocol} clients make one flow each`,
    async (t) => {
      const clients = 131_072;
      const [dataplane, replays] = setUp(t, { flows: 262_144, reverse: 524_288 });
      // The one behind finds flows made, which is faster: it catches up, then both create.
      await runAll(replays, packet, clients, clients);
      const counters = dataplane.counters();
      t.log(counters);
      t.deepEqual(invariantBreaches(dataplane), []);
      const left = (counters['flow_created'] ?? 0) - (counters['flow_displaced'] ?? 0);
      t.is(dataplane.flows().length, left);
      t.true(dataplane.flows().length > clients * 0.95);
    },
  );
}

test.serial('the table stays sound while two CPUs reuse entries that sweeps free', async (t) => {
  const flows = 4096;
  const packets = 400_000;
  const [dataplane, replays] = setUp(t, { flows, reverse: 2 * flows });
  let expired = 0;
  for (const packet of Object.values(STREAMS)) {
    let running = true;
    // More clients than places: entries are reused, sets are full.
    const runs = runAll(replays, packet, 2 * flows, packets).finally(() => {
      running = false;
    });
    while (running) {
      dataplane.age(1000);
      expired += (await sweepFlows(dataplane.object)).expired;
    }
    await runs;
    t.deepEqual(invariantBreaches(dataplane), []);
  }
  const counters = dataplane.counters();
  t.log(counters, { expired });
  const count = (name: string) => counters[name] ?? 0;
  t.true(count('flow_created') > 10 * flows);
  t.true(count('drop_flow_table_full') > 0);
  t.true(expired > flows);
  const drops = ['cookie_sent', 'drop_contended', 'drop_nat_ports', 'drop_flow_table_full'].map(
    count,
  );
  t.is(count('forwarded') + drops.reduce((sum, drop) => sum + drop, 0), 4 * packets);

  dataplane.age(10_000);
  await sweepFlows(dataplane.object);
  t.true(new Uint8Array(dataplane.map('reverse').mapped()).every((byte) => byte === 0));
  t.deepEqual(dataplane.flows(), []);
});
