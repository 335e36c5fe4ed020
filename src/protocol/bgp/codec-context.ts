import type { Family } from '../../domain/address.ts';

/** What both sides agreed on in their OPENs, as far as the form of messages depends on it. */
export interface CodecContext {
  /** AS numbers have 4 octets in AS_PATH and AGGREGATOR (RFC 6793). */
  readonly fourOctetAs: boolean;
  /** Messages of up to 65,535 octets, OPEN and KEEPALIVE apart (RFC 8654). */
  readonly extendedMessage: boolean;
  /** The peer is of the same AS: LOCAL_PREF and what route reflectors add have a meaning. */
  readonly internal: boolean;
  /** Unicast families that both have. */
  readonly families: readonly Family[];
  /** IPv4 prefixes may have IPv6 next hops (RFC 8950). */
  readonly extendedNextHop: boolean;
}

/** Before the OPENs: OPEN, KEEPALIVE and NOTIFICATION have one form whatever is agreed on. */
export const INITIAL_CONTEXT: CodecContext = {
  fourOctetAs: false,
  extendedMessage: false,
  internal: false,
  families: [],
  extendedNextHop: false,
};

const MAX_LENGTH = 4096;
const MAX_EXTENDED_LENGTH = 65_535;

/** Octets that an UPDATE, ROUTE-REFRESH or NOTIFICATION may have in this session. */
export function maxMessageLength(context: CodecContext): number {
  return context.extendedMessage ? MAX_EXTENDED_LENGTH : MAX_LENGTH;
}
