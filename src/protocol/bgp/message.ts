import type { Address, Family } from '../../domain/address.ts';
import type {
  ExtendedCommunity,
  LargeCommunity,
  StandardCommunity,
} from '../../domain/bgp/bgp-community.ts';
import type { Prefix } from '../../domain/prefix.ts';

/** The five messages of BGP-4 (RFC 4271 §4, RFC 2918), as values. */
export type BgpMessage =
  | OpenMessage
  | UpdateMessage
  | NotificationMessage
  | KeepaliveMessage
  | RouteRefreshMessage;

/** RFC 4271 §4.2. */
export interface OpenMessage {
  readonly kind: 'open';
  readonly version: number;
  /** The real one: that of the 4-octet AS capability where the message has it (RFC 6793 §4.1). */
  readonly asn: number;
  /** Seconds: 0, or 3 and more. */
  readonly holdTimeSec: number;
  /** Not zero (RFC 6286 §2.1). */
  readonly routerId: number;
  /** In the order of the wire; a peer may repeat one. */
  readonly capabilities: readonly Capability[];
}

/**
 * RFC 5492. What is not known here, or has a length that its RFC does not allow, is `unknown`: a peer is
 * taken as not having it.
 */
export type Capability =
  /** RFC 4760 §8. */
  | { readonly kind: 'multiprotocol'; readonly afi: number; readonly safi: number }
  /** RFC 2918. */
  | { readonly kind: 'routeRefresh' }
  /** RFC 7313. */
  | { readonly kind: 'enhancedRouteRefresh' }
  /** RFC 8654. */
  | { readonly kind: 'extendedMessage' }
  /** RFC 8950 §4. */
  | { readonly kind: 'extendedNextHop'; readonly entries: readonly ExtendedNextHopEntry[] }
  | GracefulRestartCapability
  /** RFC 6793 §3. */
  | { readonly kind: 'fourOctetAs'; readonly asn: number }
  | { readonly kind: 'unknown'; readonly code: number; readonly bytes: Uint8Array };

/** NLRI of this family may have next hops of that one. */
export interface ExtendedNextHopEntry {
  readonly afi: number;
  readonly safi: number;
  readonly nextHopAfi: number;
}

/** RFC 4724 §3. */
export interface GracefulRestartCapability {
  readonly kind: 'gracefulRestart';
  /** R: this side has just restarted, and the other must not wait for its End-of-RIB. */
  readonly restarting: boolean;
  /** N: a NOTIFICATION or hold timer does not end it either (RFC 8538 §2). */
  readonly notification: boolean;
  /** 0 to 4095. */
  readonly restartTimeSec: number;
  readonly families: readonly {
    readonly afi: number;
    readonly safi: number;
    /** F: forwarding went on meanwhile. */
    readonly forwarding: boolean;
  }[];
}

/**
 * RFC 4271 §4.3, both families: which field or attribute of the wire a prefix stands in follows from its
 * family and next hop. Families that were not negotiated are left out (RFC 4760 §7), and so are IPv6
 * prefixes inside `::ffff:0:0/96`, which no one routes and which are IPv4 in the domain's numbers.
 */
export interface UpdateMessage {
  readonly kind: 'update';
  readonly withdrawn: readonly Prefix[];
  readonly announced: readonly Prefix[];
  /** `undefined` when nothing is announced. */
  readonly attributes: PathAttributes | undefined;
  /** RFC 4724 §2: nothing else is in it then. */
  readonly endOfRib: Family | undefined;
  /** What was wrong with it and could be lived with (RFC 7606); empty in a message to send. */
  readonly faults: readonly UpdateFault[];
}

/** A fault of an UPDATE that does not end the session (RFC 7606 §2). */
export interface UpdateFault {
  /**
   * `treatAsWithdraw`: what it announces is in `withdrawn`. `attributeDiscard`: the attribute is left out.
   * `disableFamily`: nothing of `family` can be believed from now on, and what came of it is void.
   */
  readonly approach: 'treatAsWithdraw' | 'attributeDiscard' | 'disableFamily';
  /** Type code; 0 when it is about none. */
  readonly attribute: number;
  /** Of `disableFamily` only. */
  readonly family: Family | undefined;
  /** In words, without a full stop. */
  readonly reason: string;
}

/** RFC 4271 §5.1 and its heirs. Lists are in the order of the wire. */
export interface PathAttributes {
  readonly origin: Origin;
  readonly asPath: readonly AsPathSegment[];
  /** NEXT_HOP: of IPv4 prefixes in the message's own field. `undefined`: IPv4 prefixes take `mpNextHop`. */
  readonly nextHop: Address | undefined;
  /** Of prefixes in MP_REACH_NLRI: IPv6, and IPv4 without `nextHop` (RFC 8950). */
  readonly mpNextHop: MpNextHop | undefined;
  readonly med: number | undefined;
  readonly localPref: number | undefined;
  readonly atomicAggregate: boolean;
  readonly aggregator: Aggregator | undefined;
  readonly communities: readonly StandardCommunity[];
  readonly extendedCommunities: readonly ExtendedCommunity[];
  readonly largeCommunities: readonly LargeCommunity[];
  /** RFC 4456 §8: of route reflectors. */
  readonly originatorId: number | undefined;
  readonly clusterList: readonly number[];
  /** Optional ones that are not known here, by ascending type code. */
  readonly unknown: readonly UnknownAttribute[];
}

export type Origin = 'igp' | 'egp' | 'incomplete';

/** RFC 4271 §4.3 b) and RFC 5065 §3. 1 to 255 numbers of 4 octets, however the wire has them. */
export interface AsPathSegment {
  readonly kind: 'set' | 'sequence' | 'confederationSequence' | 'confederationSet';
  readonly asns: readonly number[];
}

/** RFC 2545 §3: the link-local address goes with the global one when both ends share a link. */
export interface MpNextHop {
  readonly global: Address;
  readonly linkLocal: Address | undefined;
}

export interface Aggregator {
  readonly asn: number;
  readonly address: Address;
}

export interface UnknownAttribute {
  readonly code: number;
  readonly transitive: boolean;
  /** Somebody on the way did not know it either. */
  readonly partial: boolean;
  readonly bytes: Uint8Array;
}

/** A path of origin IGP with nothing else: what this side originates spreads it and adds to it. */
export const BARE_PATH: PathAttributes = {
  origin: 'igp',
  asPath: [],
  nextHop: undefined,
  mpNextHop: undefined,
  med: undefined,
  localPref: undefined,
  atomicAggregate: false,
  aggregator: undefined,
  communities: [],
  extendedCommunities: [],
  largeCommunities: [],
  originatorId: undefined,
  clusterList: [],
  unknown: [],
};

/** Code, subcode and data of a NOTIFICATION (RFC 4271 §4.5). */
export interface NotificationContent {
  readonly code: number;
  readonly subcode: number;
  readonly data: Uint8Array;
}

export interface NotificationMessage extends NotificationContent {
  readonly kind: 'notification';
}

export interface KeepaliveMessage {
  readonly kind: 'keepalive';
}

/**
 * RFC 2918 and RFC 7313 §3.2: a request, or the begin or end of the answer (BoRR, EoRR). Filters that come
 * with one (RFC 5291) are ignored; subtypes that nobody assigned are left as `unassigned`, to be ignored.
 */
export interface RouteRefreshMessage {
  readonly kind: 'routeRefresh';
  readonly afi: number;
  readonly safi: number;
  readonly subtype: 'request' | 'begin' | 'end' | 'unassigned';
}
