import type { PlannedPeer } from '../../../plan/bgp/planned-peer.ts';

/**
 * Why a connection could not be made or ended, in words that say where to look. `code`: an errno's name, or
 * what else there is to say; `wasUp`: both sides had agreed on a session.
 */
export function describeTransportError(
  code: string,
  target: string,
  { peer, password }: Pick<PlannedPeer, 'peer' | 'password'>,
  wasUp: boolean,
): string {
  if (wasUp) return `The connection to ${target} broke: ${code}`;
  switch (code) {
    case 'ETIMEDOUT':
      return password
        ? `No answer from ${target}: the password differs or is missing there, or packets are lost`
        : `No answer from ${target}: it is down or drops packets, or it expects a password`;
    case 'ECONNREFUSED':
      return `${target} refuses connections: nothing listens there, or it does not know this box`;
    case 'ECONNRESET':
    case 'EPIPE':
      return `${target} broke the connection off: it may not know this box or its address`;
    case 'EHOSTUNREACH':
      return `${target} does not answer on the link${ttlHint(peer.multihop)}`;
    case 'ENETUNREACH':
      return `This box has no route to ${target}`;
    case 'EADDRNOTAVAIL':
      return 'This box does not hold the source address that the peer asks for';
    case 'ENODEV':
      return `There is no interface "${peer.vrf ?? interfaceOf(peer.remote)}" on this box`;
    default:
      return `The connection to ${target} failed: ${code}`;
  }
}

function interfaceOf(remote: PlannedPeer['peer']['remote']): string {
  return remote.kind === 'interface' ? remote.name : '';
}

/** Packets of a session without multihop die at the first router (RFC 4271 §5.1.3 and common practice). */
function ttlHint(multihop: boolean): string {
  return multihop ? '' : ', or is routers away and the peer lacks ebgpMultiHop';
}
