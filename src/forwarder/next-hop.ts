import type { Address } from '../domain/address.ts';
import type { Mac } from '../domain/mac.ts';
import type { VlanTag } from '../protocol/rtnetlink/link.ts';

/** More tags than these (802.1ad: service and customer) the data plane does not write. */
export const VLANS_MAX = 2;

/** How packets get to an address, as far as it is known. */
export type NextHop =
  | {
      readonly state: 'resolved';
      /** Of the interface that carries the XDP program: for a VLAN device, of its parent. */
      readonly ifindex: number;
      /** Tags to send with, outermost first; at most `VLANS_MAX`, none where the way is untagged. */
      readonly vlans: readonly VlanTag[];
      readonly destinationMac: Mac;
      readonly sourceMac: Mac;
      /** Addresses of this box that packets to it may be sent from; at least one, in a fixed order. */
      readonly sources: readonly Address[];
      /** Bytes of the largest IP packet. */
      readonly mtu: number;
    }
  /** The kernel was asked; what was known before still counts. */
  | { readonly state: 'pending' }
  /** Why packets cannot go there: a sentence that names what to look at. */
  | { readonly state: 'unreachable'; readonly reason: string };

/** Keeps the next hops of the addresses that are followed, and tells when they change. */
export interface NextHops {
  /** Begins to keep this address's next hop. */
  follow(address: Address): void;
  unfollow(address: Address): void;
  /** `pending` for an address that is not followed. */
  get(address: Address): NextHop;
}
