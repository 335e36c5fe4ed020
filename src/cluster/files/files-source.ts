import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import type { Clock } from '../../domain/clock.ts';
import type { ClusterSource } from '../../domain/cluster-source.ts';
import { ALONE } from '../../domain/leadership.ts';
import type { Log } from '../../domain/log.ts';
import type { Problem } from '../../domain/problem.ts';
import { createBreather } from '../breathe.ts';
import { logProblems } from '../log-problems.ts';
import { createStore, type Store } from '../store.ts';
import { emptied, type FileState, nextFileState, restoredFileState } from './file-state.ts';
import { type LastGood, openLastGood } from './last-good.ts';
import type { FileNews } from './manifest-files.ts';
import { type FolderNews, openManifestFolder } from './manifest-folder.ts';
import { openStatusLedger } from './status-ledger.ts';
import { isBelow } from './walk-folder.ts';

export interface FilesSourceOptions {
  /** Folder of manifests, watched with all folders below it. */
  readonly path: string;
  /** Ledger of Service statuses; `last-good.ledger` stands beside it. Outside of `path`. */
  readonly statusLedger: string;
  /** True in the one process that writes statuses (the controller's); others follow it. */
  readonly writable: boolean;
  readonly clock: Clock;
  readonly log: Log;
}

/** An emptied file keeps its objects for so long: it is most likely about to be written. */
const EMPTY_SETTLE_MS = 1000;
const ALL_WRITTEN: ReadonlyMap<string, Error> = new Map();
/** Where the store keeps what is wrong with the folder; no file of it has such a path. */
const FOLDER_DOCUMENT = '/folder';

/**
 * The cluster from a folder of manifests. Resolves when everything there has been read. A file that
 * is half-written, broken or gone unreadable leaves what it last said in force; the reason stands
 * among the snapshot's problems, and in the log when it comes and when it goes. Rejects when the
 * status ledger cannot be opened (`ELOCKED`: another process writes it).
 */
export async function openFilesSource(options: FilesSourceOptions): Promise<ClusterSource> {
  const { path, statusLedger, writable, clock, log } = options;
  const store = createStore();
  const undo: Array<() => unknown> = [logProblems(store, log)];
  let stopped: Promise<void> | undefined;

  async function stop() {
    for (const step of undo.toReversed()) await step();
  }

  try {
    const statuses = await openStatusLedger(statusLedger, writable, store);
    undo.push(statuses.close);
    const saved = join(dirname(statusLedger), 'last-good.ledger');
    const lastGood = await openLastGood(saved, writable, log);
    undo.push(lastGood.close);
    const breathe = createBreather(clock);
    const manifests = createManifests({ ...options, store, lastGood, breathe });
    undo.push(manifests.stop);
    const root = resolve(path);
    const folder = await openManifestFolder({ root, clock, breathe, onNews: manifests.take });
    undo.push(folder.close);
    return {
      current: store.current,
      subscribe: store.subscribe,
      leadership: ALONE,
      async writeStatuses(changes) {
        await statuses.write(changes);
        return ALL_WRITTEN;
      },
      // Pools have no status in a folder; problems stand in the log and the admin API.
      reportConfiguration: () => {},
      stop() {
        stopped ??= stop();
        return stopped;
      },
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

interface ManifestsOptions {
  readonly path: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly store: Store;
  readonly lastGood: LastGood;
  readonly breathe: () => Promise<void> | undefined;
}

/** Keeps the state of each file, and says it to the store; a batch of files in one revision. */
function createManifests({ path, clock, log, store, lastGood, breathe }: ManifestsOptions) {
  const states = new Map<string, FileState>();
  const settling = new Map<string, () => void>();
  /** Files that are there only as an earlier process saw them, since their folder cannot be read. */
  const restored = new Set<string>();
  let isFirst = true;

  function read(file: string, news: FileNews): Promise<FileState | undefined> {
    return nextFileState(states.get(file), news, {
      shownPath: join(path, file),
      former: () => (isFirst ? lastGood.claimsOf(file) : []),
      wasInForce: (identity) => lastGood.wasInForce(identity, file),
      breathe,
    });
  }

  /** Puts a file's new state in force. Returns the objects concerned. */
  function keep(file: string, state: FileState | undefined): ReadonlySet<string> {
    settling.get(file)?.();
    settling.delete(file);
    if (state === undefined) states.delete(file);
    else states.set(file, state);
    if (state?.isEmptied)
      settling.set(
        file,
        clock.after(EMPTY_SETTLE_MS, () => empty(file)),
      );
    for (const kind of state?.ignored ?? []) log.debug(`${kind} is not read`, { file });
    return store.replace(file, state?.claims ?? [], state?.problems ?? []);
  }

  function empty(file: string) {
    const state = states.get(file);
    if (state) lastGood.save(keep(file, emptied(state)), store.inForce);
  }

  async function take(news: FolderNews): Promise<void> {
    const next = new Map<string, FileState | undefined>();
    for (const [file, change] of news.files) {
      next.set(file, await read(file, change));
      await breathe();
    }
    const concerned = new Set<string>();
    for (const [file, state] of next) {
      restored.delete(file);
      for (const identity of keep(file, state)) concerned.add(identity);
    }
    if (isFirst) restoreHidden(news.errors);
    else for (const identity of dropRestored(news.errors)) concerned.add(identity);
    store.replace(FOLDER_DOCUMENT, [], folderProblems(news, path));
    store.publish();
    if (isFirst) lastGood.saveOnly(store.inForce);
    lastGood.save(concerned, store.inForce);
    isFirst = false;
  }

  function restoreHidden(errors: ReadonlyMap<string, Error>) {
    for (const file of lastGood.files()) {
      if (states.has(file) || !isBelow(file, errors.keys())) continue;
      restored.add(file);
      keep(file, restoredFileState(lastGood.claimsOf(file), join(path, file)));
    }
  }

  /** Their folder can be read again: what is not in it has gone while nobody was looking. */
  function* dropRestored(errors: ReadonlyMap<string, Error>) {
    for (const file of restored) {
      if (isBelow(file, errors.keys())) continue;
      restored.delete(file);
      if (!existsSync(join(path, file))) yield* keep(file, undefined);
    }
  }

  return {
    take,
    stop() {
      for (const cancel of settling.values()) cancel();
    },
  };
}

function folderProblems({ errors, watchFailure }: FolderNews, path: string): Problem[] {
  const problems = [...errors].map(
    ([folder, error]): Problem => ({
      severity: 'error',
      position: { file: join(path, folder) },
      message: `Cannot be read: ${error.message}`,
      remedy: 'Make it readable; until then everything in it stays as it was',
    }),
  );
  if (watchFailure) {
    problems.push({
      severity: 'warning',
      position: { file: path },
      message: `Cannot be watched: ${watchFailure.message}`,
      remedy: 'Raise fs.inotify.max_user_watches; until then an edit takes effect within a second',
    });
  }
  return problems;
}
