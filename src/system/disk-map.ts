import { type FileHandle, mkdir, open, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { writeFully } from './files.ts';
import type { Json } from './json.ts';
import { decodeLine, encodeLine, MAX_LINE_BYTES } from './ledger-line.ts';

/**
 * A map whose values stay on disk, for much that is written often and read hardly ever: a ledger
 * (ledger-line.ts) of which only keys and places are held in memory. Nothing is synced: a power cut
 * costs the last values. One process an instance.
 */
export interface DiskMap {
  keys(): Iterable<string>;
  /**
   * Appends lines of `encodeLine`, by their keys (`undefined` removes); what stands there already is
   * left out. Rejects with nothing changed in what `read` finds. One at a time.
   */
  write(lines: ReadonlyMap<string, Uint8Array | undefined>): Promise<void>;
  /** Calls back with each value, in no defined order, until that returns false. */
  read(visit: (key: string, value: Json) => boolean): Promise<void>;
  close(): Promise<void>;
}

/** Where a value stands. */
interface Place {
  readonly offset: number;
  readonly bytes: number;
  /** As in the line; a value is compared by it and by its length. */
  readonly checksum: string;
}

interface MapFile {
  readonly path: string;
  handle: FileHandle;
  length: number;
  /** Bytes of what counts. */
  live: number;
  readonly places: Map<string, Place>;
}

const PIECE_BYTES = 1024 * 1024;
/** A file smaller than this is never compacted, and a larger one when it is so many times its content. */
const COMPACT_MIN_BYTES = 4 * 1024 * 1024;
const COMPACT_FACTOR = 3;
const NEWLINE = 10;
/** `8f3a01bc"}` and the newline. */
const CHECKSUM_FROM_END = 11;

/** Opens the map, creates it (and its folder) when it is not there. `breathe` is awaited between values. */
export async function openDiskMap(
  path: string,
  breathe: () => Promise<void> | undefined,
): Promise<DiskMap> {
  await mkdir(dirname(path), { recursive: true });
  await (await open(path, 'a', 0o640)).close();
  const handle = await open(path, 'r+');
  const file: MapFile = { path, handle, length: 0, live: 0, places: new Map() };
  file.length = await eachLine(file, breathe, (bytes, offset) => {
    const line = decodeLine(bytes);
    if (line) note(file, line.key, placeOf(bytes, offset), line.value === undefined);
    return true;
  });
  return {
    keys: () => file.places.keys(),
    async write(lines) {
      await append(file, lines);
      if (file.length > COMPACT_MIN_BYTES && file.length > file.live * COMPACT_FACTOR) {
        await compact(file);
      }
    },
    async read(visit) {
      await eachLine(file, breathe, (bytes, offset) => {
        const line = decodeLine(bytes);
        if (line?.value === undefined) return true;
        return file.places.get(line.key)?.offset !== offset || visit(line.key, line.value);
      });
    },
    close: () => file.handle.close(),
  };
}

function note({ places }: MapFile, key: string, place: Place, isRemoval: boolean) {
  if (isRemoval) places.delete(key);
  else places.set(key, place);
}

/** Of a line without its newline. */
function placeOf(bytes: Buffer, offset: number): Place {
  const checksum = bytes.toString('latin1', bytes.length - CHECKSUM_FROM_END + 1, bytes.length - 2);
  return { offset, bytes: bytes.length + 1, checksum };
}

async function append(
  file: MapFile,
  lines: ReadonlyMap<string, Uint8Array | undefined>,
): Promise<void> {
  const { places, length } = file;
  const parts: Uint8Array[] = [];
  const changes: [key: string, place: Place, isRemoval: boolean][] = [];
  let end = length;
  for (const [key, value] of lines) {
    const before = places.get(key);
    const line = value ?? encodeLine(key, undefined, false);
    const place = placeOf(Buffer.from(line.buffer, line.byteOffset, line.length - 1), end);
    const isSame = value
      ? before?.checksum === place.checksum && before.bytes === place.bytes
      : before === undefined;
    if (isSame) continue;
    changes.push([key, place, value === undefined]);
    parts.push(line);
    end += line.length;
  }
  if (parts.length === 0) return;
  // At its place, not at the end: an attempt that failed half-way is written over.
  await writeFully(file.handle, Buffer.concat(parts), length);
  file.length = end;
  for (const [key, place, isRemoval] of changes) note(file, key, place, isRemoval);
  file.live = [...places.values()].reduce((sum, { bytes }) => sum + bytes, 0);
}

/** Copies what counts to a new file, and takes that from here on. */
async function compact(file: MapFile): Promise<void> {
  const fresh = await open(`${file.path}.new`, 'w+', 0o640);
  const places = new Map<string, Place>();
  let length = 0;
  try {
    for (const [key, place] of file.places) {
      const bytes = Buffer.alloc(place.bytes);
      await file.handle.read(bytes, 0, place.bytes, place.offset);
      await writeFully(fresh, bytes, length);
      places.set(key, { ...place, offset: length });
      length += place.bytes;
    }
    await rename(`${file.path}.new`, file.path);
  } catch (cause) {
    await fresh.close();
    throw cause;
  }
  await file.handle.close();
  for (const [key, place] of places) file.places.set(key, place);
  Object.assign(file, { handle: fresh, length, live: length });
}

/**
 * Calls back with each line, without its newline, and where it stands, until that returns false.
 * Resolves with the end of the last whole line.
 */
async function eachLine(
  file: MapFile,
  breathe: () => Promise<void> | undefined,
  visit: (bytes: Buffer, offset: number) => boolean,
): Promise<number> {
  const piece = Buffer.alloc(PIECE_BYTES);
  let rest = Buffer.alloc(0);
  let position = 0;
  for (;;) {
    const { bytesRead } = await file.handle.read(piece, 0, PIECE_BYTES, position);
    if (bytesRead === 0) break;
    const bytes = Buffer.concat([rest, piece.subarray(0, bytesRead)]);
    const begin = position - rest.length;
    position += bytesRead;
    let start = 0;
    for (let end = bytes.indexOf(NEWLINE); end >= 0; end = bytes.indexOf(NEWLINE, start)) {
      if (!visit(bytes.subarray(start, end), begin + start)) return position;
      start = end + 1;
      await breathe();
    }
    // Longer than any line: the file is damaged, and the next newline begins something readable.
    rest =
      bytes.length - start > MAX_LINE_BYTES ? Buffer.alloc(0) : Buffer.from(bytes.subarray(start));
  }
  return position - rest.length;
}
