import type { BgpView } from '../../src/admin/bgp-view.ts';
import type { BfdSession } from '../../src/domain/bgp/bfd-session.ts';
import type { BgpSession } from '../../src/domain/bgp/bgp-session.ts';
import { KeyedMap } from '../../src/domain/keyed-map.ts';
import { formatPrefix, parsePrefix } from '../../src/domain/prefix.ts';
import { EMPTY_SNAPSHOT } from '../../src/domain/snapshot.ts';
import { type BgpPlan, planBgp } from '../../src/plan/bgp.ts';
import { BARE_PATH, type PathAttributes } from '../../src/protocol/bgp/message.ts';
import { bgpAdvertisement, bgpPeer } from './bgp-objects.ts';
import { address, service, status } from './objects.ts';

/** A speaker with two peers: `tor-a` is up and watched, `tor-b` answers from another AS. */

const MINUTE_MS = 60_000;

function bfdSession(sinceMs: number): BfdSession {
  return {
    state: 'Up',
    sinceMs,
    remoteState: 'Up',
    remoteAddress: address('192.0.2.254'),
    localAddress: address('192.0.2.11'),
    interface: '',
    multihop: false,
    localDiscriminator: 1,
    remoteDiscriminator: 7,
    localDiagnostic: 'No Diagnostic',
    remoteDiagnostic: 'No Diagnostic',
    transmitIntervalMs: 50,
    receiveIntervalMs: 50,
    detectionTimeMs: 150,
    packetsSent: 1000,
    packetsReceived: 998,
    packetsDropped: 2,
    upEvents: 2,
    downEvents: 1,
    obstacle: '',
  };
}

const MESSAGES = {
  opensSent: 1,
  opensReceived: 1,
  updatesSent: 2,
  updatesReceived: 1,
  keepalivesSent: 30,
  keepalivesReceived: 31,
  notificationsSent: 0,
  notificationsReceived: 0,
  refreshesSent: 0,
  refreshesReceived: 0,
};

function sessions(startMs: number): BgpSession[] {
  const common = {
    interface: undefined,
    localAsn: 64500,
    localRouterId: address('192.0.2.11'),
    keepaliveMs: 3000,
    queuedBytes: 0,
    obstacle: '',
  };
  return [
    {
      ...common,
      peer: 'metallb-system/tor-a',
      state: 'Established',
      sinceMs: startMs,
      remoteAddress: address('192.0.2.254'),
      localAddress: address('192.0.2.11'),
      peerAsn: 64501,
      peerRouterId: address('192.0.2.254'),
      holdTimeMs: 9000,
      capabilities: ['IPv4 unicast', 'route refresh', '4-octet AS'],
      lastError: { sent: undefined, received: undefined, transport: undefined },
      established: 2,
      messages: MESSAGES,
      prefixes: { announced: 1, pending: 1, received: 2 },
      bfd: bfdSession(startMs),
    },
    {
      ...common,
      peer: 'metallb-system/tor-b',
      state: 'Active',
      sinceMs: startMs + 170 * MINUTE_MS,
      remoteAddress: address('192.0.2.253'),
      localAddress: undefined,
      peerAsn: 'external',
      peerRouterId: undefined,
      holdTimeMs: 90_000,
      capabilities: [],
      lastError: {
        sent: {
          text: 'Bad Peer AS: it is of AS 64500, not of another one',
          atMs: startMs + 175 * MINUTE_MS,
        },
        received: undefined,
        transport: { text: 'Connection refused', atMs: startMs + 60 * MINUTE_MS },
      },
      established: 0,
      messages: { ...MESSAGES, notificationsSent: 1 },
      prefixes: { announced: 0, pending: 0, received: 0 },
      bfd: undefined,
    },
  ];
}

/** `192.0.2.1` is announced, `192.0.2.2` has no backend; `192.0.2.3` has just come. */
function fakePlan(): BgpPlan {
  const held = { web: '192.0.2.1', api: '192.0.2.2', new: '192.0.2.3' };
  const names = Object.entries(held);
  const peers = [bgpPeer('tor-a', '192.0.2.254'), bgpPeer('tor-b', '192.0.2.253')];
  const ad = bgpAdvertisement('routers', { communities: ['no-export'] });
  const snapshot = {
    ...EMPTY_SNAPSHOT,
    revision: 42,
    services: KeyedMap.from(
      names.map(([name]) => [`shop/${name}`, service(name, { namespace: 'shop' })]),
    ),
    statuses: KeyedMap.from(names.map(([name, vip]) => [`shop/${name}`, status([vip])])),
    bgpPeers: KeyedMap.from(peers.map((peer) => [peer.key, peer])),
    bgpAdvertisements: KeyedMap.from([[ad.key, ad]]),
  };
  const serving = names.map(([name, vip]) => {
    const servable = name !== 'api';
    const counts = { usableBackends: 1, backends: 1, revision: 42 };
    const reason = servable ? '' : 'noEndpoints';
    return [
      vip,
      { address: address(vip), service: `shop/${name}`, servable, reason, ...counts },
    ] as const;
  });
  const settings = {
    loadBalancer: { class: 'tidegate.io/tidegate', handleUnclassed: true },
    box: { name: 'edge-1', labels: {} },
  };
  return planBgp(undefined, snapshot, KeyedMap.from(serving), settings, false);
}

function route(text: string, path: Partial<PathAttributes> | undefined) {
  const prefix = parsePrefix(text);
  if (!prefix) throw new Error(`"${text}" is not a prefix`);
  const whole = { ...BARE_PATH, nextHop: address('192.0.2.11'), ...path };
  return { prefix, path: path && whole };
}

function byPrefix<R extends { readonly prefix: NonNullable<ReturnType<typeof parsePrefix>> }>(
  ...routes: readonly R[]
): ReadonlyMap<string, R> {
  return new Map(routes.map((each) => [formatPrefix(each.prefix), each]));
}

const TOLD = byPrefix(
  route('192.0.2.1/32', {
    asPath: [{ kind: 'sequence', asns: [64500, 64500] }],
    med: 10,
    communities: [0xffff_ff01, 0xfbf4_0001],
    largeCommunities: [{ global: 64500, local1: 1, local2: 2 }],
  }),
  route('192.0.2.9/32', { asPath: [{ kind: 'sequence', asns: [64500] }] }),
);

const RECEIVED = new Map([
  ...['0.0.0.0/0', '2001:db8::/32'].map((text) => {
    const nextHop = text.includes(':') ? undefined : address('192.0.2.254');
    const mpNextHop = nextHop
      ? undefined
      : { global: address('2001:db8::fe'), linkLocal: address('fe80::1') };
    const asPath = [
      { kind: 'sequence' as const, asns: [64501, 3320] },
      { kind: 'set' as const, asns: [1, 2] },
    ];
    const prefix = parsePrefix(text);
    if (!prefix) throw new Error(`"${text}" is not a prefix`);
    return [text, { prefix, path: { ...BARE_PATH, nextHop, mpNextHop, asPath } }] as const;
  }),
]);

/** A speaker that nobody told of a peer. */
export const NO_BGP: BgpView = {
  sessions: () => new Map(),
  planned: () => undefined,
  routesTo: () => new Map(),
  receivedFrom: () => undefined,
  hasLeft: () => false,
  bfd: { sessions: () => new Map(), drops: () => ({}) },
};

export function fakeBgpView(startMs: number): BgpView {
  const all = new Map(sessions(startMs).map((session) => [session.peer, session]));
  const plan = fakePlan();
  return {
    sessions: () => all,
    planned: () => plan,
    routesTo: (peer) => (peer.endsWith('tor-a') ? TOLD : new Map()),
    receivedFrom: (peer) =>
      peer.endsWith('tor-a') ? { current: () => RECEIVED, truncated: () => true } : undefined,
    hasLeft: () => false,
    bfd: {
      sessions: () => new Map([['metallb-system/tor-a', bfdSession(startMs)]]),
      drops: () => ({ ttl: 2, length: 0 }),
    },
  };
}
