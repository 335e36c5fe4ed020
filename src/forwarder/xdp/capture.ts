import { type Address, addressToBytes } from '../../domain/address.ts';
import { type Mac, macFromBytes } from '../../domain/mac.ts';
import type { Prefix } from '../../domain/prefix.ts';
import { type Abi, type BpfObject, openCapture } from '../../system/bpf.ts';
import { structOf } from './abi-struct.ts';
import { bpfMap } from './bpf-map.ts';
import type { ConfigEntry } from './config-entry.ts';
import { prefixMask } from './prefix-mask.ts';
import type { SharedArray } from './shared-array.ts';
import { indexKey } from './statistics.ts';

/** Whose packets. */
export interface CaptureFilter {
  readonly vip: Address;
  /** 0: all of the address. */
  readonly port: number;
  readonly client: Prefix | undefined;
  /** Of so many connections one, whole. */
  readonly sample: number;
  /** Bytes of a packet that are kept, at most `TG_CAPTURE_LARGE`. */
  readonly snapLength: number;
}

/** A packet as it came, or as it left. */
export interface CapturedPacket {
  readonly direction: 'in' | 'out';
  /** The same for both. */
  readonly id: bigint;
  /** Nanoseconds since 1970. */
  readonly timeNs: bigint;
  readonly interface: string;
  /** As it left: `enum xdp_action`. */
  readonly verdict: number;
  /** Of the whole frame. */
  readonly length: number;
  /** None where nothing left; a view of a buffer of its own. */
  readonly bytes: Uint8Array;
}

export interface Capture {
  /** What came since the last time. `lost`: packets in all that the reader was too slow for. */
  read(): { readonly packets: readonly CapturedPacket[]; readonly lost: number };
  /** Idempotent. */
  stop(): void;
}

export interface CaptureParts {
  readonly object: BpfObject;
  readonly config: SharedArray<ConfigEntry>;
  readonly abi: Abi;
  readonly interfaceName: (ifindex: number) => string;
  /** The port that has this MAC: packets leave with it. */
  readonly interfaceOfMac: (mac: Mac) => string | undefined;
  /** Nanoseconds since 1970. */
  readonly nowNs: () => bigint;
}

/** Starts at once. Throws `EOPNOTSUPP` where the kernel cannot. One at a time: see the caller. */
export function startCapture(parts: CaptureParts, filter: CaptureFilter): Capture {
  const { object, config, abi } = parts;
  const reader = openCapture(object);
  reader.read(); // what was left from before
  bpfMap(object, 'capture_filter').update(indexKey(0), encodeFilter(abi, filter));
  const setField = (capture: number) => config.set(0, { ...config.get(0), capture });
  const monotonicToReal = parts.nowNs() - process.hrtime.bigint();
  const decode = recordDecoder(parts, monotonicToReal);
  setField(1);
  let running = true;
  return {
    read() {
      const { records, lost } = reader.read();
      return { packets: decode(records), lost: lost + ringLost(object, abi) };
    },
    stop() {
      if (!running) return;
      running = false;
      setField(0);
      reader.close();
    },
  };
}

function encodeFilter(abi: Abi, filter: CaptureFilter): Uint8Array {
  const { size, offset } = structOf(abi, 'tg_capture');
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  bytes.set(addressToBytes(filter.vip), offset('vip'));
  if (filter.client) {
    bytes.set(addressToBytes(filter.client.base), offset('client'));
    bytes.set(prefixMask(filter.client), offset('mask'));
  }
  view.setUint16(offset('port'), filter.port);
  view.setUint16(offset('snap_length'), filter.snapLength, true);
  view.setUint32(offset('sample'), filter.sample, true);
  return bytes;
}

function ringLost(object: BpfObject, abi: Abi): number {
  const bytes = bpfMap(object, 'capture_filter').lookup(indexKey(0)) as Uint8Array;
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  return Number(view.getBigUint64(structOf(abi, 'tg_capture').offset('lost'), true));
}

function recordDecoder(parts: CaptureParts, monotonicToReal: bigint) {
  const { size, offset } = structOf(parts.abi, 'tg_captured');
  const at = {
    time: offset('time_ns'),
    id: offset('id'),
    ifindex: offset('ifindex'),
    length: offset('length'),
    captured: offset('captured'),
    isOut: offset('is_out'),
    verdict: offset('verdict'),
  };
  return (records: Uint8Array): CapturedPacket[] => {
    const view = new DataView(records.buffer, records.byteOffset, records.byteLength);
    const packets: CapturedPacket[] = [];
    for (let from = 0; from < records.length; ) {
      const captured = view.getUint32(from + at.captured, true);
      const bytes = records.subarray(from + size, from + size + captured);
      const isOut = view.getUint8(from + at.isOut) === 1;
      const inName = parts.interfaceName(view.getUint32(from + at.ifindex, true));
      const outName =
        isOut && captured >= 12 && parts.interfaceOfMac(macFromBytes(bytes.subarray(6, 12)));
      packets.push({
        direction: isOut ? 'out' : 'in',
        id: view.getBigUint64(from + at.id, true),
        timeNs: view.getBigUint64(from + at.time, true) + monotonicToReal,
        interface: outName || inName,
        verdict: view.getUint8(from + at.verdict),
        length: view.getUint32(from + at.length, true),
        bytes,
      });
      from += size + captured;
    }
    return packets;
  };
}
