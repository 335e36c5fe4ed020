import { ByteReader, ByteWriter } from '../bytes.ts';
import type { Checked } from './checked.ts';
import { type CodecContext, INITIAL_CONTEXT, maxMessageLength } from './codec-context.ts';
import { HEADER_ERROR, NOTIFICATION, notification } from './notification-codes.ts';

/** Type codes (RFC 4271 §4.1, RFC 2918 §3). */
export const MESSAGE_TYPE = {
  open: 1,
  update: 2,
  notification: 3,
  keepalive: 4,
  routeRefresh: 5,
} as const;

/** Marker, length, type. */
export const HEADER_SIZE = 19;
const MARKER_SIZE = 16;

/** The shortest of each type, by type code (RFC 4271 §6.1). */
const MIN_LENGTH = [0, 29, 23, 21, HEADER_SIZE, 23];

export interface Header {
  readonly type: number;
  /** Of the whole message, in octets. */
  readonly length: number;
}

/** Reads the first 19 octets of a message and checks them as RFC 4271 §6.1 and RFC 8654 §4 ask. */
export function checkHeader(bytes: Uint8Array, context: CodecContext): Checked<Header> {
  const reader = new ByteReader(bytes);
  if (!reader.take(MARKER_SIZE).every((octet) => octet === 0xff))
    return { error: notification(NOTIFICATION.header, HEADER_ERROR.notSynchronized) };
  const length = reader.u16();
  const type = reader.u8();
  const shortest = MIN_LENGTH[type] || undefined;
  if (shortest === undefined)
    return { error: notification(NOTIFICATION.header, HEADER_ERROR.badType, Uint8Array.of(type)) };
  if (length < shortest || length > longest(type, context)) {
    const data = bytes.slice(MARKER_SIZE, MARKER_SIZE + 2);
    return { error: notification(NOTIFICATION.header, HEADER_ERROR.badLength, data) };
  }
  return { value: { type, length } };
}

/** OPEN is spoken before anything is agreed on, and KEEPALIVE is nothing but a header. */
function longest(type: number, context: CodecContext): number {
  if (type === MESSAGE_TYPE.keepalive) return HEADER_SIZE;
  return maxMessageLength(type === MESSAGE_TYPE.open ? INITIAL_CONTEXT : context);
}

/** A writer for a message of this type, the header written. `length` is that of the whole message. */
export function startMessage(type: number, length: number): ByteWriter {
  const writer = new ByteWriter(length);
  return writer.bytes(MARKER).u16(length).u8(type);
}

const MARKER = new Uint8Array(MARKER_SIZE).fill(0xff);
