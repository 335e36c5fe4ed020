import { ipv4 } from '../../../domain/address.ts';
import type { BgpSession } from '../../../domain/bgp/bgp-session.ts';
import type { Negotiated } from '../../../protocol/bgp/session/negotiated.ts';
import type { SessionConfig } from '../../../protocol/bgp/session/session-config.ts';
import {
  type Connection,
  isAgreed,
  isAttempt,
  type SessionState,
} from '../../../protocol/bgp/session/session-state.ts';

/** What the state machine knows of a session as people see it. */
export type MachineView = Pick<
  BgpSession,
  | 'state'
  | 'sinceMs'
  | 'localAsn'
  | 'peerAsn'
  | 'localRouterId'
  | 'peerRouterId'
  | 'localAddress'
  | 'holdTimeMs'
  | 'keepaliveMs'
  | 'capabilities'
  | 'lastError'
  | 'established'
>;

export function viewMachine(machine: SessionState, config: SessionConfig): MachineView {
  const { connections, peer, state, sinceMs, lastError, established } = machine;
  const agreed = connections.find(isAgreed);
  return {
    state,
    sinceMs,
    localAsn: config.localAsn,
    peerAsn: peer?.asn ?? config.peerAsn,
    localRouterId: ipv4(config.routerId),
    peerRouterId: peer && ipv4(peer.routerId),
    localAddress: agreed?.local ?? connections.flatMap(localOf)[0],
    holdTimeMs: agreed?.negotiated.holdTimeMs ?? config.holdTimeMs,
    keepaliveMs: agreed?.negotiated.keepaliveMs ?? config.keepaliveMs,
    capabilities: agreed ? capabilityNames(agreed.negotiated) : [],
    lastError,
    established,
  };
}

function localOf(connection: Connection) {
  return isAttempt(connection) ? [] : [connection.local];
}

/** What both sides can do, in words. */
function capabilityNames(negotiated: Negotiated): string[] {
  const { codec, routeRefresh, enhancedRouteRefresh, gracefulRestart } = negotiated;
  const names: readonly (readonly [boolean, string])[] = [
    [codec.families.includes(4), 'IPv4 unicast'],
    [codec.families.includes(6), 'IPv6 unicast'],
    [codec.extendedNextHop, 'IPv6 next hops for IPv4'],
    [codec.fourOctetAs, '4-octet AS'],
    [routeRefresh, 'route refresh'],
    [enhancedRouteRefresh, 'enhanced route refresh'],
    [codec.extendedMessage, 'extended messages'],
    [gracefulRestart !== undefined, 'graceful restart'],
    [gracefulRestart?.notification ?? false, 'graceful restart after NOTIFICATION'],
  ];
  return names.filter(([both]) => both).map(([, name]) => name);
}
