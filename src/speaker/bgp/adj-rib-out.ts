import { type Family, familyOf } from '../../domain/address.ts';
import type { BgpRoute } from '../../domain/bgp/bgp-route.ts';
import { KeyedMap } from '../../domain/keyed-map.ts';
import type { ObjectKey } from '../../domain/object.ts';
import type { Prefix } from '../../domain/prefix.ts';
import type { PathAttributes } from '../../protocol/bgp/message.ts';
import type { Paths } from './paths.ts';

/**
 * What one peer has been told, against what it should be told (RFC 4271 §3.2, Adj-RIB-Out). What is to be
 * said is queued by prefix and looked up when its turn comes: a peer that reads slowly gets the newest
 * word on each prefix, and the queue is never longer than the table.
 */
export interface AdjRibOut {
  /**
   * What is to be announced from now on. `changed`: texts of the prefixes that are not the same as at the
   * last call.
   */
  want(routes: KeyedMap<BgpRoute>, changed: Iterable<string>): void;
  /** A session begins, whose peer has been told nothing yet: everything is queued. */
  open(paths: Paths, families: readonly Family[]): void;
  /** Paths are made in another way from now on: what they change is queued. */
  repath(paths: Paths): void;
  /** The session has ended. */
  close(): void;
  /** Has a family said again, between `begin` and `end` where the peer knows of them (RFC 7313). */
  refresh(family: Family, enhanced: boolean): void;
  /** To be said when everything queued until now was: End-of-RIB (RFC 4724 §2). */
  endOfRib(family: Family): void;
  /** Takes what is to be said next, of at most `limit` prefixes; the peer counts as told then. */
  next(limit: number): RibStep | undefined;
  /** What was taken could not be said after all: nothing until it changes. */
  refuse(prefix: string): void;
  /** Whether the peer has been told of the prefix. */
  has(prefix: string): boolean;
  /** What the peer has been told, by text of the prefix. */
  told(): ReadonlyMap<string, ToldRoute>;
  counts(): { readonly announced: number; readonly pending: number };
}

export interface ToldRoute {
  readonly prefix: Prefix;
  /** `undefined`: it was told something that is to be said anew. */
  readonly path: PathAttributes | undefined;
}

export type RibStep =
  | {
      readonly kind: 'changes';
      readonly announce: readonly { readonly prefix: Prefix; readonly path: PathAttributes }[];
      readonly withdraw: readonly Prefix[];
      /** Texts of all prefixes concerned. */
      readonly keys: readonly string[];
    }
  | RibMark;

/** Something that is said between prefixes. */
export interface RibMark {
  readonly kind: 'endOfRib' | 'beginOfRefresh' | 'endOfRefresh';
  readonly family: Family;
}

export function createAdjRibOut(peer: ObjectKey): AdjRibOut {
  let routes = KeyedMap.empty<BgpRoute>();
  let wanted = 0;
  let paths: Paths | undefined;
  let families: readonly Family[] = [];
  const told = new Map<string, ToldRoute>();
  const queue = createQueue();

  function pathOf(route: BgpRoute | undefined): PathAttributes | undefined {
    const attributes = route?.byPeer.get(peer);
    if (!route || !attributes || !paths) return undefined;
    const family = familyOf(route.prefix.base);
    return families.includes(family) ? paths(attributes, family) : undefined;
  }

  function look(key: string) {
    if (pathOf(routes.get(key)) !== told.get(key)?.path || isVoid(told.get(key))) queue.add(key);
  }

  function lookAtAll() {
    for (const key of routes.keys()) look(key);
    for (const key of told.keys()) look(key);
  }

  function take(key: string, announce: Announcement[], withdraw: Prefix[]): boolean {
    const before = told.get(key);
    const route = routes.get(key);
    const path = pathOf(route);
    if (path === before?.path && !isVoid(before)) return false;
    if (path && route) {
      told.set(key, { prefix: route.prefix, path });
      announce.push({ prefix: route.prefix, path });
    } else if (before) {
      told.delete(key);
      withdraw.push(before.prefix);
    }
    return true;
  }

  return {
    want(next, changed) {
      const before = routes;
      routes = next;
      for (const key of changed) {
        const was = before.get(key)?.byPeer.has(peer) ?? false;
        const is = next.get(key)?.byPeer.has(peer) ?? false;
        wanted += Number(is) - Number(was);
        if (paths) look(key);
      }
    },
    open(fresh, negotiated) {
      paths = fresh;
      families = negotiated;
      told.clear();
      queue.clear();
      lookAtAll();
    },
    repath(fresh) {
      if (!paths) return;
      paths = fresh;
      lookAtAll();
    },
    close() {
      paths = undefined;
      told.clear();
      queue.clear();
    },
    refresh(family, enhanced) {
      if (!paths || !families.includes(family) || queue.hasMark('beginOfRefresh', family)) return;
      for (const [key, { prefix }] of told) {
        if (familyOf(prefix.base) !== family) continue;
        told.set(key, { prefix, path: undefined });
        queue.add(key);
      }
      if (!enhanced) return;
      queue.mark('beginOfRefresh', family);
      // What already waits must come between begin and end, and an End-of-RIB still after it.
      queue.moveToEnd(family);
      queue.mark('endOfRefresh', family);
      if (queue.hasMark('endOfRib', family)) queue.mark('endOfRib', family);
    },
    endOfRib: (family) => queue.mark('endOfRib', family),
    next(limit) {
      const announce: Announcement[] = [];
      const withdraw: Prefix[] = [];
      const keys: string[] = [];
      for (const item of queue.items()) {
        if (keys.length >= limit) break;
        if (typeof item !== 'string') {
          if (keys.length > 0) break;
          queue.delete(item);
          return item;
        }
        queue.delete(item);
        if (take(item, announce, withdraw)) keys.push(item);
      }
      return keys.length > 0 ? { kind: 'changes', announce, withdraw, keys } : undefined;
    },
    refuse: (prefix) => void told.delete(prefix),
    has: (prefix) => told.has(prefix),
    told: () => told,
    counts: () => ({
      announced: told.size,
      pending: paths ? queue.prefixes() : wanted,
    }),
  };
}

type Announcement = { readonly prefix: Prefix; readonly path: PathAttributes };

function isVoid(route: ToldRoute | undefined): boolean {
  return route !== undefined && route.path === undefined;
}

/** By the text of a prefix: IPv6 addresses have colons. */
function isOf(key: string, family: Family): boolean {
  return key.includes(':') === (family === 6);
}

/** Prefixes and marks in the order in which they are to be said; each prefix once. */
function createQueue() {
  const items = new Set<string | RibMark>();
  let marks: RibMark[] = [];

  function remove(item: string | RibMark) {
    items.delete(item);
    if (typeof item !== 'string') marks = marks.filter((mark) => mark !== item);
  }

  return {
    add: (key: string) => void items.add(key),
    /** The prefixes of a family, in their order. */
    moveToEnd(family: Family) {
      const keys = [...items].filter((item) => typeof item === 'string' && isOf(item, family));
      for (const key of keys) items.delete(key);
      for (const key of keys) items.add(key);
    },
    /** Goes to the end, also when it stood somewhere already. */
    mark(kind: RibMark['kind'], family: Family) {
      const old = marks.find((mark) => mark.kind === kind && mark.family === family);
      if (old) remove(old);
      const fresh = { kind, family };
      marks.push(fresh);
      items.add(fresh);
    },
    hasMark: (kind: RibMark['kind'], family: Family) =>
      marks.some((mark) => mark.kind === kind && mark.family === family),
    delete: remove,
    items: () => items.values(),
    prefixes: () => items.size - marks.length,
    clear() {
      items.clear();
      marks = [];
    },
  };
}
