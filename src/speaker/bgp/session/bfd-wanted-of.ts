import type { Address } from '../../../domain/address.ts';
import type { PlannedPeer } from '../../../plan/bgp/planned-peer.ts';
import type { BfdWanted } from '../../bfd/bfd.ts';
import { isOnLink, type OwnAddress } from '../place/own-addresses.ts';
import { isInternal } from './session-config-of.ts';

/** Of BIRD and most routers; a key of ours has no other. */
const BFD_KEY_ID = 1;

/**
 * How the path to a peer is to be watched; `undefined`: not at all. As in FRR, peers of this side's AS are
 * watched across routers unless they are on the link.
 */
export function bfdWantedOf(
  { peer, bfd, bfdKey, refused }: PlannedPeer,
  remote: Address,
  own: readonly OwnAddress[],
): BfdWanted | undefined {
  if (!bfd || refused) return undefined;
  return {
    remote,
    local: peer.sourceAddress,
    interface: peer.remote.kind === 'interface' ? peer.remote.name : peer.vrf,
    multihop: peer.multihop || (isInternal(peer) && !isOnLink(remote, own)),
    profile: bfd,
    authentication: bfdKey && { kind: 'keyedSha1', keyId: BFD_KEY_ID, key: bfdKey },
  };
}
