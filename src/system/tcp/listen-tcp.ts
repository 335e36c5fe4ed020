import { createServer, type Socket } from 'node:net';
import { type Address, type Family, familyOf } from '../../domain/address.ts';
import { readMd5Refusals } from './md5-refusals.ts';
import { peerFilter } from './peer-filter.ts';
import {
  type ListenerCounters,
  type ListenOptions,
  MAX_CONNECTIONS,
  MAX_CONNECTIONS_PER_PEER,
  MAX_TCP_PEERS,
  type TcpConnection,
  type TcpEnds,
  type TcpListener,
  type TcpPeer,
} from './tcp.ts';
import { endsOf, formatZoned, lostConnection, runTcpConnection } from './tcp-connection.ts';
import { openTcpSocket, type TcpSocket, tcpSocketOf } from './tcp-socket.ts';

/** Connections that the kernel opens before we take them. */
const BACKLOG = 64;
/** Of one peer, those that are being closed included. */
const MAX_SOCKETS_PER_PEER = 8;
/** A peer that connects and leaves may do so as often at once, and then once in so many ms. */
const CONNECTION_BURST = 20;
const ALLOWANCE_INTERVAL_MS = 1_000;
/** A peer that guards itself by GTSM takes no less in our answer to its SYN. */
const ANSWER_TTL = 255;
/** The kernel's own; what is accepted has its listener's otherwise. */
const DEFAULT_TTL = -1;

/** `Tcp.listen` of this machine. */
export function listenTcp(options: ListenOptions): TcpListener {
  const counts = { accepted: 0, strangers: 0, tooMany: 0, refused: 0 };
  const refusedBefore = readMd5Refusals();
  const guests = new Map<string, Guest>();
  let total = 0;
  let peers = new Map<string, TcpPeer>();
  let final: ListenerCounters | undefined;
  const doors = openDoors(options, onSocket);

  function onSocket(socket: Socket) {
    // Who resets at once is told by "close" alone.
    socket.on('error', () => {});
    const outcome = admit(socket);
    counts[outcome] += 1;
    if (outcome !== 'accepted') socket.resetAndDestroy();
  }

  function admit(socket: Socket): keyof typeof counts {
    const ends = endsOf(socket);
    if (!ends) return 'refused';
    const name = formatZoned(ends.remote, ends.interface);
    const peer = peers.get(name);
    if (!peer) return 'strangers';
    const guest = guests.get(name) ?? newGuest();
    guests.set(name, guest);
    if (isFull(guest) || total >= MAX_CONNECTIONS || !mayTry(guest)) return 'tooMany';
    if (!fit(socket, peer) || !offer(socket, ends)) return 'refused';
    guest.sockets.add(socket);
    total += 1;
    socket.once('close', () => {
      guest.sockets.delete(socket);
      total -= 1;
    });
    return 'accepted';
  }

  function offer(socket: Socket, ends: TcpEnds): boolean {
    let connection: TcpConnection | undefined;
    options.onConnection({
      ...ends,
      accept(handlers) {
        connection = runTcpConnection(socket, handlers, (error) => lostConnection(ends, error));
        return connection;
      },
    });
    return connection !== undefined;
  }

  function counters(): ListenerCounters {
    const dropped = doors.reduce((sum, { socket }) => sum + socket.drops(), 0);
    return { ...counts, dropped, badSignatures: readMd5Refusals() - refusedBefore };
  }

  return {
    setPeers(next) {
      setDoors(doors, next);
      peers = new Map(next.map((peer) => [formatZoned(peer.address, peer.interface), peer]));
      for (const name of guests.keys()) if (!peers.has(name)) guests.delete(name);
    },
    counters: () => final ?? counters(),
    close() {
      final ??= counters();
      for (const door of doors.splice(0)) door.close();
    },
  };
}

/** What a peer has of this listener. */
interface Guest {
  readonly sockets: Set<Socket>;
  /** Connections that it may open at once, and when that was. */
  allowance: number;
  atMs: number;
}

function newGuest(): Guest {
  return { sockets: new Set(), allowance: CONNECTION_BURST, atMs: performance.now() };
}

/** What either side has closed already does not keep its successor out, as long as it is not many. */
function isFull({ sockets }: Guest): boolean {
  const alive = [...sockets].filter(({ readable, writable }) => readable && writable);
  return alive.length >= MAX_CONNECTIONS_PER_PEER || sockets.size >= MAX_SOCKETS_PER_PEER;
}

/** Counts a connection against the peer's allowance; false when that is used up. */
function mayTry(guest: Guest): boolean {
  const nowMs = performance.now();
  const earned = (nowMs - guest.atMs) / ALLOWANCE_INTERVAL_MS;
  guest.allowance = Math.min(CONNECTION_BURST, guest.allowance + earned);
  guest.atMs = nowMs;
  if (guest.allowance < 1) return false;
  guest.allowance -= 1;
  return true;
}

/** The listening socket of one family, and what it was told. */
interface Door {
  readonly family: Family;
  readonly socket: TcpSocket;
  peers: readonly TcpPeer[];
  close(): void;
}

/** One for each family that the kernel has; shut for everybody. */
function openDoors(options: ListenOptions, onSocket: (socket: Socket) => void): Door[] {
  const doors: Door[] = [];
  try {
    for (const family of [4, 6] as const) {
      try {
        doors.push(openDoor(family, options, onSocket));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EAFNOSUPPORT') throw error;
      }
    }
  } catch (error) {
    for (const door of doors) door.close();
    throw error;
  }
  return doors;
}

function openDoor(
  family: Family,
  options: ListenOptions,
  onSocket: (socket: Socket) => void,
): Door {
  const socket = openTcpSocket(family);
  try {
    if (options.device !== undefined) socket.bindToDevice(options.device);
    socket.setHops(ANSWER_TTL, undefined);
    socket.setFilter(peerFilter(family, []));
    socket.listen(options.port, BACKLOG);
  } catch (error) {
    socket.close();
    throw error;
  }
  const server = createServer(onSocket).on('error', options.onError);
  server.listen({ fd: socket.fd, backlog: BACKLOG });
  return { family, socket, peers: [], close: () => server.close() };
}

/** Lets these peers in, by their keys: all of them, or none if the kernel refuses one. */
function setDoors(doors: readonly Door[], peers: readonly TcpPeer[]): void {
  if (peers.length > MAX_TCP_PEERS)
    throw Object.assign(new Error(`Cannot listen for more than ${MAX_TCP_PEERS} peers`), {
      code: 'EINVAL',
    });
  const before = doors.map((door) => door.peers);
  try {
    for (const door of doors) setDoor(door, peers);
  } catch (error) {
    for (const [index, door] of doors.entries()) setDoor(door, before[index] ?? []);
    throw error;
  }
}

function setDoor(door: Door, all: readonly TcpPeer[]): void {
  const peers = all.filter(({ address }) => familyOf(address) === door.family);
  const before = keysOf(door.peers);
  const keys = keysOf(peers);
  // A key is there before its peer is let in.
  door.peers = [...door.peers, ...peers];
  for (const [address, key] of keys)
    if (!sameKey(key, before.get(address))) door.socket.setMd5(address, key);
  door.socket.setFilter(peerFilter(door.family, peers));
  for (const address of before.keys())
    if (!keys.has(address)) door.socket.setMd5(address, undefined);
  door.peers = peers;
}

/** The kernel has one key for an address, on whatever link. */
function keysOf(peers: readonly TcpPeer[]): Map<Address, Uint8Array> {
  return new Map(peers.flatMap(({ address, md5 }) => (md5 ? [[address, md5] as const] : [])));
}

function sameKey(a: Uint8Array, b: Uint8Array | undefined): boolean {
  return b !== undefined && Buffer.compare(a, b) === 0;
}

/** Gives an accepted socket what only this peer's needs. False when it is gone already. */
function fit(socket: Socket, { ttl = DEFAULT_TTL, minTtl }: TcpPeer): boolean {
  const { _handle: handle } = socket as Socket & { readonly _handle?: { readonly fd: number } };
  if (!handle) return false;
  try {
    const accepted = tcpSocketOf(handle.fd);
    accepted.setHops(ttl, minTtl);
    // Its peer is the only one who can send here, and stays welcome when the list changes.
    accepted.setFilter(undefined);
    return true;
  } catch {
    return false;
  }
}
