import type { Clock } from '../../../domain/clock.ts';
import type { Log } from '../../../domain/log.ts';
import type { ObjectKey } from '../../../domain/object.ts';
import { openDiskMap } from '../../../system/disk-map.ts';
import type { Json } from '../../../system/json.ts';
import { encodeLine } from '../../../system/ledger-line.ts';
import type { Kind } from '../../decode/cluster-object.ts';
import type { KubeObject } from '../kube-object.ts';
import { essentialsOf } from './essentials.ts';

/**
 * What was last seen of the cluster, on disk, so that a box that restarts while the API server is away
 * goes on as before. No Secrets. Best effort: what is lost costs at worst an older version.
 */
export interface Memory {
  /** A line for `put`; `undefined` when the object is too large to be remembered. */
  encode(kind: Kind, key: ObjectKey, object: KubeObject): Uint8Array | undefined;
  put(kind: Kind, key: ObjectKey, line: Uint8Array): void;
  delete(kind: Kind, key: ObjectKey): void;
  setLife(box: string, life: RememberedLife): void;
  /** Whose objects these are from now on. */
  setCluster(cluster: ClusterMark): void;
  /**
   * What an earlier process saw, when that was by this server; until `isWanted` says no. Returns which
   * cluster it was; `undefined` when there is nothing.
   */
  recall(
    server: string,
    visit: Recollection,
    isWanted: () => boolean,
  ): Promise<ClusterMark | undefined>;
  /** Forgets all objects but these. */
  keepOnly(keys: ReadonlyMap<Kind, ReadonlySet<ObjectKey>>): void;
  /** Writes what waits, as far as the disk takes it. */
  close(): Promise<void>;
}

/** `alive`, or the renewTime of the last heartbeat of a box that is dead (empty: none). */
export type RememberedLife = string;

/** Tells one cluster from another. */
export interface ClusterMark {
  /** `https://10.0.0.1:6443` */
  readonly server: string;
  /** Of the namespace kube-system. */
  readonly uid: string;
}

export interface Recollection {
  object(kind: string, key: ObjectKey, object: Json): void;
  life(box: string, life: RememberedLife): void;
}

export interface MemoryOptions {
  readonly path: string;
  readonly breathe: () => Promise<void> | undefined;
  readonly clock: Clock;
  readonly log: Log;
}

/** Changes are collected for so long, or until they have so many bytes; no more are written at once. */
export const WRITE_EVERY_MS = 5000;
const BATCH_BYTES = 1024 * 1024;
/** While the disk takes nothing, no more waits than this. */
const MAX_WAITING_BYTES = 64 * 1024 * 1024;
const RETRY_MS = 60_000;

/** Key of the {@link ClusterMark}; objects have `<kind> <key>`, and whether a box lives `Life <name>`. */
const CLUSTER = 'Cluster';
const LIFE = 'Life';

/** Rejects when the file cannot be opened. */
export async function openMemory({ path, breathe, clock, log }: MemoryOptions): Promise<Memory> {
  const map = await openDiskMap(path, breathe);
  const waiting = new Map<string, Uint8Array | undefined>();
  let waitingBytes = 0;
  let cancel: (() => void) | undefined;
  let busy: Promise<void> | undefined;
  let isFailing = false;

  function set(name: string, line: Uint8Array | undefined) {
    waitingBytes += (line?.length ?? 0) - (waiting.get(name)?.length ?? 0);
    waiting.set(name, line);
    if (waitingBytes > MAX_WAITING_BYTES) drop();
    else if (waitingBytes > BATCH_BYTES && !isFailing) flush();
    else cancel ??= clock.after(isFailing ? RETRY_MS : WRITE_EVERY_MS, flush);
  }

  function drop() {
    log.warn('Cannot save what was seen of the cluster; it is left as it was', { path });
    waiting.clear();
    waitingBytes = 0;
  }

  function flush() {
    cancel?.();
    cancel = undefined;
    if (!busy) occupy(writeAll());
  }

  /** One thing at a time: what is read must not be moved by what is written. */
  function occupy(work: Promise<unknown>) {
    busy = work.then(
      () => release(),
      () => release(),
    );
  }

  function release() {
    busy = undefined;
    if (waiting.size > 0) cancel ??= clock.after(isFailing ? RETRY_MS : WRITE_EVERY_MS, flush);
  }

  async function writeAll() {
    do await write();
    while (waiting.size > 0 && !isFailing);
  }

  function takeBatch() {
    const lines = new Map<string, Uint8Array | undefined>();
    let bytes = 0;
    for (const [name, line] of waiting) {
      if (bytes > BATCH_BYTES) break;
      bytes += line?.length ?? 0;
      lines.set(name, line);
      waiting.delete(name);
    }
    waitingBytes -= bytes;
    return lines;
  }

  async function write() {
    const lines = takeBatch();
    try {
      await map.write(lines);
      isFailing = false;
    } catch (error) {
      const isNews = !isFailing;
      isFailing = true;
      for (const [name, line] of lines) if (!waiting.has(name)) set(name, line);
      if (!isNews) return;
      const meaning =
        'a restart while the API server is away would begin with what was saved before';
      log.warn(`Cannot save what was seen of the cluster; ${meaning}`, { path, error });
    }
  }

  async function findMark(): Promise<ClusterMark | undefined> {
    let mark: Json | undefined;
    await map.read((name, value) => {
      if (name === CLUSTER) mark = value;
      return mark === undefined;
    });
    return mark as ClusterMark | undefined;
  }

  async function readAll(...[server, visit, isWanted]: Parameters<Memory['recall']>) {
    const mark = await findMark();
    if (mark?.server !== server) return undefined;
    await map.read((name, value) => {
      const [kind = '', key = ''] = name.split(' ');
      if (kind === LIFE) visit.life(key, typeof value === 'string' ? value : '');
      else if (kind !== CLUSTER) visit.object(kind, key, value);
      return isWanted();
    });
    return mark;
  }

  return {
    encode(kind, key, object) {
      try {
        return encodeLine(`${kind} ${key}`, essentialsOf(kind, object), false);
      } catch (error) {
        if (error instanceof RangeError) return undefined;
        throw error;
      }
    },
    put: (kind, key, line) => set(`${kind} ${key}`, line),
    delete: (kind, key) => set(`${kind} ${key}`, undefined),
    setLife: (box, life) => set(`${LIFE} ${box}`, encodeLine(`${LIFE} ${box}`, life, false)),
    setCluster: (mark) => set(CLUSTER, encodeLine(CLUSTER, { ...mark }, false)),
    async recall(server, visit, isWanted) {
      while (busy) await busy;
      const reading = readAll(server, visit, isWanted);
      occupy(reading);
      return reading;
    },
    keepOnly(keys) {
      for (const name of map.keys()) {
        const [kind = '', key = ''] = name.split(' ');
        if (kind === CLUSTER || waiting.has(name)) continue;
        const ofKind = kind === LIFE ? 'EdgeNode' : (kind as Kind);
        if (!keys.get(ofKind)?.has(key)) set(name, undefined);
      }
    },
    async close() {
      cancel?.();
      while (busy) await busy;
      await writeAll();
      cancel?.();
      await map.close();
    },
  };
}
