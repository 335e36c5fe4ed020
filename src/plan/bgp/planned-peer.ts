import type { BfdProfile } from '../../domain/bgp/bfd-profile.ts';
import type { BgpPeer } from '../../domain/bgp/bgp-peer.ts';

/** A router that this box is to speak to. The same object while nothing that it is made of changed. */
export interface PlannedPeer {
  readonly peer: BgpPeer;
  /**
   * `undefined` also when the profile that the peer names was never there: slower, but it works. One that
   * is deleted stays until the peer names another, or none.
   */
  readonly bfd: BfdProfile | undefined;
  /** Of TCP MD5, 1 to 80 octets; behind a function, so that nothing can print it. */
  readonly password: (() => Uint8Array) | undefined;
  /** Of BFD's keyed SHA1, 1 to 20 octets. */
  readonly bfdKey: (() => Uint8Array) | undefined;
  /**
   * In words, why no session can be begun (its Secret is missing); empty: nothing. One that is up goes on
   * meanwhile, unless `refused`: what is missing may be about to come back.
   */
  readonly obstacle: string;
  /** Another BGPPeer is in its place: no session, and no routes. */
  readonly refused: boolean;
}
