/**
 * Blocks of a pcapng file (draft-ietf-opsawg-pcapng), little-endian. A file is a section block, an
 * interface block each before its first packet, packets, and statistics at the end.
 */

const BLOCK_SECTION = 0x0a0d0d0a;
const BLOCK_INTERFACE = 1;
const BLOCK_STATISTICS = 5;
const BLOCK_PACKET = 6;
const BYTE_ORDER = 0x1a2b3c4d;
const LINKTYPE_ETHERNET = 1;

const OPTION_COMMENT = 1;
const SECTION_APPLICATION = 4;
const INTERFACE_NAME = 2;
const INTERFACE_RESOLUTION = 9;
const PACKET_FLAGS = 2;
const PACKET_ID = 5;
const PACKET_VERDICT = 7;
const STATISTICS_DROPPED = 5;

const NANOSECONDS = 9;
const DIRECTION = { in: 1, out: 2 } as const;
/** Of `epb_verdict`: what an XDP program answered. */
const VERDICT_XDP = 2;

export interface CapturedPacket {
  /** Place of its interface block in the file. */
  readonly interface: number;
  /** Nanoseconds since 1970. */
  readonly timeNs: bigint;
  readonly direction: 'in' | 'out';
  /** The same for a packet as it came and as it left. */
  readonly id: bigint;
  /** What the program answered, as `enum xdp_action`; undefined when it is not known. */
  readonly verdict: number | undefined;
  /** Empty for none. */
  readonly comment: string;
  /** Of the whole frame. */
  readonly length: number;
  readonly bytes: Uint8Array;
}

export function sectionBlock(application: string): Uint8Array {
  const body = new Uint8Array(16);
  const view = new DataView(body.buffer);
  view.setUint32(0, BYTE_ORDER, true);
  view.setUint16(4, 1, true);
  // The section's length is not known in advance.
  view.setBigInt64(8, -1n, true);
  return block(BLOCK_SECTION, [body, option(SECTION_APPLICATION, text(application)), END]);
}

export function interfaceBlock(name: string, snapLength: number): Uint8Array {
  const body = new Uint8Array(8);
  const view = new DataView(body.buffer);
  view.setUint16(0, LINKTYPE_ETHERNET, true);
  view.setUint32(4, snapLength, true);
  const resolution = option(INTERFACE_RESOLUTION, new Uint8Array([NANOSECONDS]));
  return block(BLOCK_INTERFACE, [body, option(INTERFACE_NAME, text(name)), resolution, END]);
}

export function packetBlock(packet: CapturedPacket): Uint8Array {
  const { timeNs, bytes, length, direction, id, verdict, comment } = packet;
  const head = new Uint8Array(20);
  const view = new DataView(head.buffer);
  view.setUint32(0, packet.interface, true);
  view.setUint32(4, Number(timeNs >> 32n), true);
  view.setUint32(8, Number(timeNs & 0xffff_ffffn), true);
  view.setUint32(12, bytes.length, true);
  view.setUint32(16, length, true);
  return block(BLOCK_PACKET, [
    head,
    padded(bytes),
    ...(comment === '' ? [] : [option(OPTION_COMMENT, text(comment))]),
    option(PACKET_FLAGS, u32(DIRECTION[direction])),
    option(PACKET_ID, u64(id)),
    ...(verdict === undefined ? [] : [option(PACKET_VERDICT, verdictBytes(verdict))]),
    END,
  ]);
}

/** How many packets were wanted and lost. */
export function statisticsBlock(interfaceIndex: number, timeNs: bigint, lost: number): Uint8Array {
  const body = new Uint8Array(12);
  const view = new DataView(body.buffer);
  view.setUint32(0, interfaceIndex, true);
  view.setUint32(4, Number(timeNs >> 32n), true);
  view.setUint32(8, Number(timeNs & 0xffff_ffffn), true);
  return block(BLOCK_STATISTICS, [body, option(STATISTICS_DROPPED, u64(BigInt(lost))), END]);
}

function verdictBytes(verdict: number): Uint8Array {
  const bytes = new Uint8Array(9);
  bytes[0] = VERDICT_XDP;
  new DataView(bytes.buffer).setBigUint64(1, BigInt(verdict), true);
  return bytes;
}

/** opt_endofopt */
const END = new Uint8Array(4);

function block(type: number, parts: readonly Uint8Array[]): Uint8Array {
  const size = 12 + parts.reduce((sum, part) => sum + part.length, 0);
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, type, true);
  view.setUint32(4, size, true);
  let at = 8;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  view.setUint32(at, size, true);
  return bytes;
}

function option(code: number, value: Uint8Array): Uint8Array {
  const head = new Uint8Array(4);
  const view = new DataView(head.buffer);
  view.setUint16(0, code, true);
  view.setUint16(2, value.length, true);
  const body = padded(value);
  const bytes = new Uint8Array(4 + body.length);
  bytes.set(head);
  bytes.set(body, 4);
  return bytes;
}

function padded(value: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(Math.ceil(value.length / 4) * 4);
  bytes.set(value);
  return bytes;
}

const text = (value: string): Uint8Array => new TextEncoder().encode(value);

function u32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value, true);
  return bytes;
}

function u64(value: bigint): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, value, true);
  return bytes;
}
