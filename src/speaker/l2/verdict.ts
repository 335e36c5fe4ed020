import type { Address } from '../../domain/address.ts';
import type { Mac } from '../../domain/mac.ts';
import type { ArpDrop } from '../../protocol/arp.ts';
import type { EthernetDrop } from '../../protocol/ethernet.ts';
import type { NdpDrop } from '../../protocol/ndp.ts';

/** What answering needs to know of the interface a frame came in by. */
export interface Station {
  readonly mac: Mac;
  /** True for the address of any interface of this box, since two may hang on one wire. */
  isOwnMac(mac: Mac): boolean;
  isAnnounced(address: Address): boolean;
}

/** What to do about a frame. */
export type Verdict =
  | { readonly kind: 'answer'; readonly vip: Address; readonly frame: Uint8Array }
  /** Somebody else says that our VIP is theirs. */
  | { readonly kind: 'conflict'; readonly vip: Address; readonly mac: Mac }
  | { readonly kind: 'drop'; readonly reason: DropReason };

export type DropReason =
  | EthernetDrop
  | ArpDrop
  | NdpDrop
  /** Another type of frame than the socket is for. */
  | 'etherType'
  /** Addressed to another station. */
  | 'notForUs'
  /** Says to come from a group address, where nobody can be answered. */
  | 'sourceGroup'
  /** Ours, come back. */
  | 'ownFrame'
  /** A reply or advertisement that is about none of our VIPs. */
  | 'notRequest'
  /** Asks for an address that is not announced here. */
  | 'notVip';

export function drop(reason: DropReason): Verdict {
  return { kind: 'drop', reason };
}
