import type { Address } from '../address.ts';
import type { ObjectKey } from '../object.ts';
import type { BfdSession } from './bfd-session.ts';

/** RFC 4271 §8.2.2. */
export type BgpState = 'Idle' | 'Connect' | 'Active' | 'OpenSent' | 'OpenConfirm' | 'Established';

/** A session as people and their tools see it. */
export interface BgpSession {
  /** Key of the BGPPeer. */
  readonly peer: ObjectKey;
  readonly state: BgpState;
  /** Since when it is in this state, ms since 1970. */
  readonly sinceMs: number;
  /** Why it does not try, or cannot: a missing Secret, no neighbour on the interface; empty: nothing. */
  readonly obstacle: string;
  /** `undefined` while an unnumbered peer has not been found. */
  readonly remoteAddress: Address | undefined;
  readonly localAddress: Address | undefined;
  /** Of an unnumbered peer. */
  readonly interface: string | undefined;
  readonly localAsn: number;
  /** As configured, or as the peer's OPEN says once it came. */
  readonly peerAsn: number | 'internal' | 'external';
  readonly localRouterId: Address | undefined;
  readonly peerRouterId: Address | undefined;
  /** Negotiated; as configured before. */
  readonly holdTimeMs: number;
  readonly keepaliveMs: number;
  /** In words, both sides having them: `IPv4 unicast`, `4-octet AS`, `graceful restart`. */
  readonly capabilities: readonly string[];
  /** The last end of the session by each side, or the last failure to connect. */
  readonly lastError: {
    readonly sent: SaidError | undefined;
    readonly received: SaidError | undefined;
    readonly transport: SaidError | undefined;
  };
  readonly established: number;
  readonly messages: BgpMessageCounts;
  readonly prefixes: BgpPrefixCounts;
  /** Octets that wait for the peer to read them. */
  readonly queuedBytes: number;
  readonly bfd: BfdSession | undefined;
}

/** In words that name the cause and, where one is likely, the remedy. */
export interface SaidError {
  readonly text: string;
  /** ms since 1970. */
  readonly atMs: number;
}

export interface BgpMessageCounts {
  readonly opensSent: number;
  readonly opensReceived: number;
  readonly updatesSent: number;
  readonly updatesReceived: number;
  readonly keepalivesSent: number;
  readonly keepalivesReceived: number;
  readonly notificationsSent: number;
  readonly notificationsReceived: number;
  readonly refreshesSent: number;
  readonly refreshesReceived: number;
}

export interface BgpPrefixCounts {
  /** The peer has been told, with what is on its way. */
  readonly announced: number;
  /** Not told yet. */
  readonly pending: number;
  /** Counted and not installed. */
  readonly received: number;
}
