import type { Address } from '../../domain/address.ts';
import type { BfdSession } from '../../domain/bgp/bfd-session.ts';
import type { Clock } from '../../domain/clock.ts';
import type { AuthenticationKey } from '../../protocol/bfd/authentication.ts';
import { decodeControlPacket, type ReceivedPacket } from '../../protocol/bfd/control-packet.ts';
import type { BfdDropReason } from '../../protocol/bfd/drop-reason.ts';
import type { Datagram } from '../../system/udp.ts';
import { BFD_SESSIONS_MAX } from './bfd.ts';
import { obstacleOf } from './obstacle.ts';
import { type SessionOrder, samePath, samePlace } from './order.ts';
import { createReceivers } from './receivers.ts';
import { viewOfNone } from './session-view.ts';
import { type WatchedSession, watchSession } from './watched-session.ts';
import type { Wire } from './wire.ts';

export interface SessionTableDeps {
  readonly wire: Wire;
  readonly clock: Clock;
  readonly random: () => number;
  /** 32 bits that nobody can guess; asked again for one that is taken or 0. */
  readonly discriminator: () => number;
  readonly sha1: AuthenticationKey['sha1'];
  readonly onChange: (key: string, session: BfdSession) => void;
  readonly onDrop: (reason: BfdDropReason, datagram: Datagram) => void;
  readonly onSocketError: (error: NodeJS.ErrnoException) => void;
}

/** All sessions of the box, and which packet is whose. */
export interface SessionTable {
  want(orders: ReadonlyMap<string, SessionOrder>): void;
  views(): Map<string, BfdSession>;
  /** Packets refused since the start, by reason. */
  drops(): Partial<Record<BfdDropReason, number>>;
  /** AdminDown to every peer; resolves when they must have noticed. */
  stop(): Promise<void>;
}

export function createSessionTable(deps: SessionTableDeps): SessionTable {
  const { clock } = deps;
  const running = new Map<string, WatchedSession>();
  const refused = new Map<string, BfdSession>();
  const byDiscriminator = new Map<number, WatchedSession>();
  const byRemote = new Map<Address, readonly WatchedSession[]>();
  const drops: Partial<Record<BfdDropReason, number>> = {};
  const receivers = createReceivers({
    wire: deps.wire,
    onDatagram: take,
    onError: deps.onSocketError,
  });

  function take(datagram: Datagram, multihop: boolean): void {
    const reason = tryToTake(datagram, multihop);
    if (reason === undefined) return;
    drops[reason] = (drops[reason] ?? 0) + 1;
    deps.onDrop(reason, datagram);
  }

  function tryToTake(datagram: Datagram, multihop: boolean): BfdDropReason | undefined {
    const { value, drop } = decodeControlPacket(datagram.bytes);
    if (!value) return drop;
    const session = find(value, datagram, multihop);
    if (typeof session === 'string') return session;
    const wrongPort = session.order.path.multihop !== multihop ? 'wrongPort' : undefined;
    const reason = wrongPort ?? session.receive(value, datagram);
    if (reason !== undefined) session.countDrop();
    return reason;
  }

  /** RFC 5880 §6.3: by Your Discriminator alone; before there is one, by where it comes from. */
  function find(
    { packet }: ReceivedPacket,
    { source, ifindex }: Datagram,
    multihop: boolean,
  ): WatchedSession | 'unknownDiscriminator' | 'unknownSource' {
    if (packet.yourDiscriminator !== 0) {
      return byDiscriminator.get(packet.yourDiscriminator) ?? 'unknownDiscriminator';
    }
    const found = byRemote
      .get(source)
      ?.find(
        (session) =>
          session.order.path.multihop === multihop &&
          (session.order.path.interface === undefined || session.ifindex === ifindex),
      );
    return found ?? 'unknownSource';
  }

  function begin(key: string, order: SessionOrder): void {
    const session: WatchedSession = watchSession(order, freshDiscriminator(), {
      ...deps,
      receivers,
      onChange: () => {
        if (running.get(key) === session) deps.onChange(key, session.view());
      },
    });
    running.set(key, session);
    byDiscriminator.set(session.discriminator, session);
    const { remote } = order.path;
    byRemote.set(remote, [...(byRemote.get(remote) ?? []), session]);
    deps.onChange(key, session.view());
  }

  /** Takes no new packets of the peer from here on, but knows those of the session that ends. */
  async function end(key: string, session: WatchedSession): Promise<void> {
    running.delete(key);
    const { remote } = session.order.path;
    const others = (byRemote.get(remote) ?? []).filter((other) => other !== session);
    if (others.length > 0) byRemote.set(remote, others);
    else byRemote.delete(remote);
    await session.leave();
    byDiscriminator.delete(session.discriminator);
    admit();
  }

  function admit(): void {
    receivers.admit({
      discriminators: [...byDiscriminator.keys()],
      remotes: [...byRemote.keys()],
    });
  }

  function freshDiscriminator(): number {
    for (;;) {
      const candidate = deps.discriminator();
      if (candidate !== 0 && !byDiscriminator.has(candidate)) return candidate;
    }
  }

  function endUnwanted(orders: ReadonlyMap<string, SessionOrder>): void {
    for (const [key, session] of running) {
      const order = orders.get(key);
      const goesOn = order && samePath(order.path, session.order.path) && obstacleOf(order) === '';
      if (!goesOn) void end(key, session);
    }
  }

  /** What only the other sessions stand in the way of. */
  function conflictOf({ path }: SessionOrder): string {
    if (running.size >= BFD_SESSIONS_MAX) {
      return `There are ${BFD_SESSIONS_MAX} BFD sessions already, and no more are run`;
    }
    const [same] = [...running].find(([, session]) => samePlace(session.order.path, path)) ?? [];
    return same === undefined ? '' : `The path is watched already, for "${same}"`;
  }

  function place(key: string, order: SessionOrder): void {
    const obstacle = obstacleOf(order) || conflictOf(order);
    if (obstacle !== '') {
      reject(key, order, obstacle);
    } else {
      refused.delete(key);
      begin(key, order);
    }
  }

  function reject(key: string, order: SessionOrder, obstacle: string): void {
    const view = viewOfNone(order, clock.wallMs(), obstacle);
    const known = refused.get(key)?.obstacle === obstacle;
    refused.set(key, view);
    if (!known) deps.onChange(key, view);
  }

  return {
    want(orders) {
      endUnwanted(orders);
      for (const key of refused.keys()) if (!orders.has(key)) refused.delete(key);
      for (const [key, order] of orders) {
        const session = running.get(key);
        if (session) session.configure(order);
        else place(key, order);
      }
      admit();
    },
    views: () =>
      new Map([...refused, ...[...running].map(([key, it]) => [key, it.view()] as const)]),
    drops: () => ({ ...drops }),
    async stop() {
      refused.clear();
      await Promise.all([...running].map(([key, session]) => end(key, session)));
    },
  };
}
