import { type Address, addressFromBytes, addressToBytes, type Family } from '../domain/address.ts';
import { type FilterInstruction, filterWords } from './classic-bpf.ts';
import { loadNative } from './native.ts';

/**
 * UDP sockets that tell how a datagram came (TTL or hop limit, destination, interface) and that set
 * how it goes. They work on the event loop of the thread that opens them, workers included.
 *
 * Functions throw errors with `code`: `EADDRINUSE`, `EADDRNOTAVAIL`, `ENODEV`, `ENETUNREACH`, …
 */
export interface UdpOptions {
  readonly family: Family;
  /** Bound to this interface (SO_BINDTODEVICE); `undefined`: to none. */
  readonly device: string | undefined;
  /** `undefined`: any of this host's. */
  readonly address: Address | undefined;
  readonly port: number;
  /** Interface index, for a link-local address; else 0. */
  readonly scope: number;
  /** TTL or hop limit of what is sent. */
  readonly ttl: number;
  /** The whole byte of DSCP and ECN. */
  readonly trafficClass: number;
}

/** A datagram. Its bytes are a view that the next one overwrites. */
export interface Datagram {
  readonly bytes: Uint8Array;
  readonly source: Address;
  readonly sourcePort: number;
  readonly destination: Address;
  /** As it arrived; -1 when the kernel does not say. */
  readonly ttl: number;
  /** Index of the interface it came by. */
  readonly ifindex: number;
}

/** Sends and receives nothing: what others send to its port is dropped by the kernel. */
export interface UdpSender {
  /** One datagram. `scope`: interface index for a link-local destination, else 0. */
  send(bytes: Uint8Array, to: Address, port: number, scope: number): void;
  /** Idempotent. */
  close(): void;
}

export interface UdpReceiver {
  /**
   * Delivers what waits in the kernel now, up to a limit: for a timer that must not decide on silence
   * while the event loop has not yet come to the socket. Not to be called by `onDatagram`.
   */
  receivePending(): void;
  /**
   * Takes only what this classic BPF program lets through, from now on; it sees a datagram from the UDP
   * header on. Throws `EINVAL` for a program that the kernel refuses, `ENOMEM` for one that is too long for it.
   */
  filter(program: readonly FilterInstruction[]): void;
  /** Idempotent; nothing is delivered afterwards. */
  close(): void;
}

/** Longer datagrams are cut off here. */
const PAYLOAD_MAX = 512;
/** Where source, destination and payload stand in the addon's buffer. */
const DESTINATION_AT = 16;
const PAYLOAD_AT = 32;

const UNSPECIFIED: Readonly<Record<Family, Uint8Array>> = {
  4: addressToBytes(0xffff_0000_0000n as Address),
  6: new Uint8Array(16),
};

export function openUdpSender(options: UdpOptions): UdpSender {
  const native = loadNative<UdpBinding>();
  const handle = native.udpSender(...positional(options));
  let last: Address | undefined;
  let lastBytes = UNSPECIFIED[options.family];
  return {
    send(bytes, to, port, scope) {
      if (to !== last) {
        last = to;
        lastBytes = addressToBytes(to);
      }
      native.udpSend(handle, bytes, lastBytes, port, scope);
    },
    close: () => native.udpClose(handle),
  };
}

/**
 * Receives on the port. Several receivers of this process may share one, each on a device of its own;
 * another user's program may not. Does not keep the process alive.
 */
export function openUdpReceiver(
  options: UdpOptions,
  onDatagram: (datagram: Datagram) => void,
  onError: (error: NodeJS.ErrnoException) => void,
): UdpReceiver {
  const native = loadNative<UdpBinding>();
  const buffer = new Uint8Array(PAYLOAD_AT + PAYLOAD_MAX);
  const source = buffer.subarray(0, DESTINATION_AT);
  const destination = buffer.subarray(DESTINATION_AT, PAYLOAD_AT);
  const deliver = (length: number, ttl: number, ifindex: number, sourcePort: number) =>
    onDatagram({
      bytes: buffer.subarray(PAYLOAD_AT, PAYLOAD_AT + length),
      source: addressFromBytes(source),
      sourcePort,
      destination: addressFromBytes(destination),
      ttl,
      ifindex,
    });
  const handle = native.udpReceiver(...positional(options), buffer, deliver, onError, false);
  return {
    receivePending: () => native.udpReceivePending(handle),
    filter: (program) => native.udpFilter(handle, filterWords(program)),
    close: () => native.udpClose(handle),
  };
}

/** `undefined` when there is none of this name now. */
export function interfaceIndex(name: string): number | undefined {
  return loadNative<UdpBinding>().interfaceIndex(name) || undefined;
}

/** An open socket of the addon. */
type Handle = { readonly __brand: 'UdpHandle' };

type Positional = readonly [
  family: Family,
  device: string,
  address: Uint8Array,
  port: number,
  scope: number,
  ttl: number,
  trafficClass: number,
];

interface UdpBinding {
  udpSender(...options: Positional): Handle;
  udpReceiver(
    ...args: readonly [
      ...Positional,
      buffer: Uint8Array,
      onMessage: (length: number, ttl: number, ifindex: number, sourcePort: number) => void,
      onError: (error: NodeJS.ErrnoException) => void,
      keepAlive: boolean,
    ]
  ): Handle;
  udpSend(handle: Handle, bytes: Uint8Array, to: Uint8Array, port: number, scope: number): void;
  udpReceivePending(handle: Handle): void;
  udpFilter(handle: Handle, program: Uint32Array): void;
  udpClose(handle: Handle): void;
  interfaceIndex(name: string): number;
}

function positional(options: UdpOptions): Positional {
  const { family, device = '', address, port, scope, ttl, trafficClass } = options;
  const bytes = address === undefined ? UNSPECIFIED[family] : addressToBytes(address);
  return [family, device, bytes, port, scope, ttl, trafficClass];
}
