import { join } from 'node:path';
import { type Address, formatAddress, parseAddress } from '../domain/address.ts';
import type { ObjectKey } from '../domain/object.ts';
import type { VipAnnouncement, VipServing } from '../domain/observed.ts';
import type { Condition } from '../domain/service.ts';
import { conditionReason } from '../domain/service-conditions.ts';
import type { Json } from '../system/json.ts';
import {
  decodeAnnouncement,
  decodeServing,
  FORWARDER_REPORT,
  READY_KEY,
  SPEAKER_REPORT,
} from '../system/reports.ts';
import { watchLedger } from '../system/watch-ledger.ts';

/** How something stands, as a condition says it. */
export type Verdict = Pick<Condition, 'status' | 'reason' | 'message'>;

/** What those who forward and announce report. */
export interface Observed {
  /** Whether an address of a Service has usable backends. */
  serving(service: ObjectKey, address: Address): Verdict;
  /** Whether the network is told where it is. */
  announced(service: ObjectKey, address: Address): Verdict;
  /** Who still announces a Service: as long as there is anybody, its addresses cannot be given away. */
  announcers(service: ObjectKey): readonly string[];
  /** Changes are collected for so long before they are written as conditions, ms. */
  readonly settleMs: number;
  subscribe(listener: (concerned: Concerned) => void): () => void;
  close(): void;
}

/** Whom a change of reports concerns. */
export type Concerned =
  | { readonly addresses: readonly Address[] }
  | { readonly services: Iterable<ObjectKey> }
  | 'all';

/** Of one box, whose changes are milliseconds apart. */
const REPORTS_SETTLE_MS = 200;

/** Follows the reports of this box, in its run directory, which need not be there yet. */
export function watchObserved(runDir: string): Observed {
  const listeners = new Set<(concerned: Concerned) => void>();
  const tell = (keys: ReadonlySet<string>) => {
    const addresses = [...keys].map(parseAddress).filter((address) => address !== undefined);
    for (const listener of [...listeners]) listener(keys.has(READY_KEY) ? 'all' : { addresses });
  };
  const forwarder = watchLedger(join(runDir, FORWARDER_REPORT), tell);
  const speaker = watchLedger(join(runDir, SPEAKER_REPORT), tell);
  return {
    serving: (_, address) =>
      servingVerdict(
        address,
        decodeServing(forwarder.entries.get(formatAddress(address))),
        isReady(forwarder.entries.get(READY_KEY)),
      ),
    announced: (_, address) =>
      announcedVerdict(address, decodeAnnouncement(speaker.entries.get(formatAddress(address)))),
    // One box alone, where nothing is deleted in two steps.
    announcers: () => [],
    settleMs: REPORTS_SETTLE_MS,
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

/** What the forwarder's report says; `ready`: it has said all that it knows. */
export function servingVerdict(
  address: Address,
  report: Pick<VipServing, 'servable' | 'reason'> | undefined,
  ready: boolean,
): Verdict {
  const text = formatAddress(address);
  if (report) return report.servable ? served(text) : notServed(text, report.reason);
  return ready
    ? {
        status: 'Unknown',
        reason: 'notForwarded',
        message: `The forwarder on this box has not reported on ${text}`,
      }
    : {
        status: 'Unknown',
        reason: 'forwarderNotReady',
        message: 'The forwarder on this box is not ready. Look at the log of the role "forwarder"',
      };
}

export function served(text: string): Verdict {
  return { status: 'True', reason: 'Serving', message: `${text} has usable backends` };
}

export function notServed(text: string, why: string): Verdict {
  const remedy =
    'See by "tidegate explain service" which backends there are and why each is not used';
  return {
    status: 'False',
    reason: conditionReason(why, 'NotServing'),
    message: `${text} has no usable backend: ${why || 'no reason given'}. ${remedy}`,
  };
}

/** What the speaker's report says. */
export function announcedVerdict(
  address: Address,
  report: Pick<VipAnnouncement, 'announced' | 'interfaces' | 'peers' | 'reason'> | undefined,
): Verdict {
  const text = formatAddress(address);
  if (!report) {
    const message = `The speaker on this box has not reported on ${text}`;
    const remedy = 'Look at the log of the role "speaker"';
    return { status: 'Unknown', reason: 'notReported', message: `${message}. ${remedy}` };
  }
  if (report.announced) {
    const places = [
      ...(report.interfaces.length > 0 ? [`on ${report.interfaces.join(', ')}`] : []),
      ...(report.peers.length > 0 ? [`by BGP to ${report.peers.join(', ')}`] : []),
    ];
    const message = `${text} ${places.join(' and ') || 'on no interface'}`;
    return { status: 'True', reason: 'Announced', message };
  }
  const message = `${text} is not announced: ${report.reason || 'no reason given'}`;
  return {
    status: 'False',
    reason: conditionReason(report.reason, 'NotAnnounced'),
    message: `${message}. See by "tidegate explain service" what is missing`,
  };
}

function isReady(json: Json | undefined): boolean {
  const isObject = typeof json === 'object' && json !== null && !Array.isArray(json);
  return isObject && (json as { readonly [key: string]: Json })['ready'] === true;
}
