import type { RouterRoute, RouterSession } from './router.ts';

interface GobgpPath {
  readonly nlri: { readonly prefix: string };
  readonly attrs: readonly GobgpAttribute[];
  readonly stale?: boolean;
  readonly 'neighbor-ip'?: string;
}

interface GobgpAttribute {
  readonly type: number;
  readonly value?: unknown;
  readonly as_paths?: readonly { readonly asns: readonly number[] | null }[];
  readonly nexthop?: string;
  readonly metric?: number;
  readonly communities?: readonly number[];
}

/** Attribute types (IANA). */
const ORIGIN = 1;
const AS_PATH = 2;
const NEXT_HOP = 3;
const MED = 4;
const LOCAL_PREF = 5;
const COMMUNITIES = 8;
const MP_REACH = 14;
const EXTENDED_COMMUNITIES = 16;
const LARGE_COMMUNITIES = 32;

/** Of `gobgp global rib -j`. */
export function gobgpRoutes(text: string): RouterRoute[] {
  const table = JSON.parse(text) as Readonly<Record<string, readonly GobgpPath[]>>;
  return Object.values(table)
    .flat()
    .filter((path) => !['', '<nil>'].includes(path['neighbor-ip'] ?? ''))
    .map((path) => {
      const from = path['neighbor-ip'] as string;
      return { prefix: path.nlri.prefix, from, ...told(path) };
    });
}

function told({ attrs, stale = false }: GobgpPath): Omit<RouterRoute, 'prefix' | 'from'> {
  const of = (type: number) => attrs.find((each) => each.type === type);
  const hop = of(NEXT_HOP)?.nexthop ?? of(MP_REACH)?.nexthop;
  const large = of(LARGE_COMMUNITIES)?.value as readonly Large[] | undefined;
  const extended = of(EXTENDED_COMMUNITIES)?.value as readonly Extended[] | undefined;
  return {
    nextHops: hop === undefined ? [] : [hop],
    asPath: of(AS_PATH)?.as_paths?.flatMap(({ asns }) => asns ?? []) ?? [],
    origin: ['IGP', 'EGP', 'incomplete'][Number(of(ORIGIN)?.value)] ?? '',
    med: of(MED)?.metric,
    localPref: of(LOCAL_PREF)?.value as number | undefined,
    communities:
      of(COMMUNITIES)?.communities?.map((value) => `${value >>> 16}:${value & 0xffff}`) ?? [],
    largeCommunities:
      large?.map((each) => `${each.ASN}:${each.LocalData1}:${each.LocalData2}`) ?? [],
    extendedCommunities: extended?.map(extendedText) ?? [],
    stale,
  };
}

interface Large {
  readonly ASN: number;
  readonly LocalData1: number;
  readonly LocalData2: number;
}

interface Extended {
  readonly subtype: number;
  readonly value: string;
}

function extendedText({ subtype, value }: Extended): string {
  const kind = { 2: 'rt:', 3: 'soo:' }[subtype] ?? '';
  return `${kind}${value}`;
}

interface GobgpNeighbour {
  readonly conf: { readonly neighbor_address?: string; readonly neighbor_interface?: string };
  readonly state: {
    readonly neighbor_address: string;
    readonly session_state?: number;
    readonly messages?: { readonly received?: { readonly notification?: number } };
  };
}

/** `apipb.PeerState.SessionState`. */
const STATES = ['unknown', 'Idle', 'Connect', 'Active', 'OpenSent', 'OpenConfirm', 'Established'];

/**
 * Of `gobgp neighbor -j`; why a session ended it only logs: its last such line for the neighbour. Of what
 * came before a session was up it knows that it came.
 */
export function gobgpSessions(text: string, log: string): RouterSession[] {
  const all = JSON.parse(text) as readonly GobgpNeighbour[];
  return all.map((it) => {
    const { neighbor_interface: link, neighbor_address: address = '' } = it.conf;
    const state = STATES[it.state.session_state ?? 0] ?? 'unknown';
    return {
      neighbour: link || address,
      established: state === 'Established',
      state,
      lastError: lastComplaint(log, it.state.neighbor_address || address) || refusalOf(it),
      text: JSON.stringify(it),
    };
  });
}

function refusalOf({ state }: GobgpNeighbour): string {
  return state.messages?.received?.notification ? 'The peer sent a NOTIFICATION' : '';
}

interface LogLine {
  readonly Key?: string;
  readonly msg?: string;
  readonly Reason?: string;
  /** Of a NOTIFICATION. */
  readonly Code?: number;
  readonly Subcode?: number;
  readonly Data?: unknown;
}

function lastComplaint(log: string, neighbour: string): string {
  const lines = log
    .split('\n')
    .filter((line) => line.startsWith('{') && line.endsWith('}'))
    .map((line) => JSON.parse(line) as LogLine)
    .filter(({ Key, Reason, Code }) => Key === neighbour && (Reason || Code !== undefined));
  const last = lines.at(-1);
  if (last === undefined) return '';
  const code = last.Code !== undefined && `${last.Code}/${last.Subcode}`;
  const said = [last.msg, last.Reason, code, last.Data && JSON.stringify(last.Data)];
  return said.filter(Boolean).join(': ');
}
