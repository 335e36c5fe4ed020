/**
 * The loaded XDP program with small private maps, for tests that send packets through it
 * (`BPF_PROG_TEST_RUN`): no interface, no pin, nothing another process could see.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { ExecutionContext } from 'ava';
import { addressToBytes, parseAddress } from '../../src/domain/address.ts';
import { macToBytes, parseMac } from '../../src/domain/mac.ts';
import { type BpfMap, type BpfObject, dataplaneAbi, loadBpf } from '../../src/system/bpf.ts';
import { packetDifference } from './packet.ts';

const build = (name: string) =>
  fileURLToPath(new URL(`../../native/build/${name}.bpf.o`, import.meta.url));
export const OBJECT = build('tidegate');
export const PASS_OBJECT = build('pass');
export const REPLAY_OBJECT = build('replay');

/** The loopback interface: packets come in by it when nothing else is said. */
export const LOOPBACK = 1;
export const VERDICTS = ['aborted', 'drop', 'pass', 'tx', 'redirect'] as const;
export type Verdict = (typeof VERDICTS)[number];

export const NAT_FIRST = 40000;
/** A prime number of ports: no stride of the search comes round early. */
export const NAT_LAST = 41008;
const abi = dataplaneAbi();

type Field = number | bigint | Uint8Array;

/** Bytes of a struct of the ABI; fields that are not named are 0. */
export function encodeStruct(name: string, fields: Readonly<Record<string, Field>>): Uint8Array {
  const layout = abi.structs[name];
  if (layout === undefined) throw new Error(`There is no struct "${name}"`);
  const bytes = new Uint8Array(layout.size);
  const view = new DataView(bytes.buffer);
  for (const [field, value] of Object.entries(fields)) {
    const { at, size } = placeOf(name, field);
    if (value instanceof Uint8Array) bytes.set(value, at);
    else if (size === 8) view.setBigUint64(at, BigInt(value), true);
    else if (size === 4) view.setUint32(at, Number(value), true);
    else if (size === 2) view.setUint16(at, Number(value), true);
    else view.setUint8(at, Number(value));
  }
  return bytes;
}

/** An integer field of a struct. */
export function readField(name: string, field: string, bytes: Uint8Array): number {
  const { at, size } = placeOf(name, field);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (size === 8) return Number(view.getBigUint64(at, true));
  return size === 4
    ? view.getUint32(at, true)
    : size === 2
      ? view.getUint16(at, true)
      : view.getUint8(at);
}

/** Fields follow one another without gaps, so a field ends where the next one starts. */
function placeOf(name: string, field: string): { at: number; size: number } {
  const layout = abi.structs[name];
  const at = layout?.offsets[field];
  if (layout === undefined || at === undefined) throw new Error(`No field ${name}.${field}`);
  const next = Object.values(layout.offsets).filter((offset) => offset > at);
  return { at, size: Math.min(layout.size, ...next) - at };
}

export function be16(value: number): Uint8Array {
  return new Uint8Array([value >> 8, value & 255]);
}

export function addressBytes(text: string): Uint8Array {
  const address = parseAddress(text);
  if (address === undefined) throw new Error(`"${text}" is not an address`);
  return addressToBytes(address);
}

export function macBytes(text: string): Uint8Array {
  const mac = parseMac(text);
  if (mac === undefined) throw new Error(`"${text}" is not a MAC`);
  return macToBytes(mac);
}

export function u32(value: number): Uint8Array {
  return new Uint8Array(new Uint32Array([value]).buffer);
}

export interface BackendFields {
  readonly index: number;
  readonly address: string;
  readonly port: number;
  readonly server: number;
  /** All of one family; several share out the flows. */
  readonly natAddresses?: readonly string[];
  readonly active?: boolean;
  readonly reachable?: boolean;
  readonly keepsUdp?: boolean;
  readonly ifindex?: number;
  readonly mtu?: number;
  /** Of 256 new flows, how many it takes. */
  readonly admit?: number;
  /** Its flows are counted for the scheduler `least`. */
  readonly counted?: boolean;
  readonly dead?: boolean;
  /** Equal on all ports of a Service; its index by default. */
  readonly endpoint?: number;
}

export type Scheduler = 'rendezvous' | 'hash' | 'round_robin' | 'least';

export interface ServerFields {
  readonly index: number;
  readonly vip: string;
  readonly port: number;
  readonly protocol: 'tcp' | 'udp';
  /** Backend indices, as the ring holds them. */
  readonly ring: readonly number[];
  readonly scheduler?: Scheduler;
  readonly affinitySec?: number;
  /** Servers of one Service have the same; its index by default. */
  readonly affinityGroup?: number;
  readonly hashClientOnly?: boolean;
  readonly resetDead?: boolean;
  /** Further fields of tg_vip. */
  readonly vipFields?: Readonly<Record<string, Field>>;
}

export interface FlowEntry {
  readonly index: number;
  readonly state: number;
  readonly flags: number;
  readonly backend: number;
  /** Its backend's. */
  readonly server: number;
  /** Index into `nat_addresses`. */
  readonly nat: number;
  readonly natPort: number;
  readonly clientPort: number;
  readonly clientSeq: number;
  readonly backendSeq: number;
}

export interface Dataplane {
  readonly object: BpfObject;
  map(name: string): BpfMap;
  /** Empties everything and sets the settings; `settings` override single fields of tg_config. */
  reset(settings?: Readonly<Record<string, Field>>): void;
  server(fields: ServerFields): void;
  backend(fields: BackendFields): void;
  send(packet: Uint8Array, ifindex?: number): { verdict: Verdict; packet: Uint8Array };
  /** Live flows in table order. */
  flows(): FlowEntry[];
  /** Moves all flows' last packet into the past. */
  age(seconds: number): void;
  /** Counters that are not zero. */
  counters(): Record<string, number>;
  stats(map: 'server_stats' | 'backend_stats', index: number): Record<string, number>;
}

const MACS = { gateway: '02:00:00:00:00:9a', edge: '02:00:00:00:00:eb' };
/** Destination and source of packets to any backend of the fixture. */
export const BACKEND_MAC = MACS.gateway;
export const EDGE_BACKEND_MAC = MACS.edge;
export const NAT_V4 = '10.0.0.1';
export const NAT_V6 = 'fd00::1';

export interface DataplaneSize {
  readonly flows: number;
  readonly reverse: number;
  /** Elements of `vips` (one for a server, one for its address); 64 by default, as the next two. */
  readonly vips?: number;
  readonly servers?: number;
  readonly backends?: number;
}

/** Each server's ring has its place by the server's index. */
const RING_ROOM = 128;

export function openDataplane(size: DataplaneSize = { flows: 1024, reverse: 4096 }): Dataplane {
  const { vips = 64, servers = 64, backends = 64, flows, reverse } = size;
  const object = loadBpf({
    object: OBJECT,
    pinDir: undefined,
    maxEntries: {
      vips,
      servers,
      backends,
      affinity: 1024,
      affinity_backends: backends,
      cursors: servers,
      server_stats: servers,
      backend_stats: backends,
      backend_flows: backends,
      vip_limits: servers,
      fragments: 1024,
      flows,
      flow_hints: flows / (abi.constants['TG_FLOW_WAYS'] ?? 8),
      offsets: flows,
      reverse,
    },
  });
  const rings = openRings(object, servers);
  const map = (name: string): BpfMap => {
    const found = object.maps[name];
    if (found === undefined) throw new Error(`There is no map "${name}"`);
    return found;
  };
  const memory = (name: string) => new Uint8Array(map(name).mapped());

  return {
    object,
    map,
    reset: (settings = {}) => reset(map, size, settings),
    server: (fields) => writeServer(map, rings, fields),
    backend: (fields) => writeBackend(map, fields),
    send: (packet, ifindex = LOOPBACK) => {
      const result = object.testRun(packet, { ifindex });
      return { verdict: VERDICTS[result.verdict] ?? 'aborted', packet: result.packet };
    },
    flows: () => readFlows(memory('flows'), memory('backends')),
    age: (seconds) => ageFlows(memory('flows'), seconds),
    counters: () => {
      const entries = abi.counters.map(
        (name, i) => [name, sumCounter(map('counters'), i)] as const,
      );
      return Object.fromEntries(entries.filter(([, value]) => value > 0));
    },
    stats: (name, index) => sumStats(map(name), index),
  };
}

const TABLES = [
  'vips',
  'affinity',
  'affinity_backends',
  'acl',
  'fragments',
  'interfaces',
  'ports',
] as const;
const ARRAYS = [
  'flows',
  'flow_hints',
  'offsets',
  'reverse',
  'servers',
  'backends',
  'backend_flows',
  'nat_addresses',
  'cookies',
  'vip_limits',
  'client_limits',
] as const;

function reset(
  map: (name: string) => BpfMap,
  size: DataplaneSize,
  settings: Readonly<Record<string, Field>>,
): void {
  for (const name of TABLES) for (const { key } of map(name).entries()) map(name).delete(key);
  for (const name of ARRAYS) new Uint8Array(map(name).mapped()).fill(0);
  for (const name of ['cursors', 'counters', 'server_stats', 'backend_stats', 'allowances'])
    for (const { key, value } of map(name).entries())
      if (value.some((byte) => byte !== 0)) map(name).update(key, value.fill(0));
  map('config').update(
    u32(0),
    encodeStruct('tg_config', {
      abi_version: abi.version,
      flow_mask: size.flows - 1,
      reverse_mask: size.reverse - 1,
      nat_port_first: NAT_FIRST,
      nat_port_last: NAT_LAST,
      hash_seed: 0x1234_5678_9abc_def1n,
      cookie_key: new Uint8Array(16).fill(7),
      tcp_half_open_s: 30,
      tcp_established_s: 7200,
      tcp_closing_s: 10,
      tcp_time_wait_s: 65,
      udp_s: 30,
      udp_stream_s: 120,
      new_flows_per_s: 1_000_000_000,
      replies_per_s: 1_000_000_000,
      answer_port_first: settings['nat_port_first'] ?? NAT_FIRST,
      answer_port_last: settings['nat_port_last'] ?? NAT_LAST,
      mtu_min: 1500,
      client_prefix4: 32,
      client_prefix6: 64,
      ...settings,
    }),
  );
}

/** The ring chunks that so many servers need. */
function openRings(object: BpfObject, servers: number): readonly Uint32Array[] {
  const count = Math.ceil((servers * RING_ROOM) / chunkEntries());
  return Array.from(
    { length: count },
    (_, index) => new Uint32Array(object.addRingChunk(index).mapped()),
  );
}

function chunkEntries(): number {
  return abi.constants['TG_RING_CHUNK_ENTRIES'] ?? 0;
}

function writeServer(
  map: (name: string) => BpfMap,
  rings: readonly Uint32Array[],
  server: ServerFields,
): void {
  const addr = addressBytes(server.vip);
  const proto = server.protocol === 'tcp' ? 6 : 17;
  const port = be16(server.port);
  const chunk = Math.floor((server.index * RING_ROOM) / chunkEntries());
  const offset = (server.index * RING_ROOM) % chunkEntries();
  const ring = rings[chunk];
  if (ring === undefined) throw new Error(`Server ${server.index} is beyond the fixture's size`);
  const scheduler = server.scheduler ?? 'hash';
  const words =
    scheduler === 'rendezvous'
      ? server.ring.flatMap((backend) => [backend, endpointOf(map, backend)])
      : server.ring;
  ring.set(words, offset);
  map('servers').update(
    u32(server.index),
    encodeStruct('tg_server', { addr, port, proto, in_use: 1 }),
  );
  const flag = (name: string, on = false) => (on ? (abi.constants[`TG_VIP_${name}`] ?? 0) : 0);
  const vip = encodeStruct('tg_vip', {
    server: server.index,
    scheduler: abi.constants[`TG_SCHEDULER_${scheduler.toUpperCase()}`] ?? 0,
    flags: flag('HASH_CLIENT_ONLY', server.hashClientOnly) | flag('RESET_DEAD', server.resetDead),
    ring_chunk: chunk,
    ring_offset: offset,
    ring_size: server.ring.length,
    affinity_s: server.affinitySec ?? 0,
    affinity_group: server.affinityGroup ?? server.index,
    ...server.vipFields,
  });
  if (server.affinitySec) {
    for (const backend of new Set(server.ring)) {
      const endpoint = endpointOf(map, backend);
      const key = encodeStruct('tg_affinity_backend_key', { server: server.index, endpoint });
      map('affinity_backends').update(key, u32(backend));
    }
  }
  map('vips').update(encodeStruct('tg_vip_key', { addr, port, proto }), vip);
  map('vips').update(encodeStruct('tg_vip_key', { addr }), encodeStruct('tg_vip', {}));
}

/** As the backend stands in its map; its index while it does not. */
function endpointOf(map: (name: string) => BpfMap, backend: number): number {
  const record = map('backends').lookup(u32(backend));
  return (record && readField('tg_backend', 'endpoint', record)) || backend;
}

function writeBackend(map: (name: string) => BpfMap, backend: BackendFields): void {
  const flag = (name: string, on = false) => (on ? (abi.constants[`TG_BACKEND_${name}`] ?? 0) : 0);
  const family = backend.address.includes(':') ? NAT_V6 : NAT_V4;
  const nat = backend.natAddresses ?? [family];
  map('backends').update(
    u32(backend.index),
    encodeStruct('tg_backend', {
      addr: addressBytes(backend.address),
      port: be16(backend.port),
      flags:
        flag('ACTIVE', backend.active ?? true) |
        flag('REACHABLE', backend.reachable ?? true) |
        flag('KEEPS_UDP', backend.keepsUdp) |
        flag('COUNTED', backend.counted) |
        flag('DEAD', backend.dead),
      ifindex: backend.ifindex ?? LOOPBACK,
      dst_mac: macBytes(BACKEND_MAC),
      src_mac: macBytes(EDGE_BACKEND_MAC),
      mtu: backend.mtu ?? 1500,
      admit: backend.admit ?? 256,
      server: backend.server,
      endpoint: backend.endpoint ?? backend.index,
      nat_first: natGroup(map, nat),
      nat_count: nat.length,
    }),
  );
}

/** Where these addresses stand one after another in the table; put there when they do not. */
function natGroup(map: (name: string) => BpfMap, addresses: readonly string[]): number {
  const memory = Buffer.from(map('nat_addresses').mapped());
  const wanted = Buffer.concat(addresses.map(addressBytes));
  const size = abi.structs['tg_nat_address']?.size ?? 16;
  for (let at = 0; at + wanted.length <= memory.length; at += size) {
    const there = memory.subarray(at, at + wanted.length);
    if (there.equals(wanted)) return at / size;
    if (there.some((byte) => byte !== 0)) continue;
    there.set(wanted);
    admitNatAddresses(map, memory.subarray(0, at + wanted.length), size);
    return at / size;
  }
  throw new Error('The table of NAT addresses is full');
}

/** What the settings say of the addresses in the table. */
function admitNatAddresses(map: (name: string) => BpfMap, table: Uint8Array, size: number): void {
  const config = new DataView(map('config').mapped());
  let filter = 0n;
  for (let end = size; end <= table.length; end += size) {
    filter |= 1n << BigInt((table[end - 1] ?? 0) & 63);
  }
  config.setBigUint64(placeOf('tg_config', 'nat_filter').at, filter, true);
  config.setUint32(placeOf('tg_config', 'nat_limit').at, table.length / size, true);
}

function readFlows(memory: Uint8Array, backends: Uint8Array): FlowEntry[] {
  const size = abi.structs['tg_flow']?.size ?? 64;
  const flows: FlowEntry[] = [];
  for (let at = 0; at < memory.length; at += size) {
    const bytes = memory.subarray(at, at + size);
    const field = (name: string) => readField('tg_flow', name, bytes);
    if (field('tag') < (abi.constants['TG_FLOW_TAG_MIN'] ?? 2) || field('state') === 0) continue;
    const swap = (value: number) => ((value & 255) << 8) | (value >> 8);
    flows.push({
      index: at / size,
      state: field('state'),
      flags: field('flags'),
      backend: field('backend'),
      server: readField('tg_backend', 'server', backends.subarray(field('backend') * 64)),
      nat: field('nat'),
      natPort: swap(field('nat_port')),
      clientPort: swap(field('client_port')),
      clientSeq: field('client_seq'),
      backendSeq: field('backend_seq'),
    });
  }
  return flows;
}

function ageFlows(memory: Uint8Array, seconds: number): void {
  const view = new DataView(memory.buffer);
  const size = abi.structs['tg_flow']?.size ?? 64;
  const { at } = placeOf('tg_flow', 'last_s');
  for (let entry = 0; entry < memory.length; entry += size)
    view.setUint32(entry + at, view.getUint32(entry + at, true) - seconds, true);
}

function sumCounter(map: BpfMap, index: number): number {
  const values = map.lookup(u32(index));
  if (values === undefined) throw new Error(`There is no counter ${index}`);
  return Number(new BigUint64Array(values.buffer).reduce((sum, value) => sum + value, 0n));
}

function sumStats(map: BpfMap, index: number): Record<string, number> {
  const values = map.lookup(u32(index));
  if (values === undefined) throw new Error(`${map.name} has no index ${index}`);
  const size = abi.structs['tg_stats']?.size ?? 0;
  const sums: Record<string, number> = {};
  for (let at = 0; at < values.length; at += size)
    for (const field of Object.keys(abi.structs['tg_stats']?.offsets ?? {}))
      sums[field] =
        (sums[field] ?? 0) + readField('tg_stats', field, values.subarray(at, at + size));
  return sums;
}

/** Asserts the verdict and every byte; the failure shows which fields differ. */
export function expectPacket(
  t: ExecutionContext,
  got: { verdict: Verdict; packet: Uint8Array },
  verdict: Verdict,
  packet: Uint8Array,
): void {
  t.is(got.verdict, verdict);
  const difference = packetDifference(got.packet, packet);
  if (difference !== undefined) t.fail(`The packet differs:\n${difference}`);
}

/** Where pins live; mounted when it is not yet. */
export function bpffs(): string {
  const path = '/sys/fs/bpf';
  if (!readFileSync('/proc/mounts', 'utf8').includes(` ${path} bpf `))
    execFileSync('mount', ['-t', 'bpf', 'bpf', path]);
  return path;
}

/** The kernel's index of an interface. */
export function interfaceIndex(name: string): number {
  return Number(readFileSync(`/sys/class/net/${name}/ifindex`, 'utf8'));
}
