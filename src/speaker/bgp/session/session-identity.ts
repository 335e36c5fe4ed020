import { createHash } from 'node:crypto';
import { type Address, formatAddress } from '../../../domain/address.ts';
import type { BgpRemote } from '../../../domain/bgp/bgp-peer.ts';
import type { PlannedPeer } from '../../../plan/bgp/planned-peer.ts';

/**
 * Everything of a peer that its session is made with, as one text: when it differs, the session has to
 * begin anew. What is not here (whom advertisements choose, BFD's profile, how often to try) changes while
 * the session goes on.
 */
export function sessionIdentity({ peer, password }: PlannedPeer): string {
  return JSON.stringify([
    peer.localAsn ?? peer.myAsn,
    peer.peerAsn,
    remoteText(peer.remote),
    textOf(peer.sourceAddress),
    peer.port,
    peer.routerId,
    peer.holdTimeMs,
    peer.keepaliveMs,
    peer.multihop,
    peer.vrf,
    peer.gracefulRestart,
    peer.bothFamilies,
    peer.passive,
    peer.ttlSecurityHops,
    password && createHash('sha256').update(password()).digest('hex'),
  ]);
}

export function remoteText(remote: BgpRemote): string {
  return remote.kind === 'address' ? formatAddress(remote.address) : `interface ${remote.name}`;
}

function textOf(address: Address | undefined): string | undefined {
  return address === undefined ? undefined : formatAddress(address);
}
