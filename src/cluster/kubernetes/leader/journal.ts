import { type Address, formatAddress, parseAddress } from '../../../domain/address.ts';
import type { ObjectKey } from '../../../domain/object.ts';

/**
 * A change of one Service's addresses that may be under way. It stands in the journal before its
 * request is sent, so that who leads next can see to it that the request comes too late.
 */
export interface JournalEntry {
  readonly service: ObjectKey;
  readonly uid: string;
  /**
   * The version of the Service that the decision was made on, and the one that every request of this
   * entry asks for: known before the entry was noted, never a newer one.
   */
  readonly resourceVersion: string;
  /** What the Service may hold when a request of this entry arrives. */
  readonly addresses: readonly Address[];
}

/** What an earlier leader had under way. */
export interface Journal {
  readonly entries: readonly JournalEntry[];
  /**
   * False when it is not known what was under way: somebody has deleted the Lease or edited the journal,
   * or a later version wrote it. Then any Service may have a request on its way.
   */
  readonly complete: boolean;
}

/** Annotation of the Lease that holds the journal. */
export const JOURNAL_ANNOTATION = 'tidegate.io/journal';

/** No more are under way at a time. */
export const JOURNAL_MAX_ENTRIES = 500;

/** Of the text. Kubernetes allows 256 KiB for all annotations of an object together. */
export const JOURNAL_MAX_BYTES = 200 * 1024;

export type Pending = ReadonlyMap<ObjectKey, JournalEntry>;

/** The pending ones with others that are begun. */
export function withEntries(pending: Pending, entries: Iterable<JournalEntry>): Pending {
  const all = new Map(pending);
  for (const entry of entries) {
    const before = all.get(entry.service);
    const joined = before && sameTarget(before, entry) ? before.addresses : [];
    all.set(entry.service, { ...entry, addresses: [...new Set([...joined, ...entry.addresses])] });
  }
  return all;
}

/** The pending ones without those that are ended; of another version of the same Service they stay. */
export function withoutEntries(pending: Pending, entries: Iterable<JournalEntry>): Pending {
  const rest = new Map(pending);
  for (const entry of entries) {
    const known = rest.get(entry.service);
    if (known && sameTarget(known, entry)) rest.delete(entry.service);
  }
  return rest;
}

/** True when the requests of both ask for the same version of the same object. */
function sameTarget(a: JournalEntry, b: JournalEntry): boolean {
  return a.uid === b.uid && a.resourceVersion === b.resourceVersion;
}

/** Text for the annotation. */
export function encodeJournal(pending: Pending): string {
  const entries = [...pending.values()].map(({ service, uid, resourceVersion, addresses }) => [
    service,
    uid,
    resourceVersion,
    ...addresses.map(formatAddress),
  ]);
  return JSON.stringify({ v: VERSION, entries });
}

const VERSION = 1;

/** Why the journal cannot take so much; `undefined` when it can. */
export function objectionTo(pending: Pending): string | undefined {
  if (pending.size > JOURNAL_MAX_ENTRIES) {
    return `${pending.size} address changes would be under way, more than ${JOURNAL_MAX_ENTRIES}`;
  }
  const bytes = Buffer.byteLength(encodeJournal(pending));
  return bytes > JOURNAL_MAX_BYTES
    ? `The journal would have ${bytes} bytes, more than ${JOURNAL_MAX_BYTES}`
    : undefined;
}

/**
 * Reads the annotation. What cannot be read entirely counts as not complete, and so does a missing
 * one: a leader always leaves one behind.
 */
export function decodeJournal(text: string | undefined): Journal {
  const value = text === undefined ? undefined : parse(text);
  if (!isRecord(value) || value['v'] !== VERSION || !Array.isArray(value['entries'])) {
    return { entries: [], complete: false };
  }
  const read = value['entries'].map(decodeEntry);
  const entries = read.filter((entry) => entry !== undefined);
  return { entries, complete: entries.length === read.length };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}

function decodeEntry(value: unknown): JournalEntry | undefined {
  if (!Array.isArray(value) || !value.every((part) => typeof part === 'string')) return undefined;
  const [service, uid, resourceVersion, ...texts] = value as string[];
  const addresses = texts.map(parseAddress).filter((address) => address !== undefined);
  if (!service || !uid || !resourceVersion || addresses.length < texts.length) return undefined;
  return { service, uid, resourceVersion, addresses };
}
