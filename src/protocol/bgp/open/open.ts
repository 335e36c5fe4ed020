import { ByteReader, type ByteWriter } from '../../bytes.ts';
import { AS_TRANS, LAST_TWO_OCTET_AS } from '../as-number.ts';
import type { Checked } from '../checked.ts';
import { HEADER_SIZE, MESSAGE_TYPE, startMessage } from '../header.ts';
import type { Capability, NotificationContent, OpenMessage } from '../message.ts';
import { NOTIFICATION, notification, OPEN_ERROR } from '../notification-codes.ts';
import { decodeCapabilities, encodeCapability, fourOctetAsOf } from './capability.ts';

export const BGP_VERSION = 4;

const PARAMETER_CAPABILITIES = 2;
/** In the place of a first parameter's type: lengths have two octets from here on (RFC 9072 §2). */
const PARAMETER_EXTENDED = 0xff;
const FIXED_SIZE = HEADER_SIZE + 10;

type Subcode = (typeof OPEN_ERROR)[keyof typeof OPEN_ERROR];

/**
 * Reads an OPEN behind its header, and refuses what is wrong whoever the peer is (RFC 4271 §6.2). Whether
 * its AS is the one that is configured is not known here.
 */
export function decodeOpen(body: Uint8Array): Checked<OpenMessage> {
  const reader = new ByteReader(body);
  const version = reader.u8();
  const shortAsn = reader.u16();
  const holdTimeSec = reader.u16();
  const routerId = reader.u32();
  if (version !== BGP_VERSION)
    return refuse(OPEN_ERROR.unsupportedVersion, Uint8Array.of(0, BGP_VERSION));
  const read = decodeParameters(reader.take(reader.remaining));
  if (read.error !== undefined) return read;
  const capabilities = read.value;
  const asn = fourOctetAsOf(capabilities) ?? shortAsn;
  // RFC 7607: nobody is AS 0.
  if (asn === 0 || shortAsn === 0) return refuse(OPEN_ERROR.badPeerAs);
  if (routerId === 0) return refuse(OPEN_ERROR.badIdentifier);
  if (holdTimeSec === 1 || holdTimeSec === 2) return refuse(OPEN_ERROR.unacceptableHoldTime);
  return { value: { kind: 'open', version, asn, holdTimeSec, routerId, capabilities } };
}

/** The whole message: all capabilities in one parameter. Throws `RangeError` when they do not fit. */
export function encodeOpen(message: OpenMessage): Uint8Array {
  const parts = message.capabilities.map(encodeCapability);
  const size = parts.reduce((sum, part) => sum + part.length, 0);
  const extended = size + 2 > 0xff;
  const head = size === 0 ? 0 : extended ? 6 : 2;
  const writer = startMessage(MESSAGE_TYPE.open, FIXED_SIZE + head + size);
  writer
    .u8(message.version)
    .u16(message.asn > LAST_TWO_OCTET_AS ? AS_TRANS : message.asn)
    .u16(message.holdTimeSec)
    .u32(message.routerId);
  if (extended) writeExtendedHead(writer, size);
  else writer.u8(head + size);
  if (size > 0 && !extended) writer.u8(PARAMETER_CAPABILITIES).u8(size);
  for (const part of parts) writer.bytes(part);
  return writer.done();
}

function writeExtendedHead(writer: ByteWriter, size: number): void {
  writer
    .u8(0xff)
    .u8(PARAMETER_EXTENDED)
    .u16(3 + size);
  writer.u8(PARAMETER_CAPABILITIES).u16(size);
}

/** Optional parameters with their length in front, in either form. */
function decodeParameters(bytes: Uint8Array): Checked<readonly Capability[]> {
  const reader = new ByteReader(bytes);
  let length = reader.u8();
  // Of the extended form the type tells, not the length (RFC 9072 §2); but 0 means none.
  const extended = length > 0 && bytes[1] === PARAMETER_EXTENDED;
  if (extended) {
    if (reader.remaining < 3) return refuse(OPEN_ERROR.unspecific);
    reader.u8();
    length = reader.u16();
  }
  if (length !== reader.remaining) return refuse(OPEN_ERROR.unspecific);
  const capabilities: Capability[] = [];
  while (reader.remaining > 0) {
    const refused = decodeParameter(reader, extended, capabilities);
    if (refused !== undefined) return { error: refused };
  }
  return { value: capabilities };
}

function decodeParameter(
  reader: ByteReader,
  extended: boolean,
  capabilities: Capability[],
): NotificationContent | undefined {
  if (reader.remaining < (extended ? 3 : 2)) return refuse(OPEN_ERROR.unspecific).error;
  const type = reader.u8();
  const length = extended ? reader.u16() : reader.u8();
  if (length > reader.remaining) return refuse(OPEN_ERROR.unspecific).error;
  const value = reader.take(length);
  if (type !== PARAMETER_CAPABILITIES) return refuse(OPEN_ERROR.unsupportedParameter).error;
  const read = decodeCapabilities(value);
  if (read === undefined) return refuse(OPEN_ERROR.unspecific).error;
  capabilities.push(...read);
  return undefined;
}

function refuse(subcode: Subcode, data?: Uint8Array): { error: NotificationContent } {
  return { error: notification(NOTIFICATION.open, subcode, data) };
}
