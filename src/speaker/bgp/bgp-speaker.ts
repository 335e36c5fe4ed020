import { type Address, formatAddress, ipv4 } from '../../domain/address.ts';
import type { BgpRoute } from '../../domain/bgp/bgp-route.ts';
import type { BgpSession } from '../../domain/bgp/bgp-session.ts';
import type { Clock } from '../../domain/clock.ts';
import { KeyedMap } from '../../domain/keyed-map.ts';
import type { Log } from '../../domain/log.ts';
import type { ObjectKey } from '../../domain/object.ts';
import type { BgpPlan } from '../../plan/bgp.ts';
import { encodeShutdownText } from '../../protocol/bgp/notification/shutdown-text.ts';
import { CEASE, NOTIFICATION, notification } from '../../protocol/bgp/notification-codes.ts';
import type { NetworkEvent, Rtnetlink } from '../../system/rtnetlink.ts';
import type { Tcp } from '../../system/tcp/tcp.ts';
import type { Bfd } from '../bfd/bfd.ts';
import { createDeparture } from './departure.ts';
import { createPeerSessions } from './peer-sessions.ts';
import { type OwnAddress, watchOwnAddresses } from './place/own-addresses.ts';
import type { DiscoverNeighbour } from './place/peer-place.ts';
import { setRestartMarker } from './restart-marker.ts';
import { type ChosenRouterId, chooseRouterId } from './router-id.ts';
import type { ToldRoute } from './routes/adj-rib-out.ts';
import type { ReceivedRoutes } from './routes/received-routes.ts';
import { createToldReport } from './routes/told-report.ts';

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
  /** The box is leaving by the plan and has withdrawn everything. */
  hasLeft(): boolean;
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

/** Rejects with errors of the run directory and netlink. */
export async function startBgp(deps: BgpSpeakerDeps): Promise<BgpSpeaker> {
  const { settings, clock, log, bfd } = deps;
  const marker = await setRestartMarker(deps.runDir);
  const own = await watchOwnAddresses(deps.openRtnetlink, clock, log, {
    onChange: () => peers.followAddresses(),
    onLinkUp: () => peers.heedLinkUp(),
  }).catch(async (error) => {
    // Nobody has been told anything: the next start must not say that it takes something up.
    if (!marker.found) await marker.remove();
    throw error;
  });
  if (marker.found) log.info('Taking up the BGP sessions of a speaker that died');
  const startedMs = clock.monotonicMs();
  const restarting = () => marker.found && clock.monotonicMs() - startedMs < settings.restartTimeMs;
  const listeners = new Set<(session: BgpSession) => void>();
  const report = createToldReport(clock, deps.onTold);
  let plan: BgpPlan | undefined;

  const peers = createPeerSessions({
    ...deps,
    port: settings.port,
    own: own.current,
    routerId: ownRouterId(deps, own.current),
    restart: {
      restarting,
      forwarding: marker.found,
      restartTimeSec: Math.floor(settings.restartTimeMs / 1000),
    },
    onTold: report.note,
    onChange(session) {
      for (const listener of [...listeners]) listener(session);
    },
  });
  const sessions = () => [...peers.all.values()];
  const hasRoutes = () => sessions().some((session) => session.told().size > 0);
  const departure = createDeparture(clock, settings.shutdownWaitMs, hasRoutes, applyRoutes);
  const cancelComplete = clock.after(settings.restartTimeMs, peers.completeTable);

  /** A box that has left announces nothing. */
  function applyRoutes() {
    peers.want(departure.isOver() || !plan ? KeyedMap.empty<BgpRoute>() : plan.routes);
  }

  return {
    want(next) {
      plan = next;
      report.follow(next.vips);
      departure.follow(next.leaving);
      applyRoutes();
      peers.follow(next.peers);
    },
    completeTable() {
      cancelComplete();
      peers.completeTable();
    },
    sessions: () =>
      new Map([...peers.all.keys()].map((key) => [key, peers.view(key) as BgpSession])),
    announcedTo(text) {
      const vip = plan?.vips.get(text);
      if (!vip || vip.prefixes.length === 0) return [];
      return sessions()
        .filter((session) => vip.prefixes.some(session.has))
        .map((session) => session.planned().peer.name)
        .filter((name) => vip.peers.includes(name))
        .sort();
    },
    routesTo: (peer) => peers.all.get(peer)?.told() ?? new Map(),
    receivedFrom: (peer) => peers.all.get(peer)?.received(),
    hasMet: (name) => sessions().some((one) => one.planned().peer.name === name && one.hasBeenUp()),
    hasLeft: departure.isOver,
    onChange(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    restarting,
    async stop(text) {
      await departure.over();
      departure.hasten();
      cancelComplete();
      const { cease } = NOTIFICATION;
      const why = notification(cease, CEASE.administrativeShutdown, encodeShutdownText(text));
      await peers.stop(why);
      report.flush();
      await bfd.stop();
      own.close();
      await marker.remove();
    },
  };
}

/** Chosen once: sessions do not begin anew because an address has come. */
function ownRouterId(
  { settings, node, log }: BgpSpeakerDeps,
  own: () => readonly OwnAddress[],
): () => number {
  let chosen: ChosenRouterId | undefined;
  return () => {
    if (!chosen) {
      chosen = chooseRouterId(settings.routerId, own(), node);
      const { routerId, origin } = chosen;
      log.info('BGP router ID', { routerId: formatAddress(ipv4(routerId)), from: origin });
    }
    return chosen.routerId;
  };
}
