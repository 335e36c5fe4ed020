import { formatAddress, ipv4 } from '../../domain/address.ts';
import type { BgpPeer } from '../../domain/bgp/bgp-peer.ts';
import type { Labels } from '../../domain/object.ts';
import { choosesBox } from '../announcing/by-pool.ts';
import { byAge } from './by-age.ts';
import type { Fault } from './fault.ts';

/** The BGPPeers that choose a box. */
export interface OwnPeers {
  /** The older first. */
  readonly inForce: readonly BgpPeer[];
  readonly refused: ReadonlyMap<BgpPeer, Fault>;
}

/**
 * What MetalLB's admission refuses (`peersCanRunOnSameNode`): peers of one box must be different routers,
 * with one router ID, and one AS of this side in each VRF. Of two that contradict one another the older
 * counts, which was there before the other could be refused; of the same age the first by name.
 * Without `labels` the box is one that everything chooses.
 */
export function ownPeers(peers: Iterable<BgpPeer>, labels: Labels | undefined): OwnPeers {
  const inForce: BgpPeer[] = [];
  const refused = new Map<BgpPeer, Fault>();
  const own = [...peers].filter(({ nodeSelectors }) => choosesBox(nodeSelectors, labels));
  for (const peer of own.sort(byAge)) {
    const fault = firstOf(inForce, (older) => contradiction(peer, older));
    if (fault) refused.set(peer, fault);
    else inForce.push(peer);
  }
  return { inForce, refused };
}

function firstOf<T, R>(items: readonly T[], find: (item: T) => R | undefined): R | undefined {
  for (const item of items) {
    const found = find(item);
    if (found !== undefined) return found;
  }
  return undefined;
}

function contradiction(peer: BgpPeer, older: BgpPeer): Fault | undefined {
  const other = `BGPPeer "${older.name}"`;
  if (remoteText(peer) === remoteText(older) && peer.vrf === older.vrf)
    return {
      field: peer.remote.kind === 'address' ? 'spec.peerAddress' : 'spec.interface',
      message: `${other} speaks to "${remoteText(peer)}" already`,
      remedy: 'Delete one of the two, or give them nodeSelectors that share no box',
    };
  if (peer.routerId !== older.routerId)
    return {
      field: 'spec.routerID',
      message: `It ${routerIdText(peer)}, and ${other} ${routerIdText(older)}, on the same box`,
      remedy: 'Give all peers of a box the same router ID',
    };
  if (peer.myAsn !== older.myAsn && peer.vrf === older.vrf)
    return {
      field: 'spec.myASN',
      message: `It says "${peer.myAsn}", and ${other} says "${older.myAsn}" in the same VRF of a box`,
      remedy: 'Say the same myASN in both, and another AS for one peer by localASN',
    };
  return undefined;
}

function remoteText({ remote }: BgpPeer): string {
  return remote.kind === 'address' ? formatAddress(remote.address) : remote.name;
}

function routerIdText({ routerId }: BgpPeer): string {
  return routerId === undefined ? 'has none' : `has "${formatAddress(ipv4(routerId))}"`;
}
