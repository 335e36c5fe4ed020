import type { Address } from '../../domain/address.ts';
import type { ObjectKey } from '../../domain/object.ts';
import type { WithholdReason } from '../announcing/reasons.ts';

/** Whether this box should tell routers that an address is reached through it. */
export interface PlannedBgpVip {
  readonly address: Address;
  /** Services that hold the address, sorted; several share it. */
  readonly services: readonly ObjectKey[];
  readonly announce: boolean;
  /** Empty when announced. */
  readonly reason: WithholdReason;
  /** Texts of the prefixes that bring traffic for it here, sorted; empty when not announced. */
  readonly prefixes: readonly string[];
  /** Keys of the BGPAdvertisements by which this box may announce it, sorted. */
  readonly advertisements: readonly ObjectKey[];
  /**
   * Names of the BGPPeers that are to get a route to it, sorted, whatever their sessions are doing now;
   * empty when not announced.
   */
  readonly peers: readonly string[];
}
