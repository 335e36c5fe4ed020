/**
 * What a packet costs in the XDP program: `node test/bench/dataplane.ts [--runs N]`, as root.
 * Nanoseconds a packet on one CPU, net of the replay that feeds it; median and range over the runs.
 */
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { openDataplane } from '../support/dataplane-fixture.ts';
import { tcp, udp } from '../support/packet.ts';
import { openReplay } from '../support/replay.ts';

const FLOWS = 1 << 20;
const PACKETS = 1_000_000;
const SCATTER = 0x9e3779b1; // an order of clients that caches cannot guess
const BACKENDS = 40;
const CPU = availableParallelism() - 1;

const { values } = parseArgs({ options: { runs: { type: 'string', default: '5' } } });
const dataplane = openDataplane({ flows: FLOWS, reverse: 2 * FLOWS });
const replay = openReplay(dataplane.object);
const results = new Map<string, number[]>();

for (let run = 0; run < Number(values.runs); run++) {
  for (const family of ['IPv4', 'IPv6'] as const) {
    const six = family === 'IPv6';
    const from = six ? '[2001:db8:1::]:1000' : '100.0.0.0:1000';
    const vip = six ? '[2001:db8::10]' : '192.0.2.10';
    const stranger = six ? '[2001:db8:99::9]' : '203.0.113.9';
    const established = tcp({ from, to: `${vip}:80`, flags: 'A' });
    const syn = tcp({ from, to: `${vip}:80`, flags: 'S' });
    const query = udp({ from, to: `${vip}:53`, payload: '0123456789' });

    for (const clients of [1, 65_536, 262_144]) {
      setUp(six);
      await create(syn, clients);
      await create(query, clients);
      await measure(`${family} TCP, ${clients} flows`, established, clients);
      await measure(`${family} UDP, ${clients} flows`, query, clients);
    }
    setUp(six);
    await measure(`${family} new flow each packet`, syn, 1 << 26, PACKETS / 2);
    const other = tcp({ from, to: `${stranger}:80`, flags: 'A' });
    await measure(`${family} not ours`, other, 65_536);
    const natPort = tcp({ from, to: `${stranger}:40000`, flags: 'A' });
    await measure(`${family} not ours, a port of the NAT range`, natPort, 65_536);
  }
}

for (const [name, times] of results) {
  times.sort((a, b) => a - b);
  const middle = times[times.length >> 1];
  console.log(`${name.padEnd(40)} ${middle} ns  [${times[0]}-${times.at(-1)}]`);
}

/** One VIP with TCP and UDP; timeouts so long that nothing expires. */
function setUp(six: boolean): void {
  dataplane.reset({
    nat_port_first: 1024,
    nat_port_last: 65535,
    tcp_half_open_s: 3600,
    udp_s: 3600,
  });
  const vip = six ? '2001:db8::10' : '192.0.2.10';
  for (const [index, protocol, port] of [
    [0, 'tcp', 80],
    [1, 'udp', 53],
  ] as const) {
    const ring = Array.from({ length: 120 }, (_, i) => 1 + (i % 20) + index * 20);
    dataplane.server({ index: index + 1, vip, port, protocol, ring });
  }
  for (let index = 1; index <= BACKENDS; index++) {
    const address = six ? `fd01::${index}` : `10.1.0.${index}`;
    dataplane.backend({ index, address, port: 8080, server: index <= 20 ? 1 : 2 });
  }
}

async function create(packet: Uint8Array, clients: number): Promise<void> {
  replay.load({ packet, clients });
  await replay.run(Math.max(clients, 2), CPU);
}

async function measure(name: string, packet: Uint8Array, clients: number, packets = PACKETS) {
  const stream = { packet, clients, step: SCATTER };
  replay.aim(undefined);
  replay.load(stream);
  const base = await replay.run(packets, CPU);
  replay.aim(dataplane.object);
  replay.load(stream);
  const gross = await replay.run(packets, CPU);
  const times = results.get(name) ?? [];
  times.push(gross - base);
  results.set(name, times);
}
