import type { Clock } from '../../../domain/clock.ts';
import { type ObjectKey, objectKey } from '../../../domain/object.ts';
import type { Problem } from '../../../domain/problem.ts';
import { sameObject } from '../../claim.ts';
import { type ClusterObject, decodeObject, type Kind } from '../../decode/cluster-object.ts';
import type { Store } from '../../store.ts';
import { isKubeObject, type KubeObject } from '../kube-object.ts';
import type { ReflectorSink } from '../reflector/reflector-sink.ts';
import { isOlder } from '../reflector/resource-version.ts';
import type { ServiceStatuses } from '../status/service-statuses.ts';
import { type StatusBase, statusBaseOf } from '../status/status-base.ts';
import type { Memory } from './remembered.ts';

export interface FeedOptions {
  readonly kind: Kind;
  readonly store: Pick<Store, 'put' | 'tell'>;
  readonly clock: Pick<Clock, 'monotonicMs'>;
  /** Awaited now and then in long work. */
  readonly breathe: () => Promise<void> | undefined;
  /** Rejects when the API server is not that of the cluster that was read so far. */
  readonly confirm: () => Promise<void>;
  /** A list came from a time before what was read: the history of the cluster is another. */
  readonly onRestored: () => void;
  readonly memory: Memory | undefined;
  /** Of the Services' feed. */
  readonly statuses?: ServiceStatuses;
  /** What is known of an object from elsewhere. */
  readonly complete?: (object: ClusterObject) => ClusterObject;
}

/** Objects of one kind on their way from a reflector to the store. */
export interface Feed {
  /** Reads an object at once, so that nobody holds its JSON; for the reflector. */
  readonly trim: (object: KubeObject) => KubeObject;
  readonly sink: ReflectorSink;
  /** What the API server answered to a write or a read of ours. */
  take(object: KubeObject): void;
  /** An object as an earlier process saw it. */
  recall(key: ObjectKey, object: unknown): void;
  /** What comes from elsewhere (`complete`) has changed for this object. */
  refresh(key: ObjectKey): void;
  /** Equal resourceVersions prove nothing any more; until the next complete list. */
  distrust(): void;
  readonly size: number;
  keys(): Iterable<ObjectKey>;
  /** There is nothing of this kind. */
  clear(): void;
}

/** An object that was read: instead of its JSON it has what that says, if that is not known already. */
interface ReadObject extends KubeObject {
  readonly said?: Said;
}

interface Said {
  /** `undefined` when it cannot be used. */
  readonly object: ClusterObject | undefined;
  readonly problems: readonly Problem[];
  readonly base: StatusBase | undefined;
  readonly line: Uint8Array | undefined;
}

/** What is known of one object. */
interface Entry {
  readonly uid: string;
  /** Empty when an earlier process saw it. */
  readonly resourceVersion: string;
  /** Its last good version; `undefined` when there was none. */
  readonly object: ClusterObject | undefined;
  /** When it was answered to a request of ours; such a version may be newer than a list. */
  readonly takenMs: number | undefined;
}

/** A list that is older than an answer of ours was begun before that; after so long it was not. */
const OWN_WRITE_GRACE_MS = 60_000;
/**
 * A server that has gone back in time, or knows of nothing any more, is believed when it still says so
 * after so long: it may be an older one behind the same address, or a proxy that answers by itself, and
 * gone again at the next request.
 */
export const PATIENCE_MS = 5_000;
/** Lists of other kinds that go back in time within this span belong to the same event. */
const RESTORE_SPAN_MS = 60_000;

export function createFeed(options: FeedOptions): Feed {
  const { kind, store, clock, memory, statuses, complete = (object) => object } = options;
  const entries = new Map<ObjectKey, Entry>();
  let trusts = true;
  /** Something complete is known: memories do not count any more. */
  let isListed = false;
  let restoredMs = Number.NEGATIVE_INFINITY;
  /** Since when every list is hard to believe. */
  let doubtSinceMs: number | undefined;

  function trim(object: KubeObject): ReadObject {
    const { name, namespace, uid, resourceVersion } = object.metadata;
    const place = namespace === undefined ? { name } : { name, namespace };
    const metadata = { ...place, uid, resourceVersion };
    const known = entries.get(keyOf(object));
    const isKnown = known?.uid === uid && known.resourceVersion === resourceVersion;
    return isKnown && trusts ? { metadata } : { metadata, said: read(object) };
  }

  function read(object: KubeObject): Said {
    const { value, problems } = decodeObject(kind, object);
    const base = statuses ? statusBaseOf(object) : undefined;
    const line = value && memory?.encode(kind, keyOf(object), object);
    return { object: value, problems, base, line };
  }

  async function replace(objects: readonly ReadObject[], version: string, isRestored: boolean) {
    await options.confirm();
    if (isRestored) {
      trusts = false;
      doubt('The API server has gone back in time');
    } else if (objects.length === 0 && entries.size > 0) {
      doubt(`The API server lists nothing, where there were ${entries.size}`);
    } else doubtSinceMs = undefined;
    const isNewHistory = isRestored || !trusts;
    if (isNewHistory && objects.some(({ said }) => said === undefined)) {
      trusts = false;
      throw new Error('The API server has gone back in time; everything is read again');
    }
    isListed = true;
    const gone = new Set(entries.keys());
    for (const object of objects) {
      const key = keyOf(object);
      gone.delete(key);
      if (isNewHistory || !isAfter(entries.get(key), version)) put(key, object, isNewHistory);
      await options.breathe();
    }
    for (const key of gone) if (isNewHistory || !isAfter(entries.get(key), version)) remove(key);
    trusts = true;
    doubtSinceMs = undefined;
    if (isRestored) tellRestored();
  }

  /** Throws until the server has said so for long enough. */
  function doubt(what: string) {
    const nowMs = clock.monotonicMs();
    doubtSinceMs ??= nowMs;
    if (nowMs - doubtSinceMs >= PATIENCE_MS) return;
    throw new Error(`${what}; it is believed when it still says so after ${PATIENCE_MS / 1000} s`);
  }

  /** Once for all kinds that go back in time together. */
  function tellRestored() {
    const nowMs = clock.monotonicMs();
    const isNews = nowMs - restoredMs > RESTORE_SPAN_MS;
    restoredMs = nowMs;
    if (isNews) options.onRestored();
  }

  /** Whether an answer to a request of ours is newer than a list of this version. */
  function isAfter(entry: Entry | undefined, version: string): boolean {
    if (entry?.takenMs === undefined || !isOlder(version, entry.resourceVersion)) return false;
    return clock.monotonicMs() - entry.takenMs < OWN_WRITE_GRACE_MS;
  }

  /** Puts what was read in force; a version that cannot be used leaves the one before it there. */
  function put(
    key: ObjectKey,
    { metadata, said }: ReadObject,
    isRestored = false,
    takenMs?: number,
  ) {
    if (!said) return;
    const before = entries.get(key);
    const { uid, resourceVersion } = metadata;
    const former = before?.uid === uid ? before.object : undefined;
    const object = said.object ? unlessSame(before?.object, complete(said.object)) : former;
    if (object !== before?.object) store.put(before?.object, object);
    store.tell(`${kind} ${key}`, said.object || !former ? said.problems : said.problems.map(kept));
    if (said.base) statuses?.set(key, said.base, isRestored);
    // Known only now: what something above throws at is to come again with the next list.
    entries.set(key, { uid, resourceVersion, object, takenMs });
    if (said.line) memory?.put(kind, key, said.line);
  }

  function remove(key: ObjectKey) {
    store.put(entries.get(key)?.object, undefined);
    entries.delete(key);
    store.tell(`${kind} ${key}`, []);
    statuses?.delete(key);
    memory?.delete(kind, key);
  }

  return {
    trim,
    sink: {
      replace,
      apply(events) {
        for (const { type, object } of events) {
          const key = keyOf(object);
          const entry = entries.get(key);
          if (entry && isOlder(object.metadata.resourceVersion, entry.resourceVersion)) continue;
          if (type !== 'DELETED') put(key, object);
          else if (entry?.uid === object.metadata.uid) remove(key);
        }
      },
    },
    take(object) {
      const key = keyOf(object);
      const entry = entries.get(key);
      // An answer may come after the event that tells of the object's end.
      if (entry?.uid !== object.metadata.uid) return;
      if (isOlder(object.metadata.resourceVersion, entry.resourceVersion)) return;
      put(key, trim(object), false, clock.monotonicMs());
    },
    recall(key, json) {
      if (isListed || !isKubeObject(json) || keyOf(json) !== key) return;
      const { value } = decodeObject(kind, json);
      if (!value) return;
      const { uid } = json.metadata;
      const object = complete(value);
      entries.set(key, { uid, resourceVersion: '', object, takenMs: undefined });
      store.put(undefined, object);
      statuses?.set(key, statusBaseOf(json), false);
    },
    refresh(key) {
      const entry = entries.get(key);
      if (!entry?.object) return;
      const object = unlessSame(entry.object, complete(entry.object));
      if (object === entry.object) return;
      entries.set(key, { ...entry, object });
      store.put(entry.object, object);
    },
    distrust() {
      trusts = false;
      restoredMs = clock.monotonicMs();
    },
    get size() {
      return entries.size;
    },
    keys: () => entries.keys(),
    clear() {
      isListed = true;
      for (const key of entries.keys()) remove(key);
    },
  };
}

/** An object that says what it said before stays the same object. */
function unlessSame(before: ClusterObject | undefined, now: ClusterObject): ClusterObject {
  return before && sameObject(before, now) ? before : now;
}

function kept(problem: Problem): Problem {
  if (problem.severity !== 'error') return problem;
  return { ...problem, remedy: `${problem.remedy}; until then the object stays as it was` };
}

function keyOf({ metadata: { namespace = '', name } }: KubeObject): ObjectKey {
  return objectKey(namespace, name);
}
