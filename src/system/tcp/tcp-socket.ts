import { type Address, addressToWire, type Family } from '../../domain/address.ts';
import { type FilterInstruction, filterWords } from '../classic-bpf.ts';
import { loadNative } from '../native.ts';

/**
 * A TCP socket before `node:net` has it: what must hold before the first segment is said here. The
 * functions throw errors with `code`.
 */
export interface TcpSocket {
  /** `node:net` owns it once it is handed over. */
  readonly fd: number;
  /** TTL or hop limit of what is sent, and the least of what is taken (RFC 5082); unset: unchanged. */
  setHops(ttl: number | undefined, minTtl: number | undefined): void;
  /** SO_BINDTODEVICE. Throws `ENODEV`. */
  bindToDevice(name: string): void;
  /** `zone` is the interface of a link-local address. Throws `EADDRNOTAVAIL`, `ENODEV`. */
  bind(address: Address, zone: string | undefined): void;
  listen(port: number, backlog: number): void;
  /** Key for what is exchanged with `address`, on a listener too; `undefined` ends it. */
  setMd5(address: Address, key: Uint8Array | undefined): void;
  /** Classic BPF over arriving segments, from the TCP header on; `undefined` ends it. */
  setFilter(program: readonly FilterInstruction[] | undefined): void;
  /** Segments dropped by the filter or because the socket was full; wraps at 2^32. */
  drops(): number;
  close(): void;
}

/** RFC 2385 leaves the length open; Linux takes as many bytes. */
export const MAX_MD5_KEY_BYTES = 80;

const NO_KEY = new Uint8Array(0);

interface TcpBinding {
  tcpSocket(family: Family): number;
  tcpHops(fd: number, ttl: number, minTtl: number): void;
  tcpDevice(fd: number, name: string): void;
  tcpBind(fd: number, address: Uint8Array, zone: string): void;
  tcpListen(fd: number, port: number, backlog: number): void;
  tcpMd5(fd: number, address: Uint8Array, key: Uint8Array): void;
  tcpFilter(fd: number, program: Uint32Array): void;
  tcpDrops(fd: number): number;
  tcpClose(fd: number): void;
}

/** Never blocks, sends at once (no Nagle), with traffic class 6 (network control). */
export function openTcpSocket(family: Family): TcpSocket {
  return tcpSocketOf(loadNative<TcpBinding>().tcpSocket(family));
}

/** The same for a socket that somebody else opened, such as an accepted one. */
export function tcpSocketOf(fd: number): TcpSocket {
  const native = loadNative<TcpBinding>();
  return {
    fd,
    setHops: (ttl = 0, minTtl = 0) => native.tcpHops(fd, ttl, minTtl),
    bindToDevice: (name) => native.tcpDevice(fd, name),
    bind: (address, zone = '') => native.tcpBind(fd, addressToWire(address), zone),
    listen: (port, backlog) => native.tcpListen(fd, port, backlog),
    setMd5: (address, key = NO_KEY) => native.tcpMd5(fd, addressToWire(address), key),
    setFilter: (program = []) => native.tcpFilter(fd, filterWords(program)),
    drops: () => native.tcpDrops(fd),
    close: () => native.tcpClose(fd),
  };
}
