import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { watchFolder } from './files.ts';
import type { Json } from './json.ts';
import type { LedgerReader } from './ledger.ts';
import { type LedgerDamage, type Replay, replay } from './ledger-line.ts';

/** How often the file is looked at without an event, should inotify have lost one. */
const POLL_MS = 1000;

/** How far a file has been read. */
interface Position {
  /** Tells this file from one that has replaced it. */
  readonly identity: string;
  readonly offset: number;
  readonly lines: number;
}

/**
 * Follows a ledger that this or another process writes. `entries` are there when this returns;
 * `onChange` is then called with the keys that changed, a few milliseconds after a put and never
 * during this call. The file (and its folder) need not exist yet; one that is removed leaves the
 * entries as they were, since nothing was said about them. An unfinished put is never delivered.
 */
export function watchLedger(
  path: string,
  onChange: (changedKeys: ReadonlySet<string>) => void,
): LedgerReader {
  let position: Position = { identity: '', offset: 0, lines: 0 };
  let damage: readonly LedgerDamage[] = [];
  let failure: Error | undefined;
  const entries = new Map<string, Json>();

  function refresh(): Set<string> {
    const news = read();
    if (news === undefined) return new Set();
    position = news.position;
    damage = news.fromStart ? corruptOf(news) : [...damage, ...corruptOf(news)];
    return news.fromStart ? replaceAll(entries, news) : applyChanges(entries, news);
  }

  function read(): News | undefined {
    failure = undefined;
    try {
      return readNews(path, position);
    } catch (cause) {
      failure = cause as Error;
      return undefined;
    }
  }

  function deliver() {
    const changed = refresh();
    if (changed.size > 0) onChange(changed);
  }

  const name = basename(path);
  const watch = watchFolder(dirname(path), (entry) => {
    if (entry === undefined || entry === name) deliver();
  });
  refresh();
  const timer = setInterval(deliver, POLL_MS).unref();
  return {
    entries,
    get damage() {
      return damage;
    },
    get failure() {
      return failure;
    },
    close() {
      clearInterval(timer);
      watch.close();
    },
  };
}

interface News extends Replay {
  readonly position: Position;
  readonly fromStart: boolean;
}

/** Reads what is new since `from`; `undefined` when there is no file or nothing new in it. */
function readNews(path: string, from: Position): News | undefined {
  const descriptor = openIfThere(path);
  if (descriptor === undefined) return undefined;
  try {
    const stat = fstatSync(descriptor, { bigint: true });
    const identity = `${stat.dev}:${stat.ino}:${stat.birthtimeNs}`;
    const size = Number(stat.size);
    if (identity === from.identity && size === from.offset) return undefined;
    if (identity === from.identity && size > from.offset) {
      const news = readFrom(descriptor, from, size);
      // A bad line here may mean that the writer took a put back and wrote another in its place.
      if (news.damage.every(({ kind }) => kind === 'torn')) return { ...news, fromStart: false };
    }
    return {
      ...readFrom(descriptor, { identity, offset: 0, lines: 0 }, size),
      fromStart: true,
    };
  } finally {
    closeSync(descriptor);
  }
}

function openIfThere(path: string): number | undefined {
  try {
    return openSync(path, 'r');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw cause;
  }
}

function readFrom(descriptor: number, { identity, offset, lines }: Position, size: number) {
  const bytes = Buffer.alloc(size - offset);
  let read = 0;
  while (read < bytes.length) {
    const count = readSync(descriptor, bytes, read, bytes.length - read, offset + read);
    if (count === 0) break;
    read += count;
  }
  const news = replay(bytes.subarray(0, read), lines + 1);
  return {
    ...news,
    position: { identity, offset: offset + news.length, lines: lines + news.lines },
  };
}

function corruptOf({ damage }: Replay): readonly LedgerDamage[] {
  return damage.filter(({ kind }) => kind === 'corrupt');
}

function applyChanges(entries: Map<string, Json>, { changes }: Replay): Set<string> {
  const changed = new Set<string>();
  for (const { key, value } of changes) {
    if (isDeepStrictEqual(entries.get(key), value)) continue;
    changed.add(key);
    if (value === undefined) entries.delete(key);
    else entries.set(key, value);
  }
  return changed;
}

/** As `applyChanges`, from an empty beginning; equal values keep their identity. */
function replaceAll(entries: Map<string, Json>, { changes }: Replay): Set<string> {
  const latest = new Map<string, Json>();
  for (const { key, value } of changes) {
    if (value === undefined) latest.delete(key);
    else latest.set(key, value);
  }
  const gone = [...entries.keys()].filter((key) => !latest.has(key));
  const said = [...latest, ...gone.map((key) => [key, undefined] as const)];
  const list = said.map(([key, value]) => ({ key, value, bytes: 0 }));
  return applyChanges(entries, { changes: list, length: 0, lines: 0, damage: [] });
}
