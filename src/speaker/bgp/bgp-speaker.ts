import type { Address } from '../../domain/address.ts';
import { formatAddress, ipv4 } from '../../domain/address.ts';
import type { BgpRoute } from '../../domain/bgp/bgp-route.ts';
import type { BgpSession } from '../../domain/bgp/bgp-session.ts';
import type { Clock } from '../../domain/clock.ts';
import { KeyedMap } from '../../domain/keyed-map.ts';
import type { Log } from '../../domain/log.ts';
import type { ObjectKey } from '../../domain/object.ts';
import type { PlannedPeer } from '../../plan/bgp/planned-peer.ts';
import type { BgpPlan } from '../../plan/bgp.ts';
import { CEASE, NOTIFICATION, notification } from '../../protocol/bgp/notification-codes.ts';
import { encodeShutdownText } from '../../protocol/bgp/shutdown-text.ts';
import type { NetworkEvent, Rtnetlink } from '../../system/rtnetlink.ts';
import type { Tcp } from '../../system/tcp.ts';
import type { Bfd } from '../bfd/bfd.ts';
import type { ToldRoute } from './adj-rib-out.ts';
import { createDeparture } from './departure.ts';
import { createListeners } from './listeners.ts';
import { watchOwnAddresses } from './own-addresses.ts';
import type { DiscoverNeighbour } from './peer-place.ts';
import type { ReceivedRoutes } from './received-routes.ts';
import { setRestartMarker } from './restart-marker.ts';
import { chooseRouterId } from './router-id.ts';
import { createPeerSession, type PeerSession } from './session.ts';
import { createVipIndex } from './vip-index.ts';

export interface BgpSettings {
  /** `undefined`: chosen from the box's addresses. */
  readonly routerId: Address | undefined;
  /** Where passive peers connect. */
  readonly port: number;
  /** How long peers may keep routes while the speaker restarts. */
  readonly restartTimeMs: number;
  /** Between asking peers to prefer others, and withdrawing. */
  readonly shutdownWaitMs: number;
}

export interface BgpSpeakerDeps {
  readonly settings: BgpSettings;
  /** Of this box. */
  readonly node: string;
  readonly runDir: string;
  readonly clock: Clock;
  readonly log: Log;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly tcp: Tcp;
  readonly openRtnetlink: (onEvent: (event: NetworkEvent) => void) => Rtnetlink;
  readonly discover: DiscoverNeighbour;
  readonly bfd: Bfd;
  /** Peers know of these addresses what they did not know before; collected for a moment. */
  readonly onTold: (texts: ReadonlySet<string>) => void;
}

/** Speaks BGP to all peers of this box. */
export interface BgpSpeaker {
  want(plan: BgpPlan): void;
  /** What is wanted is all there is: peers are told End-of-RIB. By itself after the restart time. */
  completeTable(): void;
  /** By key of the BGPPeer. */
  sessions(): ReadonlyMap<ObjectKey, BgpSession>;
  /** Names of the BGPPeers that have been told a route to the address, sorted. */
  announcedTo(text: string): readonly string[];
  /** What the peer has been told, by text of the prefix. */
  routesTo(peer: ObjectKey): ReadonlyMap<string, ToldRoute>;
  receivedFrom(peer: ObjectKey): ReceivedRoutes | undefined;
  /** Whether there was a session with a peer of this name since the start. */
  hasMet(name: string): boolean;
  /** Called when a session stands otherwise; returns how to stop that. */
  onChange(listener: (session: BgpSession) => void): () => void;
  /** An earlier speaker died here a moment ago, and its peers may still hold its routes. */
  restarting(): boolean;
  /**
   * Waits until peers had time to prefer others (when the plan says that the box is leaving), withdraws
   * everything, says farewell with this text and closes. Resolves when that is done.
   */
  stop(text: string): Promise<void>;
}

/** What peers are told is collected for so long before it is reported. */
const TOLD_SETTLE_MS = 20;
/** Before a socket for passive peers is asked for again. */
const LISTEN_RETRY_MS = 5000;

const DECONFIGURED = notification(NOTIFICATION.cease, CEASE.peerDeconfigured);

/** Rejects with errors of the run directory and netlink. */
export async function startBgp(deps: BgpSpeakerDeps): Promise<BgpSpeaker> {
  const { settings, clock, log, bfd } = deps;
  const own = await watchOwnAddresses(deps.openRtnetlink, clock, log, followAddresses);
  const marker = await setRestartMarker(deps.runDir).catch((error) => {
    own.close();
    throw error;
  });
  const startedMs = clock.monotonicMs();
  const sessions = new Map<ObjectKey, PeerSession>();
  const endings = new Set<Promise<void>>();
  const listeners = new Set<(session: BgpSession) => void>();
  const index = createVipIndex();
  let plan: BgpPlan | undefined;
  let routes = KeyedMap.empty<BgpRoute>();
  let routerId: number | undefined;
  let complete = false;
  let told = new Set<string>();
  let cancelTold: (() => void) | undefined;
  let cancelRetry: (() => void) | undefined;

  const departure = createDeparture(
    clock,
    settings.shutdownWaitMs,
    () => [...sessions.values()].some((session) => session.told().size > 0),
    () => applyRoutes(),
  );
  const doors = createListeners(deps.tcp, settings.port, log, () => {
    cancelRetry?.();
    cancelRetry = clock.after(LISTEN_RETRY_MS, followDoors);
  });
  const ignoreBfd = bfd.onChange((key, session) => sessions.get(key)?.heedBfd(session));
  const cancelComplete = clock.after(settings.restartTimeMs, completeTable);

  const restarting = () => marker.found && clock.monotonicMs() - startedMs < settings.restartTimeMs;

  function ownRouterId(): number {
    if (routerId === undefined) {
      const chosen = chooseRouterId(settings.routerId, own.current(), deps.node);
      routerId = chosen.routerId;
      log.info('BGP router ID', { routerId: formatAddress(ipv4(routerId)), from: chosen.origin });
    }
    return routerId;
  }

  function createSession(planned: PlannedPeer): PeerSession {
    const { key } = planned.peer;
    const session: PeerSession = createPeerSession(
      {
        ...deps,
        own: own.current,
        routerId: ownRouterId(),
        restart: {
          restarting,
          forwarding: marker.found,
          restartTimeSec: Math.floor(settings.restartTimeMs / 1000),
        },
        complete,
        onTold: noteTold,
        onChange: () => announceChange(key),
        onPlace: followPlaces,
      },
      planned,
    );
    session.want(routes, routes.keys());
    return session;
  }

  function announceChange(key: ObjectKey) {
    const session = viewOf(key);
    if (session) for (const listener of [...listeners]) listener(session);
  }

  function followPeers(peers: KeyedMap<PlannedPeer>, before: KeyedMap<PlannedPeer>) {
    for (const key of peers.changedKeys(before)) {
      const planned = peers.get(key);
      const known = sessions.get(key);
      if (planned && known) known.follow(planned);
      else if (planned) sessions.set(key, createSession(planned));
      else if (known) {
        sessions.delete(key);
        const ending = known.stop(DECONFIGURED).finally(() => endings.delete(ending));
        endings.add(ending);
      }
    }
  }

  /** Says only what differs; a box that has left announces nothing. */
  function applyRoutes() {
    const next = departure.isOver() || !plan ? KeyedMap.empty<BgpRoute>() : plan.routes;
    const changed = next.changedKeys(routes);
    routes = next;
    if (changed.length > 0) for (const session of sessions.values()) session.want(next, changed);
  }

  /** Where peers are, or which there are, has changed. */
  function followPlaces() {
    followDoors();
    bfd.want(
      new Map(
        [...sessions].flatMap(([key, session]) => {
          const wanted = session.bfdWanted();
          if (!wanted) session.heedBfd(undefined);
          return wanted ? [[key, wanted] as const] : [];
        }),
      ),
    );
  }

  function followDoors() {
    cancelRetry?.();
    cancelRetry = undefined;
    doors.follow([...sessions.values()].flatMap((session) => session.awaited() ?? []));
  }

  function followAddresses() {
    for (const session of sessions.values()) session.followAddresses();
    followPlaces();
  }

  function completeTable() {
    if (complete) return;
    complete = true;
    cancelComplete();
    for (const session of sessions.values()) session.completeTable();
  }

  function noteTold(prefixes: readonly string[]) {
    for (const text of index.vipsOf(prefixes)) told.add(text);
    if (told.size > 0) cancelTold ??= clock.after(TOLD_SETTLE_MS, tell);
  }

  function tell() {
    cancelTold?.();
    cancelTold = undefined;
    const texts = told;
    told = new Set();
    if (texts.size > 0) deps.onTold(texts);
  }

  function viewOf(key: ObjectKey): BgpSession | undefined {
    const session = sessions.get(key);
    const { passive, vrf } = session?.planned().peer ?? {};
    return session?.view(passive ? doors.obstacle(vrf) : '', bfd.sessions().get(key));
  }

  return {
    want(next) {
      const before = plan;
      plan = next;
      index.follow(next.vips);
      departure.follow(next.leaving);
      applyRoutes();
      followPeers(next.peers, before?.peers ?? KeyedMap.empty());
      if (next.peers !== before?.peers) followPlaces();
    },
    completeTable,
    sessions: () => new Map([...sessions.keys()].map((key) => [key, viewOf(key) as BgpSession])),
    announcedTo(text) {
      const vip = plan?.vips.get(text);
      if (!vip || vip.prefixes.length === 0) return [];
      return [...sessions.values()]
        .filter((session) => vip.prefixes.some(session.has))
        .map((session) => session.planned().peer.name)
        .filter((name) => vip.peers.includes(name))
        .sort();
    },
    routesTo: (peer) => sessions.get(peer)?.told() ?? new Map(),
    receivedFrom: (peer) => sessions.get(peer)?.received(),
    hasMet: (name) =>
      [...sessions.values()].some(
        (session) => session.planned().peer.name === name && session.hasBeenUp(),
      ),
    onChange(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    restarting,
    async stop(text) {
      await departure.over();
      departure.hasten();
      cancelComplete();
      cancelRetry?.();
      const farewell = notification(
        NOTIFICATION.cease,
        CEASE.administrativeShutdown,
        encodeShutdownText(text),
      );
      await Promise.all([...[...sessions.values()].map((one) => one.stop(farewell)), ...endings]);
      tell();
      doors.close();
      ignoreBfd();
      await bfd.stop();
      own.close();
      await marker.remove();
    },
  };
}
