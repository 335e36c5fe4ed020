import { ipv4 } from '../../../domain/address.ts';
import type { BgpSession } from '../../../domain/bgp/bgp-session.ts';
import { type CodecContext, INITIAL_CONTEXT } from '../codec-context.ts';
import { capabilityNames } from './capability-names.ts';
import type { SessionConfig } from './session-config.ts';
import type { ConnectionId } from './session-event.ts';
import { type Connection, isAgreed, isAttempt, type SessionState } from './session-state.ts';

/** What the machine knows of a session as people see it. */
export type SessionView = Pick<
  BgpSession,
  | 'state'
  | 'sinceMs'
  | 'localAsn'
  | 'peerAsn'
  | 'localRouterId'
  | 'peerRouterId'
  | 'remoteAddress'
  | 'localAddress'
  | 'holdTimeMs'
  | 'keepaliveMs'
  | 'capabilities'
  | 'lastError'
  | 'established'
>;

export function viewSession(state: SessionState, config: SessionConfig): SessionView {
  const { connections, peer, lastError, established, sinceMs } = state;
  const agreed = connections.find(isAgreed);
  const open = agreed ?? connections.find((one) => !isAttempt(one));
  const address = open !== undefined && !isAttempt(open) ? open : undefined;
  return {
    state: state.state,
    sinceMs,
    localAsn: config.localAsn,
    peerAsn: peer?.asn ?? config.peerAsn,
    localRouterId: ipv4(config.routerId),
    peerRouterId: peer && ipv4(peer.routerId),
    remoteAddress: address?.remote,
    localAddress: address?.local,
    holdTimeMs: agreed?.negotiated.holdTimeMs ?? config.holdTimeMs,
    keepaliveMs: agreed?.negotiated.keepaliveMs ?? config.keepaliveMs,
    capabilities: agreed ? capabilityNames(agreed.negotiated) : [],
    lastError,
    established,
  };
}

/** How messages of a connection are framed, read and written now. */
export function codecContextOf({ connections }: SessionState, id: ConnectionId): CodecContext {
  const connection = connections.find((one: Connection) => one.id === id);
  return connection && isAgreed(connection) ? connection.negotiated.codec : INITIAL_CONTEXT;
}
