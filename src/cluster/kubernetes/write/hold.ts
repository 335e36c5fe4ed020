import type { Address } from '../../../domain/address.ts';
import type { ObjectKey } from '../../../domain/object.ts';
import type { JournalEntry } from '../leader/journal.ts';
import { addressesOf } from '../status/api-status.ts';
import type { StatusBase } from '../status/status-base.ts';
import type { StatusPatch } from '../status/status-patch.ts';

/** Addresses that a Service may have, after a write that failed: nobody else is to get them. */
export interface Hold {
  readonly uid: string;
  /** The version that the write was to change; nothing is known as long as there is no other. */
  readonly resourceVersion: string;
  readonly addresses: readonly Address[];
  /** Those of them that it has and is to lose: the only ones in question once there is another version. */
  readonly leaving: readonly Address[];
  /** `undefined` when it is known that nothing will arrive any more. */
  readonly underWay: UnderWay | undefined;
  /** There is another version, which we have not seen yet. */
  readonly stale: boolean;
  /** Another version with such an address has been seen, and whoever decides has been told of it. */
  readonly told: boolean;
}

/** What was sent and may still arrive. */
export interface UnderWay {
  readonly patch: StatusPatch;
  readonly entry: JournalEntry;
}

/**
 * How a hold stands, by the newest that is known of its Service. `arrived`: it has an address by what
 * was sent, and who decides does not know that yet, but will with the next batch.
 */
export type HoldState = 'over' | 'holds' | 'underWay' | 'arrived';

export function holdState(hold: Hold, base: StatusBase | undefined): HoldState {
  if (base?.uid !== hold.uid) return 'over';
  // Every write makes a new version: what was sent has arrived, or will be refused.
  if (base.resourceVersion === hold.resourceVersion) return hold.underWay ? 'underWay' : 'holds';
  const held = addressesOf(base);
  const has = (address: Address) => held.includes(address);
  if (hold.leaving.some(has)) return 'holds';
  return hold.addresses.some(has) && !hold.told ? 'arrived' : 'over';
}

/** Who may have which address, though a status does not say so: by failed writes and the journal. */
export function holdersOf(
  holds: ReadonlyMap<ObjectKey, Hold>,
  pending: ReadonlyMap<ObjectKey, JournalEntry>,
): ReadonlyMap<Address, ObjectKey> {
  const holders = new Map<Address, ObjectKey>();
  for (const [key, { addresses }] of [...pending, ...holds]) {
    for (const address of addresses) holders.set(address, key);
  }
  return holders;
}
