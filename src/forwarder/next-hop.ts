import type { Address } from '../domain/address.ts';
import type { Mac } from '../domain/mac.ts';

/** How packets get to an address, as far as it is known. */
export type NextHop =
  | {
      readonly state: 'resolved';
      readonly ifindex: number;
      readonly destinationMac: Mac;
      readonly sourceMac: Mac;
      /** An address of this box, from which packets to it are sent. */
      readonly source: Address;
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
  /** True while packets may be sent from this address. */
  mayUseSource(address: Address): boolean;
}
