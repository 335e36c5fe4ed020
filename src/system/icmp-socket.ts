import { createRequire } from 'node:module';
import { type Address, type Family, formatAddress, parseAddress } from '../domain/address.ts';
import type { Clock } from '../domain/clock.ts';
import type { Log } from '../domain/log.ts';

/**
 * ICMP over the npm package raw-socket, compiled by `native/raw-socket.mk`. Needs CAP_NET_RAW and
 * the main thread. IPv4 messages come without their IP header, as IPv6 ones do.
 *
 * A socket that fails is closed by the package; this one opens another, with a growing pause.
 */
export interface IcmpSocket {
  /**
   * Sends one message; `failed` is called when it could not be handed to the kernel, with an error
   * whose `code` is known for the usual reasons (`ENETUNREACH`, `EPERM`, …; `ENOTCONN` without socket).
   */
  send(message: Uint8Array, to: Address, failed: (error: Error) => void): void;
  close(): void;
}

export interface IcmpSocketOptions {
  readonly family: Family;
  /** ICMP types to receive; the kernel keeps the others away. */
  readonly types: readonly number[];
  readonly clock: Clock;
  readonly log: Log;
  /** `message` is valid until the call returns: the bytes are overwritten by the next. */
  readonly onMessage: (message: Uint8Array, from: Address) => void;
  /** The socket failed, and with it the answers to what was sent; another one will be opened. */
  readonly onLost: (error: Error) => void;
}

/** Pause before a failed socket is opened again, ms; doubles from the first to the last. */
const FIRST_PAUSE_MS = 100;
const LAST_PAUSE_MS = 10_000;
/** Answers that may wait while the process is busy: some thousands of replies. */
const RECEIVE_BUFFER_BYTES = 4 * 1024 * 1024;
/** Messages handed to the package and not yet to the kernel. More are refused with `ENOBUFS`. */
const MAX_UNSENT = 16_384;

/** Linux's numbers for what raw-socket does not name. */
const SOL_SOCKET = 1;
const SO_RCVBUFFORCE = 33;
const FILTERS = {
  4: { level: 255, option: 1, bytes: 4 },
  6: { level: 58, option: 1, bytes: 32 },
} as const;

/** The package throws strerror(3)'s texts without a code. */
const CODES: Readonly<Record<string, string>> = {
  'Network is unreachable': 'ENETUNREACH',
  'No route to host': 'EHOSTUNREACH',
  'Connection refused': 'ECONNREFUSED',
  'Cannot assign requested address': 'EADDRNOTAVAIL',
  'Operation not permitted': 'EPERM',
  'Permission denied': 'EACCES',
  'Resource temporarily unavailable': 'EAGAIN',
  'No buffer space available': 'ENOBUFS',
  'Cannot allocate memory': 'ENOMEM',
};

interface RawSocket {
  on(event: 'message', listener: (message: Buffer, source: string) => void): void;
  on(event: 'error', listener: (error: Error) => void): void;
  on(event: 'close', listener: () => void): void;
  send(
    bytes: Buffer,
    offset: number,
    length: number,
    address: string,
    done: (error: Error | null) => void,
  ): void;
  setOption(level: number, option: number, value: Buffer, length: number): void;
  close(): void;
}

interface RawSocketPackage {
  createSocket(options: { protocol: number; addressFamily: number }): RawSocket;
  readonly Protocol: { readonly ICMP: number; readonly ICMPv6: number };
  readonly AddressFamily: { readonly IPv4: number; readonly IPv6: number };
}

/**
 * The package's sockets are closed when the garbage collector finds nobody holding them, even while
 * they wait for an answer that would call somebody. Held here, they live until they are closed.
 */
const held = new Set<RawSocket>();

export function openIcmpSocket(options: IcmpSocketOptions): IcmpSocket {
  const { family, clock } = options;
  const log = options.log.child({ family });
  let socket: RawSocket | undefined;
  let trouble = new Error('The ICMP socket is not open yet');
  let pauseMs = FIRST_PAUSE_MS;
  let unsent = 0;
  let cancelReopen: (() => void) | undefined;
  let closed = false;

  function open() {
    cancelReopen = undefined;
    try {
      const opened = openRaw(family, options.types);
      opened.on('message', (message, source) => receive(message, source));
      // Errors of a receive leave the socket open; those that do not are followed by `close`.
      opened.on('error', (error) => {
        trouble = withCode(error);
      });
      opened.on('close', () => {
        held.delete(opened);
        if (socket === opened) lost();
      });
      held.add(opened);
      socket = opened;
      unsent = 0;
    } catch (error) {
      trouble = withCode(error as Error);
      lost();
    }
  }

  function lost() {
    socket = undefined;
    if (closed) return;
    log.warn('No ICMP socket; trying again', { error: trouble, pauseMs });
    cancelReopen = clock.after(pauseMs, open);
    pauseMs = Math.min(pauseMs * 2, LAST_PAUSE_MS);
    options.onLost(unavailable(trouble));
  }

  function receive(message: Buffer, source: string) {
    const from = parseAddress(source);
    const payload = family === 4 ? withoutHeader(message) : message;
    if (from === undefined || payload === undefined) return;
    pauseMs = FIRST_PAUSE_MS;
    options.onMessage(payload, from);
  }

  open();
  return {
    send(message, to, failed) {
      const used = socket;
      if (used === undefined) return failed(unavailable(trouble));
      if (unsent >= MAX_UNSENT) return failed(withCode(new Error('No buffer space available')));
      unsent += 1;
      const bytes = Buffer.from(message.buffer, message.byteOffset, message.byteLength);
      used.send(bytes, 0, bytes.length, formatAddress(to), (error) => {
        if (used === socket) unsent -= 1;
        if (error) failed(withCode(error));
      });
    },
    close() {
      closed = true;
      cancelReopen?.();
      socket?.close();
    },
  };
}

let loaded: RawSocketPackage | undefined;

/** Loaded with the first socket, so that a box without ICMP checks does not need it. */
function loadRawSocket(): RawSocketPackage {
  loaded ??= createRequire(import.meta.url)('raw-socket') as RawSocketPackage;
  return loaded;
}

function openRaw(family: Family, types: readonly number[]): RawSocket {
  const raw = loadRawSocket();
  const socket = raw.createSocket({
    protocol: family === 4 ? raw.Protocol.ICMP : raw.Protocol.ICMPv6,
    addressFamily: family === 4 ? raw.AddressFamily.IPv4 : raw.AddressFamily.IPv6,
  });
  try {
    const { level, option, bytes } = FILTERS[family];
    socket.setOption(level, option, typeFilter(types, bytes), bytes);
  } catch (error) {
    socket.close();
    throw error;
  }
  growReceiveBuffer(socket);
  return socket;
}

/** ICMP_FILTER of raw(7) and ICMP6_FILTER of RFC 3542 as Linux lays it out: a set bit keeps a type away. */
function typeFilter(types: readonly number[], bytes: number): Buffer {
  const filter = Buffer.alloc(bytes, 0xff);
  for (const type of types) {
    const byte = filter[type >> 3];
    if (byte !== undefined) filter[type >> 3] = byte & ~(1 << (type & 7));
  }
  return filter;
}

/** Going over the system's limit needs CAP_NET_ADMIN; without it the default must do. */
function growReceiveBuffer(socket: RawSocket) {
  const size = Buffer.alloc(4);
  new DataView(size.buffer, size.byteOffset).setInt32(0, RECEIVE_BUFFER_BYTES, true);
  try {
    socket.setOption(SOL_SOCKET, SO_RCVBUFFORCE, size, size.length);
  } catch {
    return;
  }
}

function withoutHeader(packet: Buffer): Buffer | undefined {
  const size = ((packet[0] ?? 0) & 15) * 4;
  return size >= 20 && packet.length > size ? packet.subarray(size) : undefined;
}

function withCode(error: Error): Error {
  return Object.assign(error, { code: CODES[error.message] });
}

function unavailable(cause: Error): Error {
  const error = new Error(`No ICMP socket: ${cause.message}`, { cause });
  return Object.assign(error, { code: 'ENOTCONN' });
}
