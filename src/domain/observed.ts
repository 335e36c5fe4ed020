import type { Address } from './address.ts';
import type { ObjectKey } from './object.ts';

/**
 * What roles tell one another on a box, through reports in the run directory (`system/ledger.ts`):
 * the forwarder says which VIPs it can serve, the speaker which it announces. The controller turns
 * both into conditions; the speaker announces only what is servable. The run directory lives as long
 * as the pinned BPF maps (until reboot), so a report stays true while its writer is being restarted.
 */
export interface VipServing {
  readonly address: Address;
  readonly service: ObjectKey;
  readonly servable: boolean;
  readonly usableBackends: number;
  readonly backends: number;
  /** Why not, in MetalLB's words where it has one (`noEndpoints`); empty when servable. */
  readonly reason: string;
  /** The snapshot's revision this was planned from. */
  readonly revision: number;
}

export interface VipAnnouncement {
  readonly address: Address;
  /** By either way. */
  readonly announced: boolean;
  /** Where ARP and neighbour discovery are answered for it. */
  readonly interfaces: readonly string[];
  /** Names of the BGPPeers that have a route to it, sorted. */
  readonly peers: readonly string[];
  /** Why not (`noEndpoints`, `noIPAllocated`, …); empty when announced. */
  readonly reason: string;
  /** ms since 1970 of the last change of `announced`. */
  readonly sinceMs: number;
}
