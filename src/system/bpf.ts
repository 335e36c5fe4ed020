import { addressToBytes, compareAddresses } from '../domain/address.ts';
import type { AddressRange } from '../domain/prefix.ts';
import { loadNative } from './native.ts';

/**
 * BPF objects through libbpf. Everything here is synchronous system calls on small data, apart from
 * `sweepFlows`, which works on libuv's thread pool. Errors carry `code` (`EPERM`, …) and, when
 * the verifier spoke, its log's tail in the message.
 */
export interface BpfMap {
  readonly name: string;
  readonly keySize: number;
  /**
   * For per-CPU maps: size of one CPU's value; `lookup` returns all CPUs' values one after another,
   * each padded to 8 bytes.
   */
  readonly valueSize: number;
  readonly maxEntries: number;
  lookup(key: Uint8Array): Uint8Array | undefined;
  update(key: Uint8Array, value: Uint8Array): void;
  /** False when it was not there. */
  delete(key: Uint8Array): boolean;
  /**
   * `count` keys and values, each packed one after another. One system call where the kernel can.
   */
  updateBatch(keys: Uint8Array, values: Uint8Array, count: number): void;
  /** A dump; what changes meanwhile may be in it or not. */
  entries(): Array<{ readonly key: Uint8Array; readonly value: Uint8Array }>;
  /**
   * The values of an mmapable array as shared memory, each padded to 8 bytes. Stays valid as long
   * as somebody holds it, also after `close`.
   */
  mapped(): ArrayBuffer;
  /**
   * Of a per-CPU array of 64-bit counts: the sums over all CPUs of the first `count` entries, one
   * after another. Exact below 2^53. Few system calls, however many entries.
   */
  sums(count: number): Float64Array;
}

export interface LoadOptions {
  /** Path of the `.bpf.o`. */
  readonly object: string;
  /** Folder in bpffs where maps are pinned and found again; undefined: nothing is pinned. */
  readonly pinDir: string | undefined;
  /**
   * `max_entries` by map name; a pinned map of another size or shape is refused with code `EABI`.
   */
  readonly maxEntries: Readonly<Record<string, number>>;
  /**
   * Use this object's maps for those that would be pinned, and pin nothing. `EABI` when one is missing
   * or of another shape.
   */
  readonly share?: BpfObject;
}

export type XdpMode = 'native' | 'generic';

/** A loaded object file; its first program is the one that is attached and run. */
export interface BpfObject {
  readonly maps: Readonly<Record<string, BpfMap>>;
  /** The program's file descriptor, as a program array wants it. */
  readonly programFd: number;
  /**
   * Creates an inner map for `ring_chunks` (mmapable ARRAY u32 [TG_RING_CHUNK_ENTRIES]) and puts it
   * at `index`.
   */
  addRingChunk(index: number): BpfMap;
  /** The chunk that an earlier process put there, if any. */
  ringChunk(index: number): BpfMap | undefined;
  /**
   * Attaches to an interface by a bpf_link pinned at `pin`; a link already pinned there is updated
   * to this program atomically (or made anew when the interface or the mode is another). Detach by
   * removing the pin. Throws `EBUSY` when somebody else's program is there, `EOPNOTSUPP` when the
   * driver has no such mode.
   */
  attach(ifindex: number, mode: XdpMode, pin: string): void;
  /**
   * Runs a packet through the program (`BPF_PROG_TEST_RUN`). `ifindex` is the receiving one, 0 for
   * none; `linear` how many bytes are in the frame's first buffer (14 at least; needs Linux 6.18).
   */
  testRun(
    packet: Uint8Array,
    options: { readonly ifindex: number; readonly linear?: number },
  ): { readonly verdict: number; readonly packet: Uint8Array };
  /**
   * Runs a packet `repeat` times on one CPU, on a thread of libuv's; resolves to nanoseconds each.
   * The packet is not restored in between: for programs that rewrite it, run `replay.bpf.c` around
   * them.
   */
  testRepeat(
    packet: Uint8Array,
    options: { readonly ifindex: number; readonly repeat: number; readonly cpu: number },
  ): Promise<number>;
  /**
   * As `testRepeat`, but what the program answers is done: the frames arrive at `ifindex`, and are
   * sent, redirected or passed, `batch` (1 to 256) at a time. Needs Linux 5.18. The nanoseconds
   * hold everything that happens on that CPU meanwhile. Frames come again without being restored.
   */
  testLive(
    packet: Uint8Array,
    options: {
      readonly ifindex: number;
      readonly repeat: number;
      readonly batch: number;
      readonly cpu: number;
    },
  ): Promise<number>;
  /**
   * Frees maps and program, but not what is pinned. Throws `EBUSY` while a sweep, `testRepeat` or
   * `testLive` runs.
   */
  close(): void;
}

/** What a sweep of the flow table found; typed arrays are indexed by server and backend index. */
export interface SweepResult {
  readonly flows: number;
  readonly expired: number;
  readonly flowsByServer: Uint32Array;
  readonly flowsByBackend: Uint32Array;
  /** By index into `nat_addresses`. */
  readonly flowsByNatAddress: Uint32Array;
}

/** Which flows; what is not given does not restrict. Addresses and masks are 16 bytes. */
export interface FlowSearch {
  readonly vip?: Uint8Array;
  readonly vipPort?: number;
  readonly backend?: Uint8Array;
  readonly backendPort?: number;
  readonly client?: Uint8Array;
  /** The bits of `client` that count. */
  readonly clientMask?: Uint8Array;
  readonly protocol?: number;
  /** `enum tg_flow_state`. */
  readonly state?: number;
  /** Seconds. */
  readonly idleMoreThan?: number;
  /** So many are told, all are counted. */
  readonly limit: number;
}

export interface FlowsFound {
  /** By `enum tg_flow_state`. */
  readonly counts: Uint32Array;
  /** `tg_flow` one after another, the first `limit` in the table's order. */
  readonly entries: Uint8Array;
}

/** Packets that the program captures, as `tg_captured` records. */
export interface CaptureReader {
  /** What came since the last read. `lost`: in all, what the reader had no room for. */
  read(): { readonly records: Uint8Array; readonly lost: number };
  close(): void;
}

/** What became of the fragments that came before their datagram's first one. */
export interface HeldFragments {
  /** At this moment. */
  readonly held: number;
  readonly released: number;
  /** The first one did not come within a second. */
  readonly expired: number;
  /** More than 1,024 at once. */
  readonly refused: number;
  /** Could not be sent. */
  readonly failed: number;
}

export interface FragmentHold {
  stats(): HeldFragments;
  /** Ends the thread; what it held is lost. Once. */
  stop(): void;
}

interface BpfBinding {
  openCapture(object: BpfObject): CaptureReader;
  listFlows(object: BpfObject, search: FlowSearch): Promise<FlowsFound>;
  bpfLoad(options: LoadOptions): BpfObject;
  bpfLoadLater(options: LoadOptions): Promise<BpfObject>;
  /** Sizes and offsets of `dataplane_abi.h`, and the counters' names in order. */
  abi(): Abi;
  /**
   * Ages the flow table by `config`'s timeouts, off the event loop. Frees entries and NAT ports.
   */
  sweepFlows(object: BpfObject): Promise<SweepResult>;
  /**
   * Ends the flows of servers whose client lies in none of their ranges: `servers` says, 32 bits
   * each, the server's index and its first and number of `ranges` (first and last address, 16 bytes
   * each, ascending and disjoint). Off the event loop. Resolves to how many ended.
   */
  endFlows(object: BpfObject, servers: Uint8Array, ranges: Uint8Array): Promise<number>;
  holdFragments(object: BpfObject): FragmentHold;
}

export interface AbiStruct {
  readonly size: number;
  readonly offsets: Readonly<Record<string, number>>;
}

export interface Abi {
  readonly version: number;
  readonly structs: Readonly<Record<string, AbiStruct>>;
  readonly constants: Readonly<Record<string, number>>;
  readonly counters: readonly string[];
  /** Names of the steps that a trace tells, in order. */
  readonly traceSteps: readonly string[];
}

/** As `loadBpf`, but the verifier works on a thread of libuv's. */
export async function loadBpfLater(options: LoadOptions): Promise<BpfObject> {
  return loadNative<BpfBinding>().bpfLoadLater(options);
}

export function loadBpf(options: LoadOptions): BpfObject {
  return loadNative<BpfBinding>().bpfLoad(options);
}

/** Looks through the whole flow table, off the event loop; a million entries take some 30 ms. */
export function searchFlows(object: BpfObject, search: FlowSearch): Promise<FlowsFound> {
  return loadNative<BpfBinding>().listFlows(object, search);
}

/** Throws `EOPNOTSUPP` where the kernel is older than 5.18. */
export function openCapture(object: BpfObject): CaptureReader {
  return loadNative<BpfBinding>().openCapture(object);
}

export function dataplaneAbi(): Abi {
  return loadNative<BpfBinding>().abi();
}

export function sweepFlows(object: BpfObject): Promise<SweepResult> {
  return loadNative<BpfBinding>().sweepFlows(object);
}

/** Address ranges as the flow table's workers search them; see `packRanges`. */
export type PackedRanges = Uint8Array & { readonly __brand: 'PackedRanges' };

/** Servers, by index, and the only clients they are for. */
export interface AllowedClients {
  readonly servers: readonly number[];
  readonly allowed: PackedRanges;
}

/** First and last address of one range. */
const RANGE_BYTES = 32;

/** Any ranges, in any order. */
export function packRanges(ranges: readonly AddressRange[]): PackedRanges {
  const merged = mergeRanges(ranges);
  const packed = new Uint8Array(merged.length * RANGE_BYTES);
  for (const [i, { first, last }] of merged.entries()) {
    packed.set(addressToBytes(first), i * RANGE_BYTES);
    packed.set(addressToBytes(last), i * RANGE_BYTES + RANGE_BYTES / 2);
  }
  return packed as PackedRanges;
}

/**
 * Ends the flows of these servers whose client lies in none of the ranges beside them, in one pass
 * over the flow table. Resolves to how many ended.
 */
export function endFlows(object: BpfObject, rules: readonly AllowedClients[]): Promise<number> {
  let first = 0;
  const servers = rules.flatMap(({ servers, allowed }) => {
    const count = allowed.length / RANGE_BYTES;
    const from = first;
    first += count;
    return servers.flatMap((server) => [server, from, count]);
  });
  const ranges = new Uint8Array(Buffer.concat(rules.map(({ allowed }) => allowed)));
  const triples = new Uint8Array(Uint32Array.from(servers).buffer);
  return loadNative<BpfBinding>().endFlows(object, triples, ranges);
}

/** Ascending and disjoint. */
function mergeRanges(ranges: readonly AddressRange[]): AddressRange[] {
  const merged: AddressRange[] = [];
  for (const range of [...ranges].sort((a, b) => compareAddresses(a.first, b.first))) {
    const before = merged.at(-1);
    if (!before || range.first > before.last) merged.push(range);
    else if (range.last > before.last)
      merged[merged.length - 1] = { first: before.first, last: range.last };
  }
  return merged;
}

/**
 * Keeps, on a thread of its own, the fragments that the program hands over, and sends each when the
 * program has seen its datagram's first one. One at a time for a pinned data plane. Sends in the
 * caller's network namespace. Needs CAP_NET_RAW beside what a test run needs.
 */
export function holdFragments(object: BpfObject): FragmentHold {
  return loadNative<BpfBinding>().holdFragments(object);
}
