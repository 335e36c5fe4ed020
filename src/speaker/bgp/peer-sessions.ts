import type { BgpRoute } from '../../domain/bgp/bgp-route.ts';
import type { BgpSession } from '../../domain/bgp/bgp-session.ts';
import { KeyedMap } from '../../domain/keyed-map.ts';
import type { ObjectKey } from '../../domain/object.ts';
import type { PlannedPeer } from '../../plan/bgp/planned-peer.ts';
import type { NotificationContent } from '../../protocol/bgp/message.ts';
import { CEASE, NOTIFICATION, notification } from '../../protocol/bgp/notification-codes.ts';
import type { Bfd } from '../bfd/bfd.ts';
import { createListeners } from './connection/listeners.ts';
import { routeChanges } from './routes/adj-rib-out.ts';
import { createPeerSession, type PeerSession, type PeerSessionOptions } from './session/session.ts';

/** The sessions with all peers of this box, and what they share. */
export interface PeerSessions {
  /** By key of the BGPPeer. */
  readonly all: ReadonlyMap<ObjectKey, PeerSession>;
  /** Begins, changes and ends sessions: each by itself. */
  follow(peers: KeyedMap<PlannedPeer>): void;
  /** What is to be announced from now on; only what differs is said. */
  want(routes: KeyedMap<BgpRoute>): void;
  /** What is wanted is all there is. */
  completeTable(): void;
  /** Addresses of this box changed. */
  followAddresses(): void;
  /** An interface of this box has come up. */
  heedLinkUp(): void;
  view(peer: ObjectKey): BgpSession | undefined;
  /** Ends all of them. Resolves when the connections are gone. */
  stop(why: NotificationContent): Promise<void>;
}

export interface PeerSessionsOptions
  extends Omit<PeerSessionOptions, 'routerId' | 'complete' | 'onChange' | 'onPlace'> {
  /** Where passive peers connect. */
  readonly port: number;
  readonly bfd: Bfd;
  /** Asked for when the first session begins. */
  readonly routerId: () => number;
  onChange(session: BgpSession): void;
}

/** Before a socket for passive peers is asked for again. */
const LISTEN_RETRY_MS = 5000;

const DECONFIGURED = notification(NOTIFICATION.cease, CEASE.peerDeconfigured);

export function createPeerSessions(options: PeerSessionsOptions): PeerSessions {
  const { clock, log, tcp, bfd } = options;
  const sessions = new Map<ObjectKey, PeerSession>();
  const endings = new Set<Promise<void>>();
  let peers = KeyedMap.empty<PlannedPeer>();
  let routes = KeyedMap.empty<BgpRoute>();
  let complete = false;
  let cancelRetry: (() => void) | undefined;

  const doors = createListeners(tcp, options.port, log, () => {
    cancelRetry?.();
    cancelRetry = clock.after(LISTEN_RETRY_MS, followDoors);
  });
  const ignoreBfd = bfd.onChange((key, session) => sessions.get(key)?.heedBfd(session));

  function begin(planned: PlannedPeer) {
    const { key } = planned.peer;
    const routerId = options.routerId();
    const onChange = () => {
      const session = view(key);
      if (session) options.onChange(session);
    };
    const own = { ...options, routerId, complete, onChange, onPlace: followPlaces };
    const session = createPeerSession(own, planned);
    session.want(routes, routeChanges(KeyedMap.empty(), routes));
    sessions.set(key, session);
  }

  function end(key: ObjectKey, session: PeerSession) {
    const ending = session.stop(DECONFIGURED).finally(() => endings.delete(ending));
    endings.add(ending);
    sessions.delete(key);
  }

  /** Where peers are, or which there are, has changed. */
  function followPlaces() {
    followDoors();
    const wanted = [...sessions].flatMap(([key, session]) => {
      const path = session.bfdWanted();
      if (!path) session.heedBfd(undefined);
      return path ? [[key, path] as const] : [];
    });
    bfd.want(new Map(wanted));
  }

  function followDoors() {
    cancelRetry?.();
    cancelRetry = undefined;
    doors.follow([...sessions.values()].flatMap((session) => session.awaited() ?? []));
  }

  function view(key: ObjectKey): BgpSession | undefined {
    const session = sessions.get(key);
    const { passive, vrf } = session?.planned().peer ?? {};
    return session?.view(passive ? doors.obstacle(vrf) : '', bfd.sessions().get(key));
  }

  return {
    all: sessions,
    follow(next) {
      const changed = next.changedKeys(peers);
      peers = next;
      for (const key of changed) {
        const planned = next.get(key);
        const session = sessions.get(key);
        if (planned && session) session.follow(planned);
        else if (planned) begin(planned);
        else if (session) end(key, session);
      }
      if (changed.length > 0) followPlaces();
    },
    want(next) {
      const changes = routeChanges(routes, next);
      routes = next;
      if (changes.length > 0) for (const session of sessions.values()) session.want(next, changes);
    },
    completeTable() {
      complete = true;
      for (const session of sessions.values()) session.completeTable();
    },
    followAddresses() {
      for (const session of sessions.values()) session.followAddresses();
      followPlaces();
    },
    heedLinkUp() {
      for (const session of sessions.values()) session.heedLinkUp();
    },
    view,
    async stop(why) {
      cancelRetry?.();
      await Promise.all([...[...sessions.values()].map((one) => one.stop(why)), ...endings]);
      doors.close();
      ignoreBfd();
    },
  };
}
