import { join } from 'node:path';
import { type Address, formatAddress, parseAddress } from '../domain/address.ts';
import type { VipAnnouncement, VipServing } from '../domain/observed.ts';
import type { Json } from '../system/json.ts';
import {
  decodeAnnouncement,
  decodeServing,
  FORWARDER_REPORT,
  READY_KEY,
  SPEAKER_REPORT,
} from '../system/reports.ts';
import { watchLedger } from '../system/watch-ledger.ts';

/** What the other roles of this box report; `undefined` where they have said nothing. */
export interface Observed {
  serving(address: Address): VipServing | undefined;
  announcement(address: Address): VipAnnouncement | undefined;
  forwarderReady(): boolean;
  /** Calls back with the addresses of each change, or with nothing when all are concerned. */
  subscribe(listener: (addresses: readonly Address[] | undefined) => void): () => void;
  close(): void;
}

/** Follows the reports in the run directory, which need not be there yet. */
export function watchObserved(runDir: string): Observed {
  const listeners = new Set<(addresses: readonly Address[] | undefined) => void>();
  const tell = (keys: ReadonlySet<string>) => {
    const addresses = [...keys].map(parseAddress).filter((address) => address !== undefined);
    const concerned = keys.has(READY_KEY) ? undefined : addresses;
    for (const listener of [...listeners]) listener(concerned);
  };
  const forwarder = watchLedger(join(runDir, FORWARDER_REPORT), tell);
  const speaker = watchLedger(join(runDir, SPEAKER_REPORT), tell);
  return {
    serving: (address) => decodeServing(forwarder.entries.get(formatAddress(address))),
    announcement: (address) => decodeAnnouncement(speaker.entries.get(formatAddress(address))),
    forwarderReady: () => isReady(forwarder.entries.get(READY_KEY)),
    subscribe(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    close() {
      forwarder.close();
      speaker.close();
    },
  };
}

function isReady(json: Json | undefined): boolean {
  const isObject = typeof json === 'object' && json !== null && !Array.isArray(json);
  return isObject && (json as { readonly [key: string]: Json })['ready'] === true;
}
