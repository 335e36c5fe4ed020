import type { Address } from '../../domain/address.ts';

/**
 * TCP as routing protocols need it: signed (TCP MD5, RFC 2385), guarded by the distance that a
 * segment may have travelled (GTSM, RFC 5082), bound to an interface, with strangers kept out.
 *
 * The kernel is told all that before the first segment leaves; then `node:net` has the socket.
 * Addresses are without zone; the interface of a link-local one is named beside it.
 */
export interface TcpHandlers {
  /** Bytes in the order they were sent; the array is the receiver's to keep. */
  onData(bytes: Uint8Array): void;
  /** `queuedBytes` is 0 again after it was more. */
  onDrain(): void;
  /**
   * Once, at the end, whoever caused it; not after `destroy()`. Without error when either side
   * closed in order. Codes to expect: `ETIMEDOUT` (nobody answered: the host is silent, drops, or
   * **a TCP MD5 password is missing or differs on either side**, which looks the same on the wire),
   * `ECONNREFUSED`, `EHOSTUNREACH`, `ENETUNREACH`, `EADDRNOTAVAIL` (the local address is not ours),
   * `ENODEV` (no such interface), `ECONNRESET`, `EPIPE`, `EPERM`.
   */
  onClose(error: NodeJS.ErrnoException | undefined): void;
}

export interface ConnectHandlers extends TcpHandlers {
  /** The connection stands. Sending before is allowed: bytes wait. */
  onOpen(ends: TcpEnds): void;
}

export interface TcpEnds {
  readonly local: Address;
  readonly localPort: number;
  readonly remote: Address;
  readonly remotePort: number;
  /** Interface of a link-local remote address. */
  readonly interface: string | undefined;
}

export interface TcpConnection {
  /** Queues bytes, which must not be changed afterwards. Ignored after `end()`, `destroy()` or close. */
  send(bytes: Uint8Array): void;
  /** Bytes that were sent and that the kernel did not take yet: the peer does not read. */
  readonly queuedBytes: number;
  /** Flushes, then closes; cut off when that takes more than `END_TIMEOUT_MS`. Nothing is read any more. */
  end(): void;
  /** Closes at once and drops what is queued. No handler is called from here on. Idempotent. */
  destroy(): void;
}

/** How long `end()` lets a peer read what is queued and close its side, ms. */
export const END_TIMEOUT_MS = 3_000;

export interface ConnectOptions {
  readonly remote: Address;
  readonly port: number;
  /** Interface of a link-local `remote` (and `local`), which the connection is then bound to. */
  readonly interface?: string | undefined;
  /** SO_BINDTODEVICE: a VRF's interface. A link-local `remote` has its own. */
  readonly device?: string | undefined;
  readonly local?: Address | undefined;
  /** TCP MD5 key, 1..80 bytes. */
  readonly md5?: Uint8Array | undefined;
  /** TTL or hop limit of what is sent, 1..255; the kernel's default when unset. */
  readonly ttl?: number | undefined;
  /** Segments that arrive with less are dropped by the kernel (RFC 5082): 256 - hops. */
  readonly minTtl?: number | undefined;
  /** The attempt ends with `ETIMEDOUT` after this, ms. */
  readonly timeoutMs: number;
}

/**
 * Somebody who may connect to a listener. Link-local addresses on several interfaces may be the same;
 * the kernel then knows one key for all of them.
 */
export interface TcpPeer {
  readonly address: Address;
  /** Interface of a link-local address. */
  readonly interface?: string | undefined;
  readonly md5?: Uint8Array | undefined;
  readonly ttl?: number | undefined;
  readonly minTtl?: number | undefined;
}

export interface ListenOptions {
  readonly port: number;
  /** SO_BINDTODEVICE: connections of this VRF only. */
  readonly device?: string | undefined;
  /** Called in the event loop; must `accept()` before it returns, or the connection is refused. */
  onConnection(incoming: IncomingTcp): void;
  /** The listener cannot accept for the moment (`EMFILE`); it goes on. */
  onError(error: NodeJS.ErrnoException): void;
}

export interface IncomingTcp extends TcpEnds {
  accept(handlers: TcpHandlers): TcpConnection;
}

/** Listens on both families, as far as the kernel has them. */
export interface TcpListener {
  /**
   * Who may connect from now on; everybody else is dropped by the kernel (a stranger's SYN is never
   * answered). Keys change at once for new connections, what stands is left alone. Throws with
   * `code` when a key or the list is too long (`EINVAL`, `ENOMEM`); what was before holds then.
   */
  setPeers(peers: readonly TcpPeer[]): void;
  counters(): ListenerCounters;
  /** Accepts no more; what stands is left alone. Idempotent. */
  close(): void;
}

export interface ListenerCounters {
  /** Handed to `onConnection` and accepted there. */
  readonly accepted: number;
  /** Segments that the kernel dropped: strangers', and those that a full backlog had no room for. */
  readonly dropped: number;
  /**
   * Segments that came since with a wrong TCP MD5 signature, without the one that is wanted, or with
   * one that is not; of all connections in this network namespace, as the kernel counts them.
   */
  readonly badSignatures: number;
  /** Not in the list by the time they were accepted (it had just changed), or from another link. */
  readonly strangers: number;
  /** Beyond `MAX_CONNECTIONS_PER_PEER` or `MAX_CONNECTIONS`, or more than 20 and then one a second. */
  readonly tooMany: number;
  /** Not accepted by `onConnection`, or reset by then. */
  readonly refused: number;
}

/** A session needs one, and two while a collision is resolved (RFC 4271 §6.8). */
export const MAX_CONNECTIONS_PER_PEER = 2;
/** Of one listener. */
export const MAX_CONNECTIONS = 1_024;
/** Of one listener: their list is a program that the kernel runs for each segment. */
export const MAX_TCP_PEERS = 256;

/** What routing protocols are handed; a simulated network has the same form. */
export interface Tcp {
  /** Never throws: what fails at once comes by `onClose`, later. */
  connect(options: ConnectOptions, handlers: ConnectHandlers): TcpConnection;
  /** Throws with `code`: `EADDRINUSE`, `EACCES`, `ENODEV`. Nobody may connect before `setPeers`. */
  listen(options: ListenOptions): TcpListener;
}
