import { type Family, familyOf } from '../address.ts';
import type { BgpPeer } from './bgp-peer.ts';

const BOTH: readonly Family[] = [4, 6];

/** Families of routes that a session with a peer carries, by MetalLB's rule. */
export function sessionFamilies({ remote, bothFamilies }: BgpPeer): readonly Family[] {
  return bothFamilies || remote.kind === 'interface' ? BOTH : [familyOf(remote.address)];
}
