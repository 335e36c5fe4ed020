/**
 * Framing of netlink messages (`linux/netlink.h`): a header, a body, attributes. Numbers are in the
 * machine's byte order, which is little-endian on both that we run on.
 *
 * Reading never goes beyond what a length says and what is there: a length that lies ends the
 * reading of its message or attribute list, as the kernel's own parser does.
 */
export interface NetlinkMessage {
  readonly type: number;
  readonly flags: number;
  /** The request's number in its answers; 0 in notifications. */
  readonly sequence: number;
  readonly body: Uint8Array;
}

/** Attributes by type; of several of one type the last, as in the kernel. */
export type Attributes = ReadonlyMap<number, Uint8Array>;

export const NLMSG_ERROR = 2;
export const NLMSG_DONE = 3;

export const NLM_F_REQUEST = 0x001;
export const NLM_F_ACK = 0x004;
/** A dump that changed while it was read; it must be asked for again. */
export const NLM_F_DUMP_INTR = 0x010;
export const NLM_F_REPLACE = 0x100;
export const NLM_F_EXCL = 0x200;
export const NLM_F_DUMP = 0x300;
export const NLM_F_CREATE = 0x400;

const LITTLE = true;
const HEADER_BYTES = 16;
const ATTRIBUTE_HEADER_BYTES = 4;
/** The upper two bits say "nested" and "network order". */
const ATTRIBUTE_TYPE_MASK = 0x3fff;

/** Splits what one read delivered into its messages. */
export function decodeMessages(bytes: Uint8Array): NetlinkMessage[] {
  const view = viewOf(bytes);
  const messages: NetlinkMessage[] = [];
  for (let at = 0; at + HEADER_BYTES <= bytes.length; ) {
    const length = view.getUint32(at, LITTLE);
    if (length < HEADER_BYTES || at + length > bytes.length) break;
    messages.push({
      type: view.getUint16(at + 4, LITTLE),
      flags: view.getUint16(at + 6, LITTLE),
      sequence: view.getUint32(at + 8, LITTLE),
      body: bytes.subarray(at + HEADER_BYTES, at + length),
    });
    at += align(length);
  }
  return messages;
}

export function encodeMessage(message: NetlinkMessage): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES + message.body.length);
  const view = viewOf(bytes);
  view.setUint32(0, bytes.length, LITTLE);
  view.setUint16(4, message.type, LITTLE);
  view.setUint16(6, message.flags, LITTLE);
  view.setUint32(8, message.sequence, LITTLE);
  bytes.set(message.body, HEADER_BYTES);
  return bytes;
}

/** The attributes after the first `start` bytes of a body. */
export function decodeAttributes(body: Uint8Array, start: number): Attributes {
  const view = viewOf(body);
  const attributes = new Map<number, Uint8Array>();
  for (let at = start; at + ATTRIBUTE_HEADER_BYTES <= body.length; ) {
    const length = view.getUint16(at, LITTLE);
    if (length < ATTRIBUTE_HEADER_BYTES || at + length > body.length) break;
    const type = view.getUint16(at + 2, LITTLE) & ATTRIBUTE_TYPE_MASK;
    attributes.set(type, body.subarray(at + ATTRIBUTE_HEADER_BYTES, at + length));
    at += align(length);
  }
  return attributes;
}

/** A fixed part and attributes, as one body. */
export function encodeBody(
  fixed: Uint8Array,
  attributes: ReadonlyArray<readonly [type: number, value: Uint8Array]>,
): Uint8Array {
  const sizes = attributes.map(([, value]) => align(ATTRIBUTE_HEADER_BYTES + value.length));
  const body = new Uint8Array(sizes.reduce((sum, size) => sum + size, align(fixed.length)));
  const view = viewOf(body);
  body.set(fixed);
  let at = align(fixed.length);
  for (const [index, [type, value]] of attributes.entries()) {
    view.setUint16(at, ATTRIBUTE_HEADER_BYTES + value.length, LITTLE);
    view.setUint16(at + 2, type, LITTLE);
    body.set(value, at + ATTRIBUTE_HEADER_BYTES);
    at += sizes[index] as number;
  }
  return body;
}

/** The errno of an answer of type `NLMSG_ERROR` or `NLMSG_DONE`; 0 means success. */
export function decodeErrno(body: Uint8Array): number {
  return body.length < 4 ? 0 : 0 - viewOf(body).getInt32(0, LITTLE);
}

/** A 32-bit attribute; `undefined` when it is absent or too short. */
export function readU32(value: Uint8Array | undefined): number | undefined {
  return value && value.length >= 4 ? viewOf(value).getUint32(0, LITTLE) : undefined;
}

/** A 32-bit attribute's value. */
export function u32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  viewOf(bytes).setUint32(0, value, LITTLE);
  return bytes;
}

/** A text attribute's value, with its closing zero. */
export function text(value: string): Uint8Array {
  return new TextEncoder().encode(`${value}\0`);
}

/** A text attribute, up to its closing zero. */
export function readText(value: Uint8Array | undefined): string {
  const end = value?.indexOf(0) ?? 0;
  return value ? String.fromCharCode(...value.subarray(0, end < 0 ? undefined : end)) : '';
}

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function align(length: number): number {
  return (length + 3) & ~3;
}
