import { type Family, familyOf } from '../../../domain/address.ts';
import type { BgpRoute } from '../../../domain/bgp/bgp-route.ts';
import { KeyedMap } from '../../../domain/keyed-map.ts';
import type { ObjectKey } from '../../../domain/object.ts';
import type { Prefix } from '../../../domain/prefix.ts';
import type { PathAttributes } from '../../../protocol/bgp/message.ts';
import type { Paths } from './paths.ts';

/**
 * What one peer has been told, against what it should be told (RFC 4271 §3.2, Adj-RIB-Out). What is to be
 * said is queued by prefix and looked up when its turn comes: a peer that reads slowly gets the newest
 * word on each prefix, and the queue is never longer than the table.
 */
export interface AdjRibOut {
  /** What is to be announced from now on, and in what that differs from the last call. */
  want(routes: KeyedMap<BgpRoute>, changes: readonly RouteChange[]): void;
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

/** Looked up once for all peers. */
export interface RouteChange {
  /** Text of the prefix. */
  readonly key: string;
  readonly before: BgpRoute | undefined;
  readonly now: BgpRoute | undefined;
}

export function routeChanges(
  before: KeyedMap<BgpRoute>,
  now: KeyedMap<BgpRoute>,
): readonly RouteChange[] {
  return now
    .changedKeys(before)
    .map((key) => ({ key, before: before.get(key), now: now.get(key) }));
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

  function look(key: string, route: BgpRoute | undefined) {
    const known = told.get(key);
    if (queue.has(key) || isVoid(known) || pathOf(route) !== known?.path) queue.add(key, route);
  }

  function lookAtAll() {
    for (const [key, route] of routes) look(key, route);
    for (const key of told.keys()) look(key, routes.get(key));
  }

  function take(
    key: string,
    route: BgpRoute | undefined,
    announce: Announcement[],
    withdraw: Prefix[],
  ): boolean {
    const before = told.get(key);
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
    want(next, changes) {
      routes = next;
      for (const { key, before, now } of changes) {
        wanted +=
          Number(now?.byPeer.has(peer) ?? false) - Number(before?.byPeer.has(peer) ?? false);
        if (paths) look(key, now);
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
        queue.add(key, routes.get(key));
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
      for (const [item, route] of queue.items()) {
        if (keys.length >= limit) break;
        if (typeof item !== 'string') {
          if (keys.length > 0) break;
          queue.delete(item);
          return item;
        }
        queue.delete(item);
        if (take(item, route, announce, withdraw)) keys.push(item);
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

/** Prefixes and marks in the order in which they are to be said; each prefix once, with its newest route. */
function createQueue() {
  const items = new Map<string | RibMark, BgpRoute | undefined>();
  let marks: RibMark[] = [];

  function remove(item: string | RibMark) {
    items.delete(item);
    if (typeof item !== 'string') marks = marks.filter((mark) => mark !== item);
  }

  return {
    has: (key: string) => items.has(key),
    add: (key: string, route: BgpRoute | undefined) => void items.set(key, route),
    /** The prefixes of a family, in their order. */
    moveToEnd(family: Family) {
      const moved = [...items].filter(([item]) => typeof item === 'string' && isOf(item, family));
      for (const [item] of moved) items.delete(item);
      for (const [item, route] of moved) items.set(item, route);
    },
    /** Goes to the end, also when it stood somewhere already. */
    mark(kind: RibMark['kind'], family: Family) {
      const old = marks.find((mark) => mark.kind === kind && mark.family === family);
      if (old) remove(old);
      const fresh = { kind, family };
      marks.push(fresh);
      items.set(fresh, undefined);
    },
    hasMark: (kind: RibMark['kind'], family: Family) =>
      marks.some((mark) => mark.kind === kind && mark.family === family),
    delete: remove,
    items: () => items.entries(),
    prefixes: () => items.size - marks.length,
    clear() {
      items.clear();
      marks = [];
    },
  };
}
