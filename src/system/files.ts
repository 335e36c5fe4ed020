import { type FSWatcher, statSync, watch } from 'node:fs';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';

/** How often a watched folder is checked for having been replaced, or watched again after a failure. */
const FOLDER_RECHECK_MS = 1000;

/** Writes all of `bytes` at `position`; a short write is continued until it is whole or fails. */
export async function writeFully(
  handle: FileHandle,
  bytes: Uint8Array,
  position: number,
): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await handle.write(bytes, done, bytes.length - done, position + done);
    done += bytesWritten;
  }
}

/** Makes a folder's entries (a creation, a rename) survive a power cut. */
export async function syncFolder(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/**
 * Replaces a file whole, and returns the new one open: a reader, or a crash at any instant, finds the
 * old content or the new. The new content stands in `<path>.new` until then; one writer a file is the
 * caller's promise, and so is syncing the folder where the replacement must survive a power cut.
 * Rejects with the old content in place.
 */
export async function openReplacement(
  path: string,
  bytes: Uint8Array,
  options: { readonly durable: boolean },
): Promise<FileHandle> {
  const fresh = `${path}.new`;
  const handle = await open(fresh, 'w', 0o640);
  try {
    await writeFully(handle, bytes, 0);
    if (options.durable) await handle.sync();
    await rename(fresh, path);
    return handle;
  } catch (cause) {
    await handle.close();
    // What cannot be removed is overwritten by the next attempt; the first error is the one to tell.
    await rm(fresh, { force: true }).catch(() => undefined);
    throw cause;
  }
}

export interface FolderWatch {
  /** Why the folder is not watched now (it does not exist, inotify is exhausted); else undefined. */
  readonly failure: Error | undefined;
  close(): void;
}

/**
 * Calls back with the name of each entry of one folder that is created, written, moved or removed.
 * `undefined` means that events may have been missed and everything should be looked at again: the
 * folder has appeared, was replaced, or cannot be watched, in which case that comes every second.
 * Never keeps the process alive by itself.
 */
export function watchFolder(
  path: string,
  onEvent: (name: string | undefined) => void,
): FolderWatch {
  let watcher: FSWatcher | undefined;
  let identity = '';
  let failure: Error | undefined;

  function disarm(cause: Error) {
    watcher?.close();
    watcher = undefined;
    identity = '';
    failure = cause;
  }

  function arm() {
    try {
      watcher = watch(path, { persistent: false }, (_type, name) => onEvent(name ?? undefined));
      watcher.on('error', disarm);
      identity = folderIdentity(path);
      failure = undefined;
    } catch (cause) {
      disarm(cause as Error);
    }
  }

  function recheck() {
    if (watcher !== undefined && identity === folderIdentity(path)) return;
    watcher?.close();
    watcher = undefined;
    arm();
    onEvent(undefined);
  }

  arm();
  const timer = setInterval(recheck, FOLDER_RECHECK_MS).unref();
  return {
    get failure() {
      return failure;
    },
    close() {
      clearInterval(timer);
      watcher?.close();
    },
  };
}

function folderIdentity(path: string): string {
  const stat = statSync(path, { bigint: true, throwIfNoEntry: false });
  return stat ? `${stat.dev}:${stat.ino}:${stat.birthtimeNs}` : '';
}
