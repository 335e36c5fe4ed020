import type { Log } from '../../domain/log.ts';
import type { Json } from '../../system/json.ts';
import { type LedgerWriter, openLedger } from '../../system/ledger.ts';
import { watchLedger } from '../../system/watch-ledger.ts';
import type { Claim, Holder } from '../claim.ts';
import { decodeObject, isKind } from '../decode/cluster-object.ts';

/**
 * What was in force when the process ended: one entry an object, with its file and its JSON. So a
 * process that starts while a file is half-written or broken still has that file's objects, and of
 * two files with the same object the same one counts as before.
 */
export interface LastGood {
  /** The claims that an earlier process took from this file. */
  claimsOf(file: string): Claim[];
  /** All files that claims were taken from. */
  files(): Iterable<string>;
  /** True when an earlier process took this object from this file. */
  wasInForce(identity: string, file: string): boolean;
  /** Notes what counts now. In the background: a lost note costs at worst an older version. */
  save(identities: Iterable<string>, inForce: (identity: string) => Holder | undefined): void;
  /** Forgets all objects that do not count. */
  saveOnly(inForce: (identity: string) => Holder | undefined): void;
  close(): Promise<void>;
}

interface Entry {
  readonly file: string;
  readonly written: string;
}

/** Objects put at once, so that the first start with a large folder does not block the loop. */
const BATCH = 256;

/** Opens the ledger at `path`; not writable, it is read once and left alone. */
export async function openLastGood(path: string, writable: boolean, log: Log): Promise<LastGood> {
  const writer = writable ? await openLedger(path, { durable: false }) : undefined;
  const earlier = readEntries(writer?.entries ?? readOnce(path));
  const byFile = Map.groupBy(earlier, ([, { file }]) => file);
  /** What the file says when all that is under way is written. */
  const saved = new Map(earlier);
  /** What is not written yet; what could not be written is tried again with the next change. */
  const unsaved = new Map<string, Entry | undefined>();
  let saving: Promise<void> = Promise.resolve();

  function save(identities: Iterable<string>, inForce: (identity: string) => Holder | undefined) {
    if (writer === undefined) return;
    for (const identity of identities) {
      const entry = entryOf(inForce(identity));
      if (isSame(saved.get(identity), entry)) continue;
      if (entry) saved.set(identity, entry);
      else saved.delete(identity);
      unsaved.set(identity, entry);
    }
    if (unsaved.size > 0) saving = saving.then(() => putAll(writer, unsaved, log));
  }

  return {
    claimsOf: (file) =>
      (byFile.get(file) ?? []).flatMap(([identity, entry]) => claim(identity, entry)),
    files: () => byFile.keys(),
    wasInForce: (identity, file) => earlier.get(identity)?.file === file,
    save,
    saveOnly: (inForce) => save([...saved.keys()], inForce),
    async close() {
      await saving;
      await writer?.close();
    },
  };
}

function readOnce(path: string): ReadonlyMap<string, Json> {
  const reader = watchLedger(path, () => {});
  reader.close();
  return reader.entries;
}

function readEntries(entries: ReadonlyMap<string, Json>): Map<string, Entry> {
  const read = new Map<string, Entry>();
  for (const [identity, value] of entries) {
    const { file, written } = { ...(value as object) } as Partial<Entry>;
    if (typeof file === 'string' && typeof written === 'string')
      read.set(identity, { file, written });
  }
  return read;
}

function entryOf(holder: Holder | undefined): Entry | undefined {
  const written = holder?.claim.written;
  return holder && written !== undefined ? { file: holder.document, written } : undefined;
}

function isSame(a: Entry | undefined, b: Entry | undefined): boolean {
  return a?.file === b?.file && a?.written === b?.written;
}

async function putAll(
  writer: LedgerWriter,
  unsaved: Map<string, Entry | undefined>,
  log: Log,
): Promise<void> {
  try {
    while (unsaved.size > 0) {
      const batch = [...unsaved].slice(0, BATCH);
      await writer.put(batch.map(([identity, entry]) => [identity, entry && { ...entry }]));
      for (const [identity, entry] of batch)
        if (unsaved.get(identity) === entry) unsaved.delete(identity);
    }
  } catch (cause) {
    log.warn('Cannot save the last good manifests; a restart with a broken file would miss them', {
      error: (cause as Error).message,
    });
  }
}

function claim(identity: string, { file, written }: Entry): Claim[] {
  const kind = identity.slice(0, identity.indexOf(' '));
  if (!isKind(kind)) return [];
  const { value } = decodeObject(kind, parseJson(written));
  return value ? [{ object: value, position: { file }, wasInForce: true, written }] : [];
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
