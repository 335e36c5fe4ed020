import { type BigIntStats, lstatSync, readFileSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { Clock } from '../../domain/clock.ts';
import type { FolderWatch } from './folder-watch.ts';
import { isBelow, isManifestName, signatureOf, walkFolder } from './walk-folder.ts';

/** What has become of a manifest file. */
export type FileNews =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'unreadable'; readonly error: Error }
  | { readonly kind: 'gone' };

/** What looking at a path gave. */
export type Finding =
  | { readonly kind: 'nothing new' }
  | { readonly kind: 'news'; readonly news: FileNews; readonly signature: string | undefined }
  /** Somebody is writing it, or is about to; look again after so long. */
  | { readonly kind: 'not yet'; readonly waitMs: number }
  /** A folder has come or gone. */
  | { readonly kind: 'list again' };

/** The files below a root, and which version of each has been told. All paths are relative to it. */
export interface ManifestFiles {
  /** Folders that could not be read when listed last. */
  readonly errors: ReadonlyMap<string, Error>;
  /** Lists everything anew; returns the paths worth looking at. */
  list(): Promise<Set<string>>;
  examine(path: string): Finding;
  /** False when a text that was found is being replaced, or was already. */
  isCurrent(path: string, signature: string): boolean;
  /** Notes that news were told, so that they are none any more. */
  told(path: string, signature: string | undefined): void;
}

const MAX_FILE_BYTES = 64 * 1024 * 1024;
/** A file has gone when it is missing for so long: git and editors remove a file to write it anew. */
const GONE_SETTLE_MS = 50;
const NOTHING_NEW: Finding = { kind: 'nothing new' };
const LIST_AGAIN: Finding = { kind: 'list again' };

export function createManifestFiles(
  root: string,
  watch: FolderWatch,
  clock: Clock,
  breathe: () => Promise<void> | undefined,
): ManifestFiles {
  const known = new Map<string, string>();
  const missingSinceMs = new Map<string, number>();
  let folders: ReadonlySet<string> = new Set();
  let errors: ReadonlyMap<string, Error> = new Map();

  /** What cannot be read is not known to be gone, nor is anything in it. */
  function isHidden(path: string): boolean {
    return isBelow(path, errors.keys());
  }

  function findText(path: string, stat: BigIntStats): Finding {
    const signature = signatureOf(stat);
    if (known.get(path) === signature) return NOTHING_NEW;
    const waitMs = watch.writerHasMs(path);
    // A link is complete when it is there; whoever writes what it leads to does that elsewhere.
    if (waitMs > 0 && !isLink(join(root, path))) return { kind: 'not yet', waitMs };
    if (stat.size > MAX_FILE_BYTES) {
      const error = new Error(`The file has ${stat.size} bytes, the limit is ${MAX_FILE_BYTES}`);
      return unreadable(path, error);
    }
    try {
      const bytes = readFileSync(join(root, path));
      const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
      return { kind: 'news', news: { kind: 'text', text }, signature };
    } catch (cause) {
      return unreadable(path, cause as Error);
    }
  }

  function unreadable(path: string, error: Error): Finding {
    const signature = `unreadable: ${error.message}`;
    if (known.get(path) === signature) return NOTHING_NEW;
    return { kind: 'news', news: { kind: 'unreadable', error }, signature };
  }

  function findMissing(path: string, cause: unknown): Finding {
    if (folders.has(path)) return LIST_AGAIN;
    const isThere = (cause as NodeJS.ErrnoException).code !== 'ENOENT' || isLink(join(root, path));
    if (isHidden(path)) return NOTHING_NEW;
    if (isThere) return isManifestPath(path) ? unreadable(path, cause as Error) : LIST_AGAIN;
    if (!known.has(path)) return NOTHING_NEW;
    const now = clock.monotonicMs();
    const sinceMs = missingSinceMs.get(path) ?? now;
    missingSinceMs.set(path, sinceMs);
    const waitMs = sinceMs + GONE_SETTLE_MS - now;
    if (waitMs > 0) return { kind: 'not yet', waitMs };
    return { kind: 'news', news: { kind: 'gone' }, signature: undefined };
  }

  return {
    get errors() {
      return errors;
    },
    async list() {
      const contents = await walkFolder(root, watch.add, breathe);
      watch.keepOnly(contents.folders, contents.links);
      folders = contents.folders;
      const unreadable = [...contents.errors.keys()].filter(isManifestPath);
      errors = new Map([...contents.errors].filter(([path]) => !isManifestPath(path)));
      const changed = [...contents.files].filter(([path, at]) => known.get(path) !== at);
      const missing = [...known.keys()].filter((path) => !contents.files.has(path));
      return new Set([...changed.map(([path]) => path), ...missing, ...unreadable]);
    },
    examine(path) {
      if (errors.has(path)) return LIST_AGAIN;
      try {
        const stat = statSync(join(root, path), { bigint: true });
        missingSinceMs.delete(path);
        if (stat.isDirectory()) return folders.has(path) ? NOTHING_NEW : LIST_AGAIN;
        return isManifestPath(path) ? findText(path, stat) : NOTHING_NEW;
      } catch (cause) {
        return findMissing(path, cause);
      }
    },
    isCurrent(path, signature) {
      if (watch.writerHasMs(path) > 0) return false;
      try {
        return signatureOf(statSync(join(root, path), { bigint: true })) === signature;
      } catch {
        return false;
      }
    },
    told(path, signature) {
      missingSinceMs.delete(path);
      if (signature === undefined) known.delete(path);
      else known.set(path, signature);
    },
  };
}

function isManifestPath(path: string): boolean {
  return isManifestName(basename(path));
}

function isLink(path: string): boolean {
  try {
    return lstatSync(path).isSymbolicLink();
  } catch {
    return false;
  }
}
