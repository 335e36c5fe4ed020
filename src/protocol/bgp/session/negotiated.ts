import type { Family } from '../../../domain/address.ts';
import type { CodecContext } from '../codec-context.ts';

/** What both OPENs agree on. */
export interface Negotiated {
  readonly peerAsn: number;
  readonly peerRouterId: number;
  /** The peer is of this side's AS. */
  readonly internal: boolean;
  /** The shorter of both; 0: silence never ends the session, and no KEEPALIVEs are sent. */
  readonly holdTimeMs: number;
  /** At most a third of the hold time. */
  readonly keepaliveMs: number;
  /** Families, 4-octet AS, extended messages and next hops: for encoder and decoder. */
  readonly codec: CodecContext;
  /** RFC 2918. */
  readonly routeRefresh: boolean;
  /** RFC 7313. */
  readonly enhancedRouteRefresh: boolean;
  /** Of the peer; `undefined` unless both sides do it. */
  readonly gracefulRestart: PeerGracefulRestart | undefined;
}

/** RFC 4724 §3. */
export interface PeerGracefulRestart {
  /** R: the peer has just restarted, and wants routes before its own are complete. */
  readonly restarting: boolean;
  /** N: a NOTIFICATION or hold timer does not void the routes (RFC 8538). */
  readonly notification: boolean;
  readonly restartTimeMs: number;
  /** For which families it keeps routes, and whether its own forwarding went on (F). */
  readonly families: readonly { readonly family: Family; readonly forwarding: boolean }[];
}
