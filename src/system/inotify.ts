import { loadNative } from './native.ts';

/** What happened to an entry of a watched folder. */
export interface FolderEvent {
  /** Number of the watch, as `watch` gave it; -1 when the kernel lost events. */
  readonly watch: number;
  readonly what: /** Appeared under this name; a regular file is about to be written, a link is complete. */
    | 'created'
    /** Has new bytes and is still open for writing. */
    | 'modified'
    /** Was closed by its writer, or moved here: ready to be read. */
    | 'ready'
    /** Has other permissions, times or links, which says nothing about its bytes. */
    | 'attributes'
    /** Was removed or moved away. */
    | 'gone'
    /** The folder itself was removed or moved, or its watch has ended. */
    | 'folder-gone'
    /** Events were lost: everything must be looked at again. */
    | 'overflow';
  /** The entry's name in its folder; empty for events of the folder itself. */
  readonly name: string;
}

export interface Inotify {
  /** Watches a folder. Throws with `code` `ENOENT`, `ENOTDIR`, `EACCES`, `ENOSPC` (too many watches). */
  watch(path: string): number;
  /** Ends a watch; nothing when it has ended already. */
  unwatch(watch: number): void;
  /** Idempotent; nothing is delivered afterwards. */
  close(): void;
}

interface InotifyBinding {
  inotifyOpen(onEvents: (events: Uint8Array) => void): unknown;
  inotifyAdd(handle: unknown, path: string): number;
  inotifyRemove(handle: unknown, watch: number): void;
  inotifyClose(handle: unknown): void;
}

/** Watches folders by inotify(7). Unlike `fs.watch` it tells when a writer has closed a file. */
export function openInotify(onEvents: (events: readonly FolderEvent[]) => void): Inotify {
  const native = loadNative<InotifyBinding>();
  const handle = native.inotifyOpen((bytes) => onEvents(readEvents(bytes)));
  let closed = false;
  return {
    watch: (path) => native.inotifyAdd(handle, path),
    unwatch: (watch) => native.inotifyRemove(handle, watch),
    close() {
      if (!closed) native.inotifyClose(handle);
      closed = true;
    },
  };
}

const HEADER_BYTES = 16;

/** From `<linux/inotify.h>`; the order is that of looking. */
const MEANINGS: readonly (readonly [mask: number, what: FolderEvent['what']])[] = [
  [0x4000, 'overflow'], // IN_Q_OVERFLOW
  [0x8000 | 0x400 | 0x800, 'folder-gone'], // IN_IGNORED, IN_DELETE_SELF, IN_MOVE_SELF
  [0x200 | 0x40, 'gone'], // IN_DELETE, IN_MOVED_FROM
  [0x100, 'created'], // IN_CREATE
  [0x8 | 0x80, 'ready'], // IN_CLOSE_WRITE, IN_MOVED_TO
  [0x4, 'attributes'], // IN_ATTRIB
  [0x2, 'modified'], // IN_MODIFY
];

function readEvents(bytes: Uint8Array): FolderEvent[] {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const events: FolderEvent[] = [];
  for (let at = 0; at + HEADER_BYTES <= view.length; ) {
    const mask = view.readUInt32LE(at + 4);
    const end = at + HEADER_BYTES + view.readUInt32LE(at + 12);
    const name = view.toString('utf8', at + HEADER_BYTES, end).replace(/\0+$/, '');
    const what = MEANINGS.find(([bits]) => (mask & bits) !== 0)?.[1];
    if (what) events.push({ watch: view.readInt32LE(at), what, name });
    at = end;
  }
  return events;
}
