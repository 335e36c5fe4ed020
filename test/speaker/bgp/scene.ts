import type { BfdSession } from '../../../src/domain/bgp/bfd-session.ts';
import type { BgpRoute, RouteAttributes } from '../../../src/domain/bgp/bgp-route.ts';
import type { BgpSession } from '../../../src/domain/bgp/bgp-session.ts';
import { KeyedMap } from '../../../src/domain/keyed-map.ts';
import { parsePrefix } from '../../../src/domain/prefix.ts';
import { EMPTY_SNAPSHOT } from '../../../src/domain/snapshot.ts';
import type { PlannedPeer } from '../../../src/plan/bgp/planned-peer.ts';
import type { BgpPlan } from '../../../src/plan/bgp.ts';
import type { Bfd, BfdWanted } from '../../../src/speaker/bfd/bfd.ts';
import {
  type BgpSettings,
  type BgpSpeaker,
  startBgp,
} from '../../../src/speaker/bgp/bgp-speaker.ts';
import { bgpPeer } from '../../support/bgp-objects.ts';
import type { FakeClock } from '../../support/fake-clock.ts';
import {
  type FakeRtnetlink,
  fakeRtnetlink,
  interfaceAddress,
} from '../../support/fake-rtnetlink.ts';
import type { FakeHost, FakeNet } from '../../support/fake-tcp.ts';
import { address } from '../../support/objects.ts';
import { type RecordingLog, recordingLog } from '../../support/recording-log.ts';

/** A BFD that does what the test says. */
export interface FakeBfd extends Bfd {
  wanted: ReadonlyMap<string, BfdWanted>;
  tell(key: string, session: Partial<BfdSession>): void;
}

function fakeBfd(): FakeBfd {
  const listeners = new Set<(key: string, session: BfdSession) => void>();
  const bfd: FakeBfd = {
    wanted: new Map(),
    want(sessions) {
      bfd.wanted = sessions;
    },
    sessions: () => new Map(),
    drops: () => ({}),
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    stop: async () => {},
    tell(key, session) {
      for (const listener of listeners) listener(key, session as BfdSession);
    },
  };
  return bfd;
}

/** A box that speaks BGP on a fake network. */
export interface SpeakingBox {
  readonly speaker: BgpSpeaker;
  readonly tcp: FakeHost;
  readonly rtnetlink: FakeRtnetlink;
  readonly bfd: FakeBfd;
  readonly log: RecordingLog;
  /** Addresses whose announcing changed, in order. */
  readonly told: string[];
  /** What was looked for on interfaces, and how to be found there. */
  readonly discoveries: Map<string, (address: string | undefined) => void>;
  /** Has this planned; routes are addresses that all peers get, or those that are named. */
  plan(wish: Wish): void;
  session(name: string): BgpSession;
}

export interface Wish {
  readonly peers?: readonly PlannedPeer[];
  readonly routes?: Readonly<Record<string, RouteAttributes>>;
  readonly leaving?: boolean;
}

export async function startBox(options: {
  readonly net: FakeNet;
  readonly clock: FakeClock;
  readonly runDir: string;
  readonly addresses: readonly string[];
  readonly settings?: Partial<BgpSettings>;
}): Promise<SpeakingBox> {
  const { net, clock, runDir, addresses } = options;
  const rtnetlink = fakeRtnetlink();
  rtnetlink.addresses.splice(0, 1, ...addresses.map((text) => interfaceAddress(2, text)));
  const tcp = net.host(...addresses.map(address));
  const bfd = fakeBfd();
  const log = recordingLog();
  const told: string[] = [];
  const discoveries: SpeakingBox['discoveries'] = new Map();
  const speaker = await startBgp({
    settings: {
      ...{ routerId: undefined, port: 179, restartTimeMs: 120_000, shutdownWaitMs: 5000 },
      ...options.settings,
    },
    node: 'edge-1',
    ...{ runDir, clock, log, tcp, bfd },
    random: () => 0.5,
    openRtnetlink: rtnetlink.open,
    discover(name, onNeighbour) {
      discoveries.set(name, (text) =>
        onNeighbour(
          text === undefined ? undefined : address(text),
          text === undefined ? `No router advertises itself on "${name}"` : '',
        ),
      );
      return { close: () => void discoveries.delete(name) };
    },
    onTold: (texts) => told.push(...texts),
  });
  let plan = emptyPlan();
  return {
    ...{ speaker, tcp, rtnetlink, bfd, log, told, discoveries },
    plan(wish) {
      plan = nextPlan(plan, wish);
      speaker.want(plan);
    },
    session(name) {
      const session = speaker.sessions().get(`metallb-system/${name}`);
      if (!session) throw new Error(`There is no session with "${name}"`);
      return session;
    },
  };
}

export function plannedPeer(
  name: string,
  at: string,
  fields: Parameters<typeof bgpPeer>[2] = {},
  planned: Partial<PlannedPeer> = {},
): PlannedPeer {
  return {
    peer: bgpPeer(name, at, fields),
    ...{ bfd: undefined, password: undefined, bfdKey: undefined, obstacle: '', refused: false },
    ...planned,
  };
}

function emptyPlan(): BgpPlan {
  return {
    ...{ revision: 1, planned: 0, leaving: false },
    peers: KeyedMap.empty(),
    routes: KeyedMap.empty(),
    vips: KeyedMap.empty(),
    basis: { snapshot: EMPTY_SNAPSHOT } as BgpPlan['basis'],
  };
}

/** Keeps what stays the same, as planning does. */
function nextPlan(before: BgpPlan, { peers, routes, leaving = false }: Wish): BgpPlan {
  const nextPeers = peers
    ? replace(
        before.peers,
        peers.map((one) => [one.peer.key, one]),
      )
    : before.peers;
  const keys = [...nextPeers.keys()];
  const names = [...nextPeers.values()].map(({ peer }) => peer.name).sort();
  if (!routes) return { ...before, peers: nextPeers, leaving };
  const nextRoutes = Object.entries(routes).map(([text, attributes]) => {
    const prefix = parsePrefix(text);
    if (!prefix) throw new Error(`"${text}" is no prefix`);
    const route: BgpRoute = { prefix, byPeer: new Map(keys.map((key) => [key, attributes])) };
    return [text, route] as const;
  });
  const vips = Object.keys(routes).map((text) => {
    const vip = text.slice(0, text.indexOf('/'));
    return [
      vip,
      {
        ...{ address: address(vip), services: [], announce: true, reason: '' },
        ...{ prefixes: [text], advertisements: [], peers: names },
      },
    ] as const;
  });
  return {
    ...before,
    leaving,
    peers: nextPeers,
    routes: replace(before.routes, nextRoutes),
    vips: replace(before.vips, vips),
  };
}

function replace<T>(before: KeyedMap<T>, entries: readonly (readonly [string, T])[]): KeyedMap<T> {
  const next = new Map(entries);
  const gone = [...before.keys()].filter((key) => !next.has(key));
  return before.withAll([...gone.map((key) => [key, undefined] as const), ...next]);
}
