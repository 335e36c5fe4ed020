import { availableParallelism } from 'node:os';
import { type BpfObject, dataplaneAbi, loadBpf } from '../../../src/system/bpf.ts';
import { type Dataplane, openDataplane, PASS_OBJECT } from '../../support/dataplane-fixture.ts';
import { tcp, udp } from '../../support/packet.ts';
import { openReplay, type Replay } from '../../support/replay.ts';
import type { Aim, BenchContext, BenchGroup, Comparison, Row } from '../group.ts';
import { createRows, type Rows } from '../rows.ts';

const FLOWS = 1 << 20;
const MANY_SERVICES = 10_000;
/** Few enough rounds of a second each, and enough packets to fill the caches with something else. */
const PACKETS = 1_000_000;
const FILLING_PACKETS = 500_000;
const QUICK_PACKETS = 300_000;
const SCATTER = 0x9e3779b1; // an order of clients that caches cannot guess
const ALL_SOURCES = 1 << 26;
/** Of the packets of a case; a few new flows find no place in their set. */
const LEAST_SHARE = 0.95;
/** So old are half-open flows that give way to anybody. */
const SILENT_SECONDS = 20;
const TCP = 6;
const ESTABLISHED = 'TG_FLOW_ESTABLISHED';
const UDP_STREAM = 'TG_FLOW_UDP_STREAM';
/**
 * TCP on port 80 and UDP on port 53 of one VIP, with so many backends each: then there are NAT ports
 * for twice the flows that the table holds.
 */
const BACKENDS = 40;
/** The fixture's NAT addresses end with 1. */
const NAT_FILTER = 1n << 1n;
const CPU = availableParallelism() - 1;

type Family = 'IPv4' | 'IPv6';

/**
 * What packets are made of, in each family. The lookalike's last byte is that of the NAT address,
 * modulo 64: only the way back can tell it apart.
 */
const ADDRESSES = {
  IPv4: {
    from: '100.0.0.0:1000',
    others: '200.0.0.0:1000',
    vip: '192.0.2.10',
    stranger: '203.0.113.9',
    lookalike: '203.0.113.65',
  },
  IPv6: {
    from: '[2001:db8:1::]:1000',
    others: '[2001:db8:2::]:1000',
    vip: '[2001:db8::10]',
    stranger: '[2001:db8:99::9]',
    lookalike: '[2001:db8:99::41]',
  },
} as const;

/** What a packet costs in the XDP program, without any network. */
export const dataplane: BenchGroup = {
  name: 'dataplane',
  describe: `nanoseconds a packet in the XDP program on one CPU (BPF_PROG_TEST_RUN), net of the replay
that feeds it. Flows come in scattered order: among 65,536 of them caches do not help.`,
  needs: [],
  run: async (context) => {
    const rows = createRows();
    for (let round = 1; round <= context.rounds; round++) {
      context.progress(`dataplane: round ${round} of ${context.rounds}`);
      await measureRound(context, rows);
    }
    return [...rows.all(), KATRAN];
  },
};

/** With maps of its own: where their pages lie in memory, and so in caches, makes a difference. */
async function measureRound(context: BenchContext, rows: Rows): Promise<void> {
  const bench = openBench(context, rows);
  try {
    await bench.noProgram();
    for (const family of ['IPv4', 'IPv6'] as const) {
      await measureEstablished(bench, family);
      await measureStrangers(bench, family);
    }
    await measureMany(bench);
  } finally {
    bench.close();
  }
}

/** https://github.com/facebookincubator/katran 19f08fec, measured by the same method. */
const KATRAN: Row = {
  name: 'Katran, IPv4 TCP among 65,536 flows',
  unit: 'ns',
  samples: [219, 242],
  note: 'not measured now, but earlier on such a machine; without NAT, IPIP to the backend',
};

interface Case {
  readonly name: string;
  readonly packet: Uint8Array;
  readonly clients: number;
  /** Fewer packets than usual, so that the table does not get full. */
  readonly filling?: boolean;
  /** The program's counter that says of each packet that it went the way which is measured. */
  readonly counter: string;
  readonly aim?: Aim;
  readonly against?: readonly Comparison[];
}

interface Bench {
  readonly one: Dataplane;
  readonly many: Dataplane;
  /** The method's error: a program that does nothing. */
  noProgram(): Promise<void>;
  /** One packet of each client, which creates its flow. */
  create(on: Dataplane, packet: Uint8Array, clients: number): Promise<void>;
  measure(on: Dataplane, what: Case): Promise<void>;
  close(): void;
}

function openBench({ quick }: BenchContext, rows: Rows): Bench {
  const one = openDataplane({ flows: FLOWS, reverse: 2 * FLOWS, backends: 2 * BACKENDS + 1 });
  const room = MANY_SERVICES + 64;
  const size = { flows: FLOWS, reverse: 2 * FLOWS, vips: 2 * room, servers: room };
  const many = openDataplane({ ...size, backends: MANY_SERVICES * 10 });
  const idle = loadBpf({ object: PASS_OBJECT, pinDir: undefined, maxEntries: {} });
  const replay: Replay = openReplay(one.object);
  const packetsOfCase = ({ filling }: Case) =>
    quick ? QUICK_PACKETS : filling ? FILLING_PACKETS : PACKETS;
  const time = async (target: BpfObject, what: Case) => {
    const { name, packet, clients, aim, against = [] } = what;
    const packets = packetsOfCase(what);
    const stream = { packet, clients, step: SCATTER };
    replay.aim(undefined);
    replay.load(stream);
    const base = await replay.run(packets, CPU);
    replay.aim(target);
    replay.load(stream);
    const gross = await replay.run(packets, CPU);
    rows.add({ name, unit: 'ns', against, ...(aim && { aim }) }, gross - base);
  };
  return {
    one,
    many,
    noProgram: () => time(idle, { name: 'nothing (error of the method)', ...NOTHING }),
    create: async (on, packet, clients) => {
      replay.aim(on.object);
      replay.load({ packet, clients });
      await replay.run(Math.max(clients, 2), CPU);
    },
    measure: async (on, what) => {
      const before = on.counters()[what.counter] ?? 0;
      await time(on.object, what);
      const packets = packetsOfCase(what);
      const counted = (on.counters()[what.counter] ?? 0) - before;
      if (counted < packets * LEAST_SHARE) {
        throw new Error(`${what.name}: only ${counted} of ${packets} packets are ${what.counter}`);
      }
    },
    close: () => {
      replay.close();
      for (const object of [idle, one.object, many.object]) object.close();
    },
  };
}

const NOTHING = {
  packet: tcp({ from: '100.0.0.0:1000', to: '192.0.2.10:80' }),
  clients: 65_536,
  counter: '',
};

async function measureEstablished(bench: Bench, family: Family): Promise<void> {
  const { one } = bench;
  const { established, syn, query } = packetsOf(family);
  for (const [clients, aim] of [
    [1, undefined],
    [65_536, { atMost: 220 }],
    [262_144, { atMost: 260 }],
  ] as const) {
    reset(one, family);
    await bench.create(one, syn, clients);
    await bench.create(one, query, clients);
    establish(one);
    const among = `among ${clients.toLocaleString('en')} flow${clients === 1 ? '' : 's'}`;
    const known = { clients, counter: 'forwarded', ...(aim && { aim }) };
    await bench.measure(one, { name: `${family} TCP ${among}`, packet: established, ...known });
    await bench.measure(one, { name: `${family} UDP ${among}`, packet: query, ...known });
  }
}

async function measureStrangers(bench: Bench, family: Family): Promise<void> {
  const { one } = bench;
  const { from, others, stranger, lookalike } = ADDRESSES[family];
  const source = { packet: packetsOf(family).syn, clients: ALL_SOURCES, filling: true };
  const fresh = { ...source, counter: 'flow_created' };
  reset(one, family);
  await bench.measure(one, { name: `${family} new flow`, ...fresh, aim: { atMost: 450 } });
  reset(one, family);
  await bench.create(one, packetsOf(family, others).syn, 2 * FLOWS);
  one.age(SILENT_SECONDS);
  await bench.measure(one, { name: `${family} new flow, table full of half-open flows`, ...fresh });
  reset(one, family, { new_flows_per_s: 1 });
  const flood = `${family} SYN flood over the budget`;
  await bench.measure(one, {
    name: flood,
    ...source,
    counter: 'cookie_sent',
    aim: { atMost: 200 },
  });
  const other = tcp({ from, to: `${stranger}:80` });
  const natPort = tcp({ from, to: `${lookalike}:40000` });
  const foreign = { clients: 65_536, counter: 'passed', aim: { atMost: 62 } };
  await bench.measure(one, { name: `${family} not ours`, packet: other, ...foreign });
  const name = `${family} not ours, looks like an answer`;
  await bench.measure(one, { name, packet: natPort, ...foreign });
}

/** The same again while 10,000 other Services are loaded. */
async function measureMany(bench: Bench): Promise<void> {
  const { many } = bench;
  const { from, stranger } = ADDRESSES.IPv4;
  const { established, syn } = packetsOf('IPv4');
  const suffix = ', 10,000 Services';
  const beside = (name: string) => ({
    name: `${name}${suffix}`,
    against: [{ to: name, aim: { atMost: 1.1 } }],
  });
  reset(many, 'IPv4');
  loadOthers(many);
  await bench.create(many, syn, 65_536);
  establish(many);
  const known = { packet: established, clients: 65_536, counter: 'forwarded' };
  await bench.measure(many, { ...beside('IPv4 TCP among 65,536 flows'), ...known });
  const fresh = { packet: syn, clients: ALL_SOURCES, filling: true, counter: 'flow_created' };
  await bench.measure(many, { ...beside('IPv4 new flow'), ...fresh });
  const packet = tcp({ from, to: `${stranger}:80` });
  const other = { packet, clients: 65_536, counter: 'passed' };
  await bench.measure(many, { ...beside('IPv4 not ours'), ...other });
}

function packetsOf(family: Family, from: string = ADDRESSES[family].from) {
  const { vip } = ADDRESSES[family];
  return {
    established: tcp({ from, to: `${vip}:80`, flags: 'A' }),
    syn: tcp({ from, to: `${vip}:80`, flags: 'S' }),
    query: udp({ from, to: `${vip}:53`, payload: '0123456789' }),
  };
}

/** One VIP with TCP and UDP; timeouts so long that nothing expires. */
function reset(on: Dataplane, family: Family, settings: Readonly<Record<string, number>> = {}) {
  on.reset({
    nat_port_first: 1024,
    nat_port_last: 65535,
    tcp_half_open_s: 3600,
    udp_s: 3600,
    new_flows_per_s: 2 ** 32 - 1,
    nat_filter: NAT_FILTER,
    ...settings,
  });
  const vip = ADDRESSES[family].vip.replace(/[[\]]/g, '');
  for (const [first, protocol, port] of [
    [1, 'tcp', 80],
    [1 + BACKENDS, 'udp', 53],
  ] as const) {
    const index = protocol === 'tcp' ? 1 : 2;
    const ring = Array.from({ length: 120 }, (_, i) => first + (i % BACKENDS));
    on.server({ index, vip, port, protocol, ring });
    for (let i = 0; i < BACKENDS; i++) {
      const address = family === 'IPv6' ? `fd01::${first + i}` : `10.1.0.${first + i}`;
      on.backend({ index: first + i, address, port: 8080, server: index });
    }
  }
}

/** Makes all flows what they were after the backend answered and the client went on. */
function establish(on: Dataplane): void {
  const { structs, constants } = dataplaneAbi();
  const { size = 0, offsets = {} } = structs['tg_flow'] ?? {};
  const [stateAt, flagsAt, protocolAt] = ['state', 'flags', 'proto'].map((name) => offsets[name]);
  const flags = (constants['TG_FLOW_ANSWERED'] ?? 0) | (constants['TG_FLOW_CONFIRMED'] ?? 0);
  const memory = new Uint8Array(on.map('flows').mapped());
  for (let entry = 0; entry < memory.length; entry += size) {
    const isTcp = memory[entry + (protocolAt ?? 0)] === TCP;
    if (memory[entry + (stateAt ?? 0)] === 0) continue;
    memory[entry + (stateAt ?? 0)] = constants[isTcp ? ESTABLISHED : UDP_STREAM] ?? 0;
    if (isTcp) memory[entry + (flagsAt ?? 0)] = flags;
  }
}

function loadOthers(on: Dataplane): void {
  for (let i = 3; i < MANY_SERVICES; i++) {
    const ring = Array.from({ length: 120 }, (_, n) => i * 10 + (n % 10));
    const vip = `198.18.${i >> 8}.${i & 255}`;
    on.server({ index: i, vip, port: 80, protocol: 'tcp', ring });
    for (let n = i * 10; n < i * 10 + 10; n++) {
      if (n <= 2 * BACKENDS) continue;
      on.backend({ index: n, address: `10.2.${(n >> 8) & 255}.${n & 255}`, port: 8080, server: i });
    }
  }
}
