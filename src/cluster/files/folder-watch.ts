import { basename, dirname, join } from 'node:path';
import type { Clock } from '../../domain/clock.ts';
import { type FolderEvent, type Inotify, openInotify } from '../../system/inotify.ts';
import { isManifestName } from './walk-folder.ts';

/** What should be looked at after some events; paths are relative to the root. */
export interface Suspicion {
  /** Entries that may have appeared, changed or gone. */
  readonly paths: ReadonlySet<string>;
  /** Anything may have changed: a folder has gone, a link to one was swapped, events were lost. */
  readonly everything: boolean;
}

/** Watches the folders of a tree, and knows which files are just being written. */
export interface FolderWatch {
  /** Why changes are not told as they happen, if so. */
  readonly failure: Error | undefined;
  /** Watches these folders, and the places that links point to, and nothing else any more. */
  keepOnly(folders: ReadonlySet<string>, links: ReadonlyMap<string, readonly string[]>): void;
  /** Watches one more folder. */
  add(folder: string): void;
  /** How many ms from now a file may still be in its writer's hands; 0 when it is not. */
  writerHasMs(path: string): number;
  close(): void;
}

/** A file with new bytes that nobody closes is read after so long without another byte. */
const WRITER_PATIENCE_MS = 30_000;
/** A file that appeared and is neither written to nor closed, such as a link to an unnamed one. */
const CREATED_PATIENCE_MS = 1000;
/** Folders outside the tree that links may point to. */
const MAX_LINK_TARGETS = 256;

/** Why a folder is watched. One folder may have several roles, by several paths. */
type Role =
  | { readonly kind: 'parent of the root' }
  | { readonly kind: 'folder'; readonly folder: string }
  | { readonly kind: 'target'; readonly links: readonly string[] };

/** `onSuspicion` is called with each batch of events. `root` is an absolute path. */
export function createFolderWatch(
  root: string,
  clock: Clock,
  onSuspicion: (suspicion: Suspicion) => void,
): FolderWatch {
  const writers = new Map<string, number>();
  const roles = new Map<number, Role[]>();
  let inotify: Inotify | undefined;
  let failure: Error | undefined;

  function onEvents(events: readonly FolderEvent[]) {
    const paths = new Set<string>();
    let everything = false;
    for (const event of events) {
      const seen = [...(roles.get(event.watch) ?? [])].map((role) => onEvent(role, event, paths));
      everything ||= event.what === 'overflow' || seen.includes('everything');
      if (event.what === 'folder-gone') roles.delete(event.watch);
    }
    if (everything || paths.size > 0) onSuspicion({ paths, everything });
  }

  function onEvent(role: Role, { what, name }: FolderEvent, paths: Set<string>) {
    if (role.kind === 'target') for (const link of role.links) paths.add(link);
    if (role.kind === 'parent of the root' && name === basename(root)) return 'everything';
    if (role.kind !== 'folder') return 'known';
    // The inner side of a ConfigMap: `..data` is swapped, and with it what all links lead to.
    if (what === 'folder-gone' || name.startsWith('..')) return 'everything';
    if (name !== '' && !name.startsWith('.')) onEntry(join(role.folder, name), what, paths);
    return 'known';
  }

  function onEntry(path: string, what: FolderEvent['what'], paths: Set<string>) {
    if (!isManifestName(basename(path))) {
      if (what !== 'modified') paths.add(path);
      return;
    }
    const now = clock.monotonicMs();
    if (what === 'created') writers.set(path, now + CREATED_PATIENCE_MS);
    if (what === 'modified') writers.set(path, now + WRITER_PATIENCE_MS);
    if (what === 'ready' || what === 'gone') writers.delete(path);
    paths.add(path);
  }

  function begin(path: string, role: Role): number | undefined {
    try {
      inotify ??= openInotify(onEvents);
      const watch = inotify.watch(path);
      roles.set(watch, [...(roles.get(watch) ?? []), role]);
      return watch;
    } catch (cause) {
      const { code } = cause as NodeJS.ErrnoException;
      // What is not there is found missing by whoever lists it.
      if (code !== 'ENOENT' && code !== 'ENOTDIR') failure = cause as Error;
      return undefined;
    }
  }

  return {
    get failure() {
      return failure;
    },
    add: (folder) => void begin(join(root, folder), { kind: 'folder', folder }),
    keepOnly(folders, links) {
      const before = [...roles.keys()];
      roles.clear();
      failure = undefined;
      begin(dirname(root), { kind: 'parent of the root' });
      for (const folder of folders) begin(join(root, folder), { kind: 'folder', folder });
      for (const [target, list] of [...links].slice(0, MAX_LINK_TARGETS))
        begin(target, { kind: 'target', links: list });
      for (const watch of before) if (!roles.has(watch)) inotify?.unwatch(watch);
    },
    writerHasMs(path) {
      const left = (writers.get(path) ?? 0) - clock.monotonicMs();
      if (left <= 0) writers.delete(path);
      return Math.max(0, left);
    },
    close: () => inotify?.close(),
  };
}
