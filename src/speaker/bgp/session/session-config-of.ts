import { type Address, type Family, familyOf } from '../../../domain/address.ts';
import type { BgpPeer } from '../../../domain/bgp/bgp-peer.ts';
import type { PlannedPeer } from '../../../plan/bgp/planned-peer.ts';
import type {
  OwnGracefulRestart,
  SessionConfig,
} from '../../../protocol/bgp/session/session-config.ts';
import type { ConnectOptions } from '../../../system/tcp/tcp.ts';
import type { AwaitedPeer } from '../connection/listeners.ts';

/** An attempt to connect is given up then, as in MetalLB. */
const CONNECT_TIMEOUT_MS = 10_000;
const MAX_TTL = 255;

/** What a session of this peer is made with. */
export function sessionConfigOf(
  peer: BgpPeer,
  defaultRouterId: number,
  gracefulRestart: OwnGracefulRestart,
): SessionConfig {
  return {
    localAsn: localAsnOf(peer),
    peerAsn: peer.peerAsn,
    routerId: peer.routerId ?? defaultRouterId,
    holdTimeMs: peer.holdTimeMs,
    keepaliveMs: peer.keepaliveMs,
    connectRetryMs: peer.connectRetryMs,
    passive: peer.passive,
    families: familiesOf(peer),
    extendedNextHop: isOverIPv6(peer),
    gracefulRestart: peer.gracefulRestart ? gracefulRestart : undefined,
  };
}

/** A local AS takes the place of this side's own altogether: the peer never sees `myASN`. */
export function localAsnOf({ localAsn, myAsn }: BgpPeer): number {
  return localAsn ?? myAsn;
}

/** That of the peer's address, as in MetalLB; both where asked for and without a numbered address. */
function familiesOf({ remote, bothFamilies }: BgpPeer): readonly Family[] {
  return remote.kind === 'interface' || bothFamilies ? [4, 6] : [familyOf(remote.address)];
}

function isOverIPv6({ remote }: BgpPeer): boolean {
  return remote.kind === 'interface' || familyOf(remote.address) === 6;
}

/** How the connection to a peer is opened. */
export function connectOptionsOf({ peer, password }: PlannedPeer, remote: Address): ConnectOptions {
  return {
    remote,
    port: peer.port,
    interface: peer.remote.kind === 'interface' ? peer.remote.name : undefined,
    device: peer.vrf,
    local: peer.sourceAddress,
    md5: password?.(),
    ...distanceOf(peer),
    timeoutMs: CONNECT_TIMEOUT_MS,
  };
}

/** Who is waited for. */
export function awaitedOf(
  { peer, password }: PlannedPeer,
  address: Address,
  onConnection: AwaitedPeer['onConnection'],
): AwaitedPeer {
  return {
    address,
    interface: peer.remote.kind === 'interface' ? peer.remote.name : undefined,
    device: peer.vrf,
    md5: password?.(),
    ...distanceOf(peer),
    onConnection,
  };
}

/**
 * A peer of another AS is on the link unless multihop says otherwise, so that nobody farther away is
 * answered; RFC 5082 turns it round: what is received must not have come from afar.
 */
function distanceOf(peer: BgpPeer): { readonly ttl: number; readonly minTtl?: number } {
  const { ttlSecurityHops, multihop } = peer;
  if (ttlSecurityHops !== undefined) return { ttl: MAX_TTL, minTtl: MAX_TTL + 1 - ttlSecurityHops };
  return { ttl: multihop || isInternal(peer) ? MAX_TTL : 1 };
}

export function isInternal(peer: BgpPeer): boolean {
  return peer.peerAsn === 'internal' || peer.peerAsn === localAsnOf(peer);
}
