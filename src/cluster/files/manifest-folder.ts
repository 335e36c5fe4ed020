import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Clock } from '../../domain/clock.ts';
import { createFolderWatch, type Suspicion } from './folder-watch.ts';
import { createManifestFiles, type FileNews } from './manifest-files.ts';

export interface FolderNews {
  /** By path relative to the root. */
  readonly files: ReadonlyMap<string, FileNews>;
  /** All folders and links that cannot be read now; the empty path is the root. */
  readonly errors: ReadonlyMap<string, Error>;
  /** Why changes are seen late, if so. */
  readonly watchFailure: Error | undefined;
}

export interface ManifestFolderOptions {
  /** An absolute path. It need not exist yet. */
  readonly root: string;
  readonly clock: Clock;
  /** Called with one batch at a time. The first one holds everything, and comes before opening resolves. */
  readonly onNews: (news: FolderNews) => Promise<void>;
  /** Lets other work have its turn when it is time for that; awaited between files. */
  readonly breathe: () => Promise<void> | undefined;
}

interface News {
  readonly news: FileNews;
  readonly signature: string | undefined;
}

export interface ManifestFolder {
  /** Ends all watching; resolves when the batch under way is done. */
  close(): Promise<void>;
}

/** Edits that follow one another so closely become one batch … */
const QUIET_MS = 10;
/** … which waits for no more edits after so long. */
const MAX_DELAY_MS = 50;
/** Everything is looked at anew in this interval, should events have been lost (network file systems). */
const RESCAN_MS = 3000;
/** A rescan that took long waits so many times longer for the next: half a percent of a core. */
const RESCAN_PAUSES = 200;
/** The same, where folders cannot be watched. */
const BLIND_RESCAN_MS = 1000;

/**
 * Follows the manifest files below a folder. A file is read when its writer has closed it or moved it
 * there, never while it is being written. Files are read one by one with pauses, which suits a local
 * disk. A folder that cannot be read, the root included, leaves its files as they were.
 */
export async function openManifestFolder(options: ManifestFolderOptions): Promise<ManifestFolder> {
  const { root, clock, onNews, breathe } = options;
  const suspects = new Set<string>();
  const waiting = new Map<string, () => void>();
  let everything = true;
  let firstSuspicionMs: number | undefined;
  let cancelStart = () => {};
  let running: Promise<void> | undefined;
  let closed = false;
  const watch = createFolderWatch(root, clock, onSuspicion);
  const files = createManifestFiles(root, watch, clock, breathe);

  function onSuspicion(suspicion: Suspicion) {
    for (const path of suspicion.paths) suspects.add(path);
    everything ||= suspicion.everything;
    const now = clock.monotonicMs();
    firstSuspicionMs ??= now;
    cancelStart();
    const left = firstSuspicionMs + MAX_DELAY_MS - now;
    cancelStart = clock.after(Math.max(0, Math.min(QUIET_MS, left)), start);
  }

  function start() {
    if (closed || running || !(everything || suspects.size > 0)) return;
    running = run().finally(() => {
      running = undefined;
      start();
    });
  }

  async function run() {
    const listed = everything;
    everything = false;
    firstSuspicionMs = undefined;
    const paths = new Set(suspects);
    suspects.clear();
    if (listed) for (const path of await files.list()) paths.add(path);
    const found = new Map<string, News>();
    for (const path of paths) {
      const finding = files.examine(path);
      if (finding.kind === 'news') found.set(path, finding);
      if (finding.kind === 'list again') onSuspicion({ paths: new Set(), everything: true });
      if (finding.kind === 'not yet') lookAgain(path, finding.waitMs);
      await breathe();
    }
    // In the turn after, all events of what was written while we read have been delivered.
    await nextTurn();
    for (const [path, { news, signature }] of found) {
      if (news.kind !== 'text' || files.isCurrent(path, signature ?? '')) continue;
      found.delete(path);
      lookAgain(path, QUIET_MS);
    }
    if (found.size > 0 || listed) await tell(found);
  }

  async function tell(found: ReadonlyMap<string, News>) {
    await onNews({
      files: new Map([...found].map(([path, { news }]) => [path, news])),
      errors: files.errors,
      watchFailure: watch.failure,
    });
    for (const [path, { signature }] of found) files.told(path, signature);
  }

  function lookAgain(path: string, waitMs: number) {
    waiting.get(path)?.();
    const look = () => {
      waiting.delete(path);
      onSuspicion({ paths: new Set([path]), everything: false });
    };
    waiting.set(path, clock.after(waitMs, look));
  }

  function rescanLater(tookMs: number) {
    if (closed) return;
    const pauseMs = Math.max(RESCAN_MS, RESCAN_PAUSES * tookMs);
    clock.after(watch.failure ? BLIND_RESCAN_MS : pauseMs, async () => {
      const startedMs = clock.monotonicMs();
      everything = true;
      start();
      await running;
      rescanLater(clock.monotonicMs() - startedMs);
    });
  }

  start();
  await running;
  rescanLater(0);
  return {
    async close() {
      closed = true;
      cancelStart();
      for (const cancel of waiting.values()) cancel();
      await running;
      watch.close();
    },
  };
}
