import type { RouterBfdSession, RouterRoute, RouterSession } from './router.ts';

/** Text of `show bgp … json detail`; several documents of two families. */
interface FrrTable {
  readonly routes?: Readonly<Record<string, readonly FrrPath[] | { readonly paths: FrrPath[] }>>;
}

interface FrrPath {
  readonly aspath?: { readonly segments?: readonly { readonly list: readonly number[] }[] };
  readonly origin?: string;
  readonly metric?: number;
  readonly locPrf?: number;
  readonly community?: { readonly list: readonly string[] };
  readonly largeCommunity?: { readonly list: readonly string[] };
  readonly extendedCommunity?: { readonly string: string };
  readonly stale?: boolean;
  readonly nexthops?: readonly { readonly ip: string }[];
  readonly peer?: { readonly peerId?: string; readonly interface?: string };
}

/** Names of communities in FRR's JSON where it does not say the number. */
const COMMUNITY_NAMES: Readonly<Record<string, string>> = {
  gracefulShutdown: '65535:0',
  noExport: '65535:65281',
  noAdvertise: '65535:65282',
  localAs: '65535:65283',
  blackhole: '65535:666',
};

export function frrRoutes(text: string): RouterRoute[] {
  const table = JSON.parse(text) as FrrTable;
  return Object.entries(table.routes ?? {}).flatMap(([prefix, entry]) => {
    const paths = 'paths' in entry ? entry.paths : entry;
    return paths
      .map((path) => {
        const { peer } = path;
        const from = peer?.interface ?? peer?.peerId ?? '';
        return { prefix, from: from === '::' || from === '0.0.0.0' ? '' : from, ...told(path) };
      })
      .filter(({ from }) => from !== '');
  });
}

function told(path: FrrPath): Omit<RouterRoute, 'prefix' | 'from'> {
  const extended = path.extendedCommunity?.string.split(' ').filter(Boolean) ?? [];
  return {
    nextHops: path.nexthops?.map(({ ip }) => ip) ?? [],
    asPath: path.aspath?.segments?.flatMap(({ list }) => list) ?? [],
    origin: path.origin ?? '',
    med: path.metric,
    localPref: path.locPrf,
    communities: path.community?.list.map((each) => COMMUNITY_NAMES[each] ?? each) ?? [],
    largeCommunities: path.largeCommunity?.list ?? [],
    extendedCommunities: extended.map((each) =>
      each.replace(/^[A-Za-z]+/, (kind) => kind.toLowerCase()),
    ),
    stale: path.stale ?? false,
  };
}

interface FrrNeighbour {
  readonly bgpState: string;
  readonly lastResetDueTo?: string;
  readonly lastNotificationReason?: string;
  readonly lastShutdownDescription?: string;
}

/** Of `show bgp neighbors json`; what came before a session was up, bgpd only logs. */
export function frrSessions(text: string, log: string): RouterSession[] {
  const all = JSON.parse(text) as Readonly<Record<string, FrrNeighbour>>;
  return Object.entries(all).map(([neighbour, it]) => {
    const errors = [it.lastResetDueTo, it.lastNotificationReason, it.lastShutdownDescription];
    const said = log.split('\n').filter((line) => line.includes(`neighbor ${neighbour} `));
    return {
      neighbour,
      established: it.bgpState === 'Established',
      state: it.bgpState,
      lastError: [...errors, notificationIn(said.at(-1))]
        .filter((each) => each !== undefined)
        .join(': '),
      text: JSON.stringify(it),
    };
  });
}

function notificationIn(line: string | undefined): string | undefined {
  return line && /%NOTIFICATION: (.*)/.exec(line)?.[1];
}

/** Of `show bfd peers json`. */
export function frrBfdSessions(text: string): RouterBfdSession[] {
  const all = JSON.parse(text) as readonly { readonly peer: string; readonly status: string }[];
  return all.map((it) => {
    return { neighbour: it.peer, up: it.status === 'up', text: JSON.stringify(it) };
  });
}
