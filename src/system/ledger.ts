import { type FileHandle, mkdir, open, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { openReplacement, syncFolder, writeFully } from './files.ts';
import type { Json } from './json.ts';
import { encodeLine, type LedgerChange, type LedgerDamage, replay } from './ledger-line.ts';

/** The writing end of a ledger; one a file at a time, held by a lock. */
export interface LedgerWriter {
  readonly entries: ReadonlyMap<string, Json>;
  /** What the replay at the start could not use; the entries are what was left. */
  readonly damage: readonly LedgerDamage[];
  /** Appends and (when durable) syncs; rejects with nothing changed, on disk or in `entries`. */
  put(changes: Iterable<readonly [string, Json | undefined]>): Promise<void>;
  close(): Promise<void>;
}

/** A reading end, in the same process or another. */
export interface LedgerReader {
  readonly entries: ReadonlyMap<string, Json>;
  /** Lines of the file as it is now that could not be used. */
  readonly damage: readonly LedgerDamage[];
  /** Why the file could not be read at the last try (it is tried again every second), else undefined. */
  readonly failure: Error | undefined;
  close(): void;
}

/** A file smaller than this is never compacted. */
const COMPACT_MIN_BYTES = 256 * 1024;
/** A file is compacted when it is this many times as long as what it says. */
const COMPACT_FACTOR = 4;
/** Puts that wait for the disk; one more is refused, since its caller does not await. */
const MAX_WAITING_PUTS = 1024;

export interface LedgerOptions {
  /** True: a put has survived a power cut when it resolves. False for what lives in memory (`/run`). */
  readonly durable: boolean;
  /** The lock that makes this the only writer; given back by `close`. */
  readonly lock?: { release(): void | Promise<void> };
}

/** A file being written: everything up to `length` is acknowledged. */
interface LedgerFile {
  readonly path: string;
  readonly durable: boolean;
  handle: FileHandle;
  length: number;
  /** True when the bytes after `length`, or the file as a whole, can no longer be trusted. */
  suspect: boolean;
  /** No compaction below this length, so that a full disk is not asked again with every put. */
  compactAbove: number;
}

/** What the entries are, and how many bytes each takes. */
interface Contents {
  readonly entries: Map<string, Json>;
  readonly sizes: Map<string, number>;
  live: number;
}

/**
 * Opens a ledger for writing, creates it (and its folder) when it is not there, and replays it: the
 * last value of a key wins; an unfinished write at the end is cut off; a line that fails its checksum
 * is skipped. What was cut or skipped stands in `damage`. Rejects only with errors of the file system.
 */
export async function openLedger(path: string, options: LedgerOptions): Promise<LedgerWriter> {
  await mkdir(dirname(path), { recursive: true });
  await rm(`${path}.new`, { force: true });
  const { file, contents, damage } = await load(path, options.durable);
  let queue: Promise<unknown> = Promise.resolve();
  let waiting = 0;
  let closed = false;

  function put(changes: Iterable<readonly [string, Json | undefined]>): Promise<void> {
    const batch = new Map(changes);
    if (batch.size === 0) return Promise.resolve();
    if (closed) return Promise.reject(refusal(path, 'it is closed'));
    if (waiting >= MAX_WAITING_PUTS)
      return Promise.reject(refusal(path, `${waiting} puts are waiting; await them`));
    waiting += 1;
    const done = queue.then(() => append(file, contents, batch)).finally(() => (waiting -= 1));
    queue = done.then(() => compactIfWorth(file, contents)).catch(() => undefined);
    return done;
  }

  async function close(): Promise<void> {
    closed = true;
    await queue;
    await file.handle.close();
    await options.lock?.release();
  }

  return { entries: contents.entries, damage, put, close };
}

async function load(path: string, durable: boolean) {
  const handle = await open(path, 'a+', 0o640).then(async (created) => {
    await created.close();
    return open(path, 'r+');
  });
  try {
    const bytes = await handle.readFile();
    const { changes, length, damage } = replay(bytes);
    if (length < bytes.length) await handle.truncate(length);
    // After a crash the page cache may hold a put that the disk does not; from here on it is acted on.
    if (durable) {
      await handle.sync();
      await syncFolder(dirname(path));
    }
    const contents: Contents = { entries: new Map(), sizes: new Map(), live: 0 };
    for (const change of changes) apply(contents, change);
    const file = { path, durable, handle, length, suspect: false, compactAbove: COMPACT_MIN_BYTES };
    return { file, contents, damage };
  } catch (cause) {
    await handle.close();
    throw cause;
  }
}

async function append(
  file: LedgerFile,
  contents: Contents,
  batch: ReadonlyMap<string, Json | undefined>,
): Promise<void> {
  const changes = encodeBatch(batch);
  const bytes = Buffer.concat(changes.map(({ line }) => line));
  if (file.suspect || !(await isUndisturbed(file))) await rewrite(file, contents);
  let written = false;
  try {
    await writeFully(file.handle, bytes, file.length);
    written = true;
    if (file.durable) await file.handle.datasync();
  } catch (cause) {
    await rollBack(file, written);
    throw writeError(file.path, cause);
  }
  file.length += bytes.length;
  for (const { key, value, line } of changes) apply(contents, { key, value, bytes: line.length });
}

function encodeBatch(batch: ReadonlyMap<string, Json | undefined>) {
  let left = batch.size;
  return [...batch].map(([key, value]) => {
    left -= 1;
    return { key, value, line: encodeLine(key, value, left > 0) };
  });
}

function apply(contents: Contents, { key, value, bytes }: LedgerChange) {
  const { entries, sizes } = contents;
  contents.live -= sizes.get(key) ?? 0;
  if (value === undefined) {
    entries.delete(key);
    sizes.delete(key);
  } else {
    entries.set(key, value);
    sizes.set(key, bytes);
    contents.live += bytes;
  }
}

/** Takes a failed append back. A write that failed is unfinished; one whose sync failed may be whole. */
async function rollBack(file: LedgerFile, whole: boolean): Promise<void> {
  file.suspect = whole;
  try {
    await file.handle.truncate(file.length);
    if (whole) await file.handle.datasync();
  } catch {
    file.suspect = true;
  }
}

/** False when the file was removed, replaced, cut or written to by somebody else. */
async function isUndisturbed(file: LedgerFile): Promise<boolean> {
  const [named, held] = await Promise.all([
    stat(file.path, { bigint: true }).catch(() => undefined),
    file.handle.stat({ bigint: true }),
  ]);
  return named?.ino === held.ino && named.dev === held.dev && Number(held.size) === file.length;
}

/** Says everything anew in a new file, and takes that from here on. Rejects with the old file in place. */
async function rewrite(file: LedgerFile, contents: Contents): Promise<void> {
  const lines = [...contents.entries].map(([key, value]) => encodeLine(key, value, false));
  const bytes = Buffer.concat(lines);
  const fresh = await openReplacement(file.path, bytes, file).catch((cause) => {
    throw writeError(file.path, cause);
  });
  const old = file.handle;
  file.handle = fresh;
  file.length = bytes.length;
  for (const [index, key] of [...contents.entries.keys()].entries())
    contents.sizes.set(key, lines[index]?.length ?? 0);
  contents.live = bytes.length;
  // Until the folder is synced, a power cut would bring the old file back, without later puts.
  file.suspect = true;
  await old.close().catch(() => undefined);
  if (file.durable) await syncFolder(dirname(file.path));
  file.suspect = false;
}

async function compactIfWorth(file: LedgerFile, contents: Contents): Promise<void> {
  if (file.length <= file.compactAbove || file.length <= contents.live * COMPACT_FACTOR) return;
  file.compactAbove = file.length + COMPACT_MIN_BYTES;
  await rewrite(file, contents);
  file.compactAbove = COMPACT_MIN_BYTES;
}

function writeError(path: string, cause: unknown): Error {
  const { code, message } = cause as NodeJS.ErrnoException;
  const error = new Error(`Cannot write the ledger "${path}": ${message}`, { cause });
  return Object.assign(error, { code });
}

function refusal(path: string, why: string): Error {
  return Object.assign(new Error(`Cannot write the ledger "${path}": ${why}`), { code: 'EBUSY' });
}
