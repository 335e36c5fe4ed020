import { type Address, formatAddress } from '../../../domain/address.ts';
import type { BfdSession } from '../../../domain/bgp/bfd-session.ts';
import type { BgpRoute } from '../../../domain/bgp/bgp-route.ts';
import type { BgpSession } from '../../../domain/bgp/bgp-session.ts';
import type { Clock } from '../../../domain/clock.ts';
import type { KeyedMap } from '../../../domain/keyed-map.ts';
import type { Log } from '../../../domain/log.ts';
import type { PlannedPeer } from '../../../plan/bgp/planned-peer.ts';
import type { NotificationContent } from '../../../protocol/bgp/message.ts';
import { CEASE, NOTIFICATION, notification } from '../../../protocol/bgp/notification-codes.ts';
import { establishedConnection } from '../../../protocol/bgp/session/session-state.ts';
import type { Tcp } from '../../../system/tcp/tcp.ts';
import { type BfdWanted, pathFailed } from '../../bfd/bfd.ts';
import type { AwaitedPeer } from '../connection/listeners.ts';
import { createMessageCounters } from '../connection/message-counters.ts';
import { describeTransportError } from '../connection/transport-error.ts';
import type { OwnAddress } from '../place/own-addresses.ts';
import { createPeerPlace, type DiscoverNeighbour } from '../place/peer-place.ts';
import type { RouteChange, ToldRoute } from '../routes/adj-rib-out.ts';
import { createAdvertiser } from '../routes/advertiser.ts';
import { createReceivedRoutes, type ReceivedRoutes } from '../routes/received-routes.ts';
import { bfdWantedOf } from './bfd-wanted-of.ts';
import { awaitedOf, connectOptionsOf, localAsnOf, sessionConfigOf } from './session-config-of.ts';
import { createSessionDriver, type SessionNews } from './session-driver.ts';
import { remoteText, sessionIdentity } from './session-identity.ts';
import { createSessionLog } from './session-log.ts';
import { viewMachine } from './session-view.ts';

/** What a peer is told of this box's restarts. */
export interface RestartFacts {
  /** RFC 4724, R: an earlier speaker died here a moment ago. */
  readonly restarting: () => boolean;
  /** RFC 4724, F: packets were forwarded meanwhile. */
  readonly forwarding: boolean;
  readonly restartTimeSec: number;
}

export interface PeerSessionOptions {
  readonly tcp: Tcp;
  readonly clock: Clock;
  readonly log: Log;
  readonly random: () => number;
  readonly discover: DiscoverNeighbour;
  readonly own: () => readonly OwnAddress[];
  readonly routerId: number;
  readonly restart: RestartFacts;
  /** Whether what this box announces is complete already. */
  readonly complete: boolean;
  /** The peer knows of these prefixes what it did not know before. */
  onTold(prefixes: readonly string[]): void;
  /** It stands otherwise. */
  onChange(): void;
  /** Where the peer is has become known, or is no more. */
  onPlace(): void;
}

/** One router that this box speaks to, or would like to. */
export interface PeerSession {
  planned(): PlannedPeer;
  /** The peer as it is planned now: begins anew only when what the session is made with changed. */
  follow(planned: PlannedPeer): void;
  want(routes: KeyedMap<BgpRoute>, changes: readonly RouteChange[]): void;
  /** What this box announces is complete. */
  completeTable(): void;
  followAddresses(): void;
  /** An interface of this box has come up: the peer may be reached again. */
  heedLinkUp(): void;
  /** The peer, where it is the one to connect; the same object while that does not change. */
  awaited(): AwaitedPeer | undefined;
  /** The path to be watched, if any. */
  bfdWanted(): BfdWanted | undefined;
  heedBfd(bfd: BfdSession | undefined): void;
  /** Whether the peer has been told of the prefix. */
  has(prefix: string): boolean;
  /** There was a session, now or before. */
  hasBeenUp(): boolean;
  /** `waiting`: why the peer cannot be waited for; `watch`: its path as it stands now. */
  view(waiting: string, watch: BfdSession | undefined): BgpSession;
  told(): ReadonlyMap<string, ToldRoute>;
  received(): ReceivedRoutes;
  /** Ends it for good. Resolves when the connection is gone. */
  stop(why: NotificationContent): Promise<void>;
}

export function createPeerSession(options: PeerSessionOptions, first: PlannedPeer): PeerSession {
  const { restart } = options;
  const log = createSessionLog(options.log.child({ peer: first.peer.key }));
  const counters = createMessageCounters();
  const received = createReceivedRoutes();
  let planned = first;
  let identity = sessionIdentity(first);
  let obstacle = first.obstacle;
  let stopped = false;
  let bfd: BfdSession | undefined;
  let awaited: { readonly planned: PlannedPeer; readonly peer: AwaitedPeer } | undefined;

  const place = createPeerPlace(options.discover, onMove);
  const advertiser = createAdvertiser({
    clock: options.clock,
    peer: first.peer.key,
    localAsn: () => localAsnOf(planned.peer),
    own: options.own,
    complete: options.complete,
    onTold: options.onTold,
  });
  const driver = createSessionDriver({
    ...options,
    counters,
    config,
    connect: (handlers) => options.tcp.connect(connectOptionsOf(planned, target()), handlers),
    describe: ({ code, message }) =>
      describeTransportError(code ?? message, targetText(), planned, !!established()),
    onNews: heed,
    onDrain: advertiser.flush,
  });

  function config() {
    const { restarting, forwarding, restartTimeSec } = restart;
    const gracefulRestart = {
      restartTimeSec,
      restarting: restarting(),
      forwarding: forwarding || driver.state().established > 0,
    };
    return sessionConfigOf(planned.peer, options.routerId, gracefulRestart);
  }

  function target(): Address {
    const address = place.address();
    if (address === undefined) throw new Error(`Peer "${first.peer.key}" was not found yet`);
    return address;
  }

  function targetText(): string {
    const { port, remote: where } = planned.peer;
    const address = place.address();
    const host = address === undefined ? remoteText(where) : formatAddress(address);
    return where.kind === 'interface' ? `${host} on "${where.name}"` : `${host} port ${port}`;
  }

  const established = () => establishedConnection(driver.state());

  function heed(news: SessionNews) {
    switch (news.kind) {
      case 'established': {
        const wire = driver.wire(news.connection);
        const local = established()?.local;
        if (wire && local !== undefined) advertiser.begin(wire, local, news.negotiated);
        log.up(targetText(), advertiser.obstacle());
        return;
      }
      case 'lost':
        log.down(news, stopped);
        received.clear();
        advertiser.end();
        if (!place.isPresent() || obstacle !== '') halt(undefined);
        return;
      case 'update':
        return received.take(news.message);
      case 'refreshRequested':
        return advertiser.refresh(news.family);
      case 'peerRefresh':
        return received.refresh(news.family, news.phase);
      case 'stateChanged':
        log.trouble(targetText(), driver.state().lastError);
        options.onChange();
    }
  }

  const mayBegin = () => !stopped && !planned.refused && obstacle === '' && place.isPresent();

  function begin() {
    if (mayBegin()) driver.dispatch({ kind: 'start' });
  }

  function halt(why: NotificationContent | undefined) {
    driver.dispatch({ kind: 'stop', notification: why });
  }

  function onMove(moved: boolean) {
    options.onPlace();
    if (established()) return;
    if (!place.isPresent()) halt(undefined);
    else if (moved && driver.state().running) driver.dispatch(RESTART);
    else begin();
  }

  function follow(next: PlannedPeer) {
    obstacle = next.obstacle;
    // What is missing may be about to come back, and its session is not to be disturbed meanwhile.
    if (obstacle !== '' && !next.refused && established()) return;
    const before = planned;
    const then = identity;
    planned = next;
    identity = sessionIdentity(next);
    const { remote } = next.peer;
    if (remoteText(before.peer.remote) !== remoteText(remote) || before.refused !== next.refused)
      place.look(next.refused ? undefined : remote);
    if (next.refused) halt(DECONFIGURED);
    else if (obstacle !== '') halt(undefined);
    else if (identity !== then && !place.isPresent()) halt(RECONFIGURE.notification);
    else if (identity !== then && driver.state().running) driver.dispatch(RECONFIGURE);
    begin();
  }

  if (!first.refused) place.look(first.peer.remote);
  begin();
  return {
    planned: () => planned,
    follow,
    want: advertiser.want,
    completeTable: advertiser.completeTable,
    followAddresses: advertiser.followAddresses,
    heedLinkUp: () => driver.dispatch({ kind: 'linkUp' }),
    awaited() {
      if (!planned.peer.passive || !mayBegin()) return undefined;
      if (awaited?.planned !== planned || awaited.peer.address !== target())
        awaited = { planned, peer: awaitedOf(planned, target(), driver.accept) };
      return awaited.peer;
    },
    bfdWanted: () =>
      place.isPresent() && !stopped ? bfdWantedOf(planned, target(), options.own()) : undefined,
    heedBfd(now) {
      const before = bfd;
      bfd = now;
      if (now && pathFailed(before, now))
        driver.dispatch({ kind: 'bfdDown', reason: now.localDiagnostic });
      else if (now?.state === 'Up' && before?.state !== 'Up') driver.dispatch({ kind: 'bfdUp' });
    },
    has: advertiser.has,
    hasBeenUp: () => driver.state().established > 0,
    view: (waiting, watch) => ({
      ...viewMachine(driver.state(), config()),
      peer: first.peer.key,
      obstacle: obstacle || place.obstacle() || waiting || advertiser.obstacle(),
      remoteAddress: place.isPresent() ? place.address() : undefined,
      interface: planned.peer.remote.kind === 'interface' ? planned.peer.remote.name : undefined,
      messages: counters.current(),
      prefixes: { ...advertiser.counts(), received: received.current().size },
      queuedBytes: queuedBytes(),
      bfd: watch,
    }),
    told: advertiser.told,
    received: () => received,
    async stop(why) {
      stopped = true;
      place.look(undefined);
      halt(why);
      await driver.closed();
    },
  };

  function queuedBytes(): number {
    const connection = established();
    return (connection && driver.wire(connection.id)?.queuedBytes) ?? 0;
  }
}

const DECONFIGURED = notification(NOTIFICATION.cease, CEASE.peerDeconfigured);
const RECONFIGURE = {
  kind: 'reset',
  notification: notification(NOTIFICATION.cease, CEASE.configurationChange),
} as const;
const RESTART = { kind: 'reset', notification: undefined } as const;
