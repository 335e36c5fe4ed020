/**
 * Reads and writes the data plane's map keys and values. Where a field stands comes from the C
 * compiler (`dataplaneAbi()`), at run time; nothing here repeats the layout of `dataplane_abi.h`.
 *
 * Every codec works at a byte offset of a `DataView`, so that the same code serves a single value
 * and an array of values that the kernel shares with us as memory.
 */
import { type Address, addressFromBigInt } from '../../domain/address.ts';
import type { Mac } from '../../domain/mac.ts';
import type { Abi } from '../../system/bpf.ts';
import type { ConfigEntry } from './config-entry.ts';

/** Host byte order: both machines we run on, x64 and arm64, are little-endian. */
const LITTLE = true;
const LOW_64 = (1n << 64n) - 1n;

export const IPPROTO = { TCP: 6, UDP: 17 } as const;

/** `port` and `protocol` 0 mark the address as a VIP, whatever the port. */
export interface VipKey {
  readonly address: Address;
  readonly port: number;
  readonly protocol: number;
}

export interface VipEntry {
  readonly server: number;
  readonly flags: number;
  /** `TG_SCHEDULER_…`. */
  readonly scheduler: number;
  readonly ringChunk: number;
  readonly ringOffset: number;
  /** Places; one of a rendezvous list takes two words. */
  readonly ringSize: number;
  readonly affinitySec: number;
  readonly affinityGroup: bigint;
  /** 0: everybody may come. */
  readonly acl: number;
  readonly newFlowsPerSec: number;
  readonly clientNewFlowsPerSec: number;
}

export interface ServerEntry extends VipKey {
  readonly inUse: number;
}

export interface BackendEntry {
  readonly address: Address;
  readonly port: number;
  readonly flags: number;
  readonly ifindex: number;
  readonly dstMac: Mac;
  readonly srcMac: Mac;
  readonly mtu: number;
  /** VIDs of the way out, 0 for none. */
  readonly vlan: number;
  readonly innerVlan: number;
  readonly admit: number;
  /** Hash of the address: what it is called on every box. */
  readonly endpoint: number;
  /** Its group of NAT addresses. */
  readonly natFirst: number;
  readonly natCount: number;
  /** 0: the entry is free. */
  readonly server: number;
}

export interface NatAddressEntry {
  readonly address: Address;
}

export interface AclKey {
  /** Bits of what follows. */
  readonly prefixLength: number;
  readonly acl: number;
  readonly address: Address;
}

export interface AffinityBackendKey {
  readonly server: number;
  readonly endpoint: number;
}

export interface InterfaceEntry {
  /** 0 for none, as in the next. */
  readonly ipv4: Address;
  readonly ipv6: Address;
  readonly mtu: number;
  /** Frames to another one are not for us; 0: any is. */
  readonly mac: Mac;
  /** TG_INTERFACE_*. */
  readonly flags: number;
}

export interface FlowEntry {
  readonly tag: number;
  /** CLOCK_MONOTONIC seconds of the last packet. */
  readonly lastSec: number;
  readonly client: Address;
  readonly clientPort: number;
  readonly natPort: number;
  /** Index into the table of NAT addresses. */
  readonly nat: number;
  readonly backend: number;
  readonly protocol: number;
  readonly state: number;
  readonly flags: number;
}

/** Packets and bytes of one server or backend since its index was given to it. */
export interface TrafficStats {
  readonly newFlows: bigint;
  readonly inPackets: bigint;
  readonly inBytes: bigint;
  readonly outPackets: bigint;
  readonly outBytes: bigint;
  /** Packets from clients to a served port; of servers only. */
  readonly drops: bigint;
}

/** One kind of value: its size, and how it is read and written at an offset. */
export interface Codec<T> {
  readonly size: number;
  read(view: DataView, at: number): T;
  /** Writes every field; padding is left as it is. */
  write(view: DataView, at: number, value: T): void;
}

type FieldKind = 'u8' | 'u16' | 'be16' | 'u32' | 'u64' | 'u128' | 'address' | 'mac';

/** TypeScript name → [C name, how it is written]. */
type Fields<T> = { readonly [K in keyof T]-?: readonly [string, FieldKind] };

const VIP_KEY: Fields<VipKey> = {
  address: ['addr', 'address'],
  port: ['port', 'be16'],
  protocol: ['proto', 'u8'],
};

const VIP: Fields<VipEntry> = {
  server: ['server', 'u32'],
  flags: ['flags', 'u32'],
  scheduler: ['scheduler', 'u8'],
  ringChunk: ['ring_chunk', 'u32'],
  ringOffset: ['ring_offset', 'u32'],
  ringSize: ['ring_size', 'u32'],
  affinitySec: ['affinity_s', 'u32'],
  affinityGroup: ['affinity_group', 'u64'],
  acl: ['acl', 'u32'],
  newFlowsPerSec: ['new_flows_per_s', 'u32'],
  clientNewFlowsPerSec: ['client_new_flows_per_s', 'u32'],
};

const SERVER: Fields<ServerEntry> = { ...VIP_KEY, inUse: ['in_use', 'u8'] };

const BACKEND: Fields<BackendEntry> = {
  address: ['addr', 'address'],
  port: ['port', 'be16'],
  flags: ['flags', 'u16'],
  ifindex: ['ifindex', 'u32'],
  dstMac: ['dst_mac', 'mac'],
  srcMac: ['src_mac', 'mac'],
  mtu: ['mtu', 'u16'],
  vlan: ['vlan', 'be16'],
  innerVlan: ['inner_vlan', 'be16'],
  admit: ['admit', 'u16'],
  endpoint: ['endpoint', 'u32'],
  natFirst: ['nat_first', 'u8'],
  natCount: ['nat_count', 'u8'],
  server: ['server', 'u32'],
};

const CONFIG: Fields<ConfigEntry> = {
  abiVersion: ['abi_version', 'u32'],
  flowMask: ['flow_mask', 'u32'],
  reverseMask: ['reverse_mask', 'u32'],
  natPortFirst: ['nat_port_first', 'u16'],
  natPortLast: ['nat_port_last', 'u16'],
  hashSeed: ['hash_seed', 'u64'],
  cookieKey: ['cookie_key', 'u128'],
  natFilter: ['nat_filter', 'u64'],
  answerPortFirst: ['answer_port_first', 'u16'],
  answerPortLast: ['answer_port_last', 'u16'],
  tcpHalfOpenSec: ['tcp_half_open_s', 'u32'],
  tcpEstablishedSec: ['tcp_established_s', 'u32'],
  tcpClosingSec: ['tcp_closing_s', 'u32'],
  tcpTimeWaitSec: ['tcp_time_wait_s', 'u32'],
  udpSec: ['udp_s', 'u32'],
  udpStreamSec: ['udp_stream_s', 'u32'],
  flags: ['flags', 'u32'],
  newFlowsPerSec: ['new_flows_per_s', 'u32'],
  repliesPerSec: ['replies_per_s', 'u32'],
  mtuMin: ['mtu_min', 'u32'],
  clientPrefix4: ['client_prefix4', 'u8'],
  clientPrefix6: ['client_prefix6', 'u8'],
  capture: ['capture', 'u16'],
  natLimit: ['nat_limit', 'u32'],
};

const NAT_ADDRESS: Fields<NatAddressEntry> = { address: ['addr', 'address'] };

const ACL_KEY: Fields<AclKey> = {
  prefixLength: ['prefix_length', 'u32'],
  acl: ['acl', 'u32'],
  address: ['addr', 'address'],
};

const AFFINITY_BACKEND_KEY: Fields<AffinityBackendKey> = {
  server: ['server', 'u32'],
  endpoint: ['endpoint', 'u32'],
};

const INTERFACE: Fields<InterfaceEntry> = {
  ipv4: ['ipv4', 'address'],
  ipv6: ['ipv6', 'address'],
  mtu: ['mtu', 'u32'],
  mac: ['mac', 'mac'],
  flags: ['flags', 'u32'],
};

const FLOW: Fields<FlowEntry> = {
  tag: ['tag', 'u32'],
  lastSec: ['last_s', 'u32'],
  client: ['client', 'address'],
  clientPort: ['client_port', 'be16'],
  natPort: ['nat_port', 'be16'],
  nat: ['nat', 'u8'],
  backend: ['backend', 'u32'],
  protocol: ['proto', 'u8'],
  state: ['state', 'u8'],
  flags: ['flags', 'u8'],
};

const STATS: Fields<TrafficStats> = {
  newFlows: ['new_flows', 'u64'],
  inPackets: ['in_packets', 'u64'],
  inBytes: ['in_bytes', 'u64'],
  outPackets: ['out_packets', 'u64'],
  outBytes: ['out_bytes', 'u64'],
  drops: ['drops', 'u64'],
};

/** All codecs of the data plane, and the constants that the forwarder writes. */
export interface DataplaneLayout {
  readonly version: number;
  readonly vipKey: Codec<VipKey>;
  readonly vip: Codec<VipEntry>;
  readonly server: Codec<ServerEntry>;
  readonly backend: Codec<BackendEntry>;
  readonly config: Codec<ConfigEntry>;
  readonly natAddress: Codec<NatAddressEntry>;
  readonly aclKey: Codec<AclKey>;
  readonly affinityBackendKey: Codec<AffinityBackendKey>;
  readonly interface: Codec<InterfaceEntry>;
  readonly flow: Codec<FlowEntry>;
  /** Only the tag of a flow: most entries of a table are free. */
  readonly flowTag: Codec<Pick<FlowEntry, 'tag'>>;
  readonly stats: Codec<TrafficStats>;
  readonly counters: readonly string[];
  constant(name: string): number;
}

/**
 * Throws when the addon does not tell a field that this side uses: the two are of different builds.
 */
export function dataplaneLayout(abi: Abi): DataplaneLayout {
  return {
    version: abi.version,
    vipKey: codecOf(abi, 'tg_vip_key', VIP_KEY),
    vip: codecOf(abi, 'tg_vip', VIP),
    server: codecOf(abi, 'tg_server', SERVER),
    backend: codecOf(abi, 'tg_backend', BACKEND),
    config: codecOf(abi, 'tg_config', CONFIG),
    natAddress: codecOf(abi, 'tg_nat_address', NAT_ADDRESS),
    aclKey: codecOf(abi, 'tg_acl_key', ACL_KEY),
    affinityBackendKey: codecOf(abi, 'tg_affinity_backend_key', AFFINITY_BACKEND_KEY),
    interface: codecOf(abi, 'tg_interface', INTERFACE),
    flow: codecOf(abi, 'tg_flow', FLOW),
    flowTag: codecOf<Pick<FlowEntry, 'tag'>>(abi, 'tg_flow', { tag: FLOW.tag }),
    stats: codecOf(abi, 'tg_stats', STATS),
    counters: abi.counters,
    constant: (name) => required(abi.constants[name], `constant ${name}`),
  };
}

/** The bytes of one value. */
export function encode<T>(codec: Codec<T>, value: T): Uint8Array {
  const bytes = new Uint8Array(codec.size);
  codec.write(new DataView(bytes.buffer), 0, value);
  return bytes;
}

export function decode<T>(codec: Codec<T>, bytes: Uint8Array): T {
  return codec.read(viewOf(bytes), 0);
}

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function codecOf<T>(abi: Abi, name: string, fields: Fields<T>): Codec<T> {
  const struct = required(abi.structs[name], `struct ${name}`);
  const plan = Object.entries<readonly [string, FieldKind]>(fields).map(([key, [field, kind]]) => ({
    key,
    offset: required(struct.offsets[field], `field ${name}.${field}`),
    kind,
  }));
  return {
    size: struct.size,
    read(view, at) {
      const value: Record<string, unknown> = {};
      for (const { key, offset, kind } of plan) value[key] = readField(view, at + offset, kind);
      return value as T;
    },
    write(view, at, value) {
      const record = value as Record<string, number | bigint>;
      for (const { key, offset, kind } of plan) {
        writeField(view, at + offset, kind, record[key] as number | bigint);
      }
    },
  };
}

function required<T>(value: T | undefined, what: string): T {
  if (value === undefined) {
    throw new Error(`The native addon does not know ${what}; rebuild it with "npm run build"`);
  }
  return value;
}

function readField(view: DataView, at: number, kind: FieldKind): number | bigint {
  switch (kind) {
    case 'u8':
      return view.getUint8(at);
    case 'u16':
      return view.getUint16(at, LITTLE);
    case 'be16':
      return view.getUint16(at);
    case 'u32':
      return view.getUint32(at, LITTLE);
    case 'u64':
      return view.getBigUint64(at, LITTLE);
    case 'u128':
    case 'address':
      return addressFromBigInt((view.getBigUint64(at) << 64n) | view.getBigUint64(at + 8));
    case 'mac':
      return view.getUint16(at) * 0x1_0000_0000 + view.getUint32(at + 2);
  }
}

function writeField(view: DataView, at: number, kind: FieldKind, value: number | bigint): void {
  switch (kind) {
    case 'u8':
      view.setUint8(at, Number(value));
      break;
    case 'u16':
      view.setUint16(at, Number(value), LITTLE);
      break;
    case 'be16':
      view.setUint16(at, Number(value));
      break;
    case 'u32':
      view.setUint32(at, Number(value), LITTLE);
      break;
    case 'u64':
      view.setBigUint64(at, BigInt(value), LITTLE);
      break;
    case 'u128':
    case 'address':
      view.setBigUint64(at, BigInt(value) >> 64n);
      view.setBigUint64(at + 8, BigInt(value) & LOW_64);
      break;
    case 'mac':
      view.setUint16(at, Math.floor(Number(value) / 0x1_0000_0000));
      view.setUint32(at + 2, Number(value) % 0x1_0000_0000);
  }
}
