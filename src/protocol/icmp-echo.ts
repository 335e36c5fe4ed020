import { type Address, addressFromBytes, type Family } from '../domain/address.ts';
import { internetChecksum } from './checksum.ts';

/** An echo request or reply (RFC 792; RFC 4443 §4.1 and §4.2). */
export interface Echo {
  /** 16 bits. */
  readonly identifier: number;
  /** 16 bits. */
  readonly sequence: number;
  readonly data: Uint8Array;
}

/** What a prober hears: the answer, or a router (or this box itself) saying that there will be none. */
export type EchoAnswer =
  | ({ readonly kind: 'reply' } & Echo)
  | {
      readonly kind: 'unreachable';
      /** Where the request was going. */
      readonly destination: Address;
      readonly identifier: number;
      readonly sequence: number;
      /** In words: `no route to host`. */
      readonly reason: string;
    };

const HEADER_SIZE = 8;

/** Message types by family. */
const REQUEST = { 4: 8, 6: 128 } as const;
const REPLY = { 4: 0, 6: 129 } as const;
const UNREACHABLE = { 4: 3, 6: 1 } as const;

/** The types `decodeEchoAnswer` knows, for a filter in the kernel. */
export const ANSWER_TYPES = {
  4: [REPLY[4], UNREACHABLE[4]],
  6: [REPLY[6], UNREACHABLE[6]],
} as const;

const PROTOCOL = { 4: 1, 6: 58 } as const;
const IPV6_HEADER_SIZE = 40;

/** Codes of Destination Unreachable (RFC 792 and RFC 1812 §5.2.7.1; RFC 4443 §3.1). */
const CODES: Readonly<Record<Family, Readonly<Record<number, string>>>> = {
  4: {
    0: 'network unreachable',
    1: 'no route to host',
    2: 'protocol unreachable',
    9: 'prohibited by a router',
    10: 'prohibited by a router',
    13: 'prohibited by a router',
  },
  6: {
    0: 'network unreachable',
    1: 'prohibited by a router',
    3: 'no route to host',
    5: 'prohibited by a router',
    6: 'prohibited by a router',
  },
};

/**
 * An echo request from its ICMP header on. Over IPv6 the checksum covers a pseudo-header with the
 * source address, which only the kernel knows; it stays 0 and the kernel fills it in (RFC 3542 §3.1).
 */
export function encodeEchoRequest(family: Family, echo: Echo): Uint8Array {
  const message = new Uint8Array(HEADER_SIZE + echo.data.length);
  const view = new DataView(message.buffer);
  view.setUint8(0, REQUEST[family]);
  view.setUint16(4, echo.identifier);
  view.setUint16(6, echo.sequence);
  message.set(echo.data, HEADER_SIZE);
  if (family === 4) view.setUint16(2, internetChecksum(message));
  return message;
}

/**
 * Reads an ICMP message from its own header on. `undefined` for every other message, and for one cut
 * short or with a wrong checksum (IPv4; over IPv6 the kernel has checked it). Copies nothing.
 */
export function decodeEchoAnswer(family: Family, message: Uint8Array): EchoAnswer | undefined {
  if (message.length < HEADER_SIZE) return undefined;
  if (family === 4 && internetChecksum(message) !== 0) return undefined;
  const view = viewOf(message);
  const type = view.getUint8(0);
  if (type === REPLY[family]) {
    return {
      kind: 'reply',
      identifier: view.getUint16(4),
      sequence: view.getUint16(6),
      data: message.subarray(HEADER_SIZE),
    };
  }
  if (type !== UNREACHABLE[family]) return undefined;
  const reason = CODES[family][view.getUint8(1)] ?? `unreachable (code ${view.getUint8(1)})`;
  return decodeQuoted(family, message.subarray(HEADER_SIZE), reason);
}

/** Reads the packet that an error quotes; `undefined` when it is no echo request. */
function decodeQuoted(family: Family, packet: Uint8Array, reason: string): EchoAnswer | undefined {
  const headerSize = family === 4 ? ((packet[0] ?? 0) & 15) * 4 : IPV6_HEADER_SIZE;
  if (packet.length < headerSize + HEADER_SIZE || (packet[0] ?? 0) >> 4 !== family)
    return undefined;
  if (family === 4 && headerSize < 20) return undefined;
  if (packet[family === 4 ? 9 : 6] !== PROTOCOL[family]) return undefined;
  const view = viewOf(packet);
  if (view.getUint8(headerSize) !== REQUEST[family]) return undefined;
  return {
    kind: 'unreachable',
    destination: addressFromBytes(family === 4 ? packet.subarray(16, 20) : packet.subarray(24, 40)),
    identifier: view.getUint16(headerSize + 4),
    sequence: view.getUint16(headerSize + 6),
    reason,
  };
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
