import type { Host } from '../host.ts';

/** What a router of the lab is told: the same for every program, as far as the program can. */
export interface RouterOptions {
  readonly asn: number;
  /** Dotted quad. */
  readonly routerId: string;
  readonly neighbours: readonly Neighbour[];
  /** Prefixes that it announces itself. */
  readonly announce?: readonly string[];
  /** True: what it learns goes into the kernel, all equal paths of a prefix (not with GoBGP). */
  readonly installs?: boolean;
  /** More lines in the program's own language. */
  readonly extra?: string;
}

/** A session as seen by the router. Everything a program can do is on unless it says otherwise. */
export interface Neighbour {
  /** Of the peer; or `interface`, unnumbered. */
  readonly address?: string;
  readonly interface?: string;
  readonly asn: number;
  readonly localAddress?: string;
  /** Both by default. */
  readonly families?: readonly RouterFamily[];
  /** IPv4 prefixes with IPv6 next hops (RFC 8950); off by default. */
  readonly extendedNextHop?: boolean;
  readonly password?: string;
  /** Routers away, at most. */
  readonly multihop?: number;
  /** RFC 5082: the peer is this many hops away, at most. */
  readonly ttlSecurityHops?: number;
  /** Waits for the peer to connect. */
  readonly passive?: boolean;
  /** TCP port of the peer. */
  readonly port?: number;
  /** A third of it is the keepalive interval; 90 by default. */
  readonly holdTimeSec?: number;
  readonly bfd?: BfdTimers;
}

export type RouterFamily = 'ipv4' | 'ipv6';

export interface BfdTimers {
  /** Of both directions. */
  readonly intervalMs: number;
  readonly multiplier: number;
}

/** A BGP path in a router's table. */
export interface RouterRoute {
  readonly prefix: string;
  /** The neighbour (its address, or name of the interface) that it came from; empty: its own. */
  readonly from: string;
  /** As the peer said it; with a link-local address after the global one. */
  readonly nextHops: readonly string[];
  readonly asPath: readonly number[];
  /** `IGP`, `EGP` or `incomplete`. */
  readonly origin: string;
  readonly med: number | undefined;
  readonly localPref: number | undefined;
  /** `64500:1`. */
  readonly communities: readonly string[];
  /** `64500:1:2`. */
  readonly largeCommunities: readonly string[];
  /** `rt:64500:7`, `soo:192.0.2.1:7`; others as the program shows them. */
  readonly extendedCommunities: readonly string[];
  /** Kept for a peer that is restarting (RFC 4724). */
  readonly stale: boolean;
}

/** A session in a router's eyes. */
export interface RouterSession {
  /** Address of the neighbour, or the name of the interface. */
  readonly neighbour: string;
  readonly established: boolean;
  /** As the program calls it. */
  readonly state: string;
  /** Why it last ended, in the program's words; empty when it did not, or it does not tell. */
  readonly lastError: string;
  /** Everything it tells about the session, to look for capabilities and counters. */
  readonly text: string;
}

/** A BFD session in a router's eyes. */
export interface RouterBfdSession {
  readonly neighbour: string;
  readonly up: boolean;
  readonly text: string;
}

/** A routing program on a host of the lab. It ends with the lab, or before. */
export interface Router {
  readonly kind: RouterKind;
  readonly host: Host;
  /** Of the process that speaks BGP. */
  readonly pid: () => number;
  /** BGP paths of both families that it has from its neighbours, as stored. */
  routes(): Promise<readonly RouterRoute[]>;
  sessions(): Promise<readonly RouterSession[]>;
  /** Empty with GoBGP, which has none. */
  bfdSessions(): Promise<readonly RouterBfdSession[]>;
  /** A command of the program's own shell (`birdc`, `vtysh`, `gobgp`); the answer as text. */
  ask(command: string): Promise<string>;
  /** Takes other options while it runs; FRR begins all its sessions again. */
  configure(options: RouterOptions): Promise<void>;
  /** Asks the neighbour for its routes again (RFC 2918); not with GoBGP. */
  refresh(neighbour: string): Promise<void>;
  /** Takes away its processor time: it is silent, and its sockets stay open. */
  pause(): void;
  resume(): void;
  /** Ends it in its usual way. */
  stop(): Promise<void>;
  /** Ends it without a word. */
  kill(): Promise<void>;
  /** What it logged. */
  log(): string;
}

export type RouterKind = 'bird' | 'frr' | 'gobgp';

/** Both families where nothing else is said. */
export function familiesOf(neighbour: Neighbour): readonly RouterFamily[] {
  return neighbour.families ?? ['ipv4', 'ipv6'];
}

/** What the program and the tests call a neighbour. */
export function nameOf(neighbour: Neighbour): string {
  const name = neighbour.address ?? neighbour.interface;
  if (name === undefined) throw new Error('A neighbour needs an address or an interface');
  return name;
}

export function familyOf(prefix: string): RouterFamily {
  return prefix.includes(':') ? 'ipv6' : 'ipv4';
}

export const DEFAULT_HOLD_TIME_SEC = 90;
