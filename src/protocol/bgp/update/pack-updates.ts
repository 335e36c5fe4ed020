import { type Family, familyOf } from '../../../domain/address.ts';
import type { Prefix } from '../../../domain/prefix.ts';
import { type CodecContext, maxMessageLength } from '../codec-context.ts';
import type { PathAttributes } from '../message.ts';
import { attributesSize, writeAttributes } from './attribute.ts';
import { attributesOf } from './encode-attributes.ts';
import {
  encodeMpReach,
  encodeMpUnreach,
  MP_UNREACH_OVERHEAD,
  mpReachOverhead,
} from './multiprotocol.ts';
import { prefixSize } from './nlri.ts';
import {
  EMPTY_UPDATE_SIZE,
  type Place,
  placeOf,
  withdrawnInField,
  writeUpdate,
} from './write-update.ts';

/** What the peer is to be told. A prefix stands once, in one of both. */
export interface RouteChanges {
  readonly announce: Iterable<{ readonly prefix: Prefix; readonly path: PathAttributes }>;
  readonly withdraw: Iterable<Prefix>;
}

/** Why a prefix cannot be said in this session. */
export type RefusalReason =
  /** The attributes leave no room in a message: too many communities (RFC 8654 §4). */
  | 'attributesTooLong'
  /** Neither of its own family nor, where that is agreed on, of IPv6 (RFC 8950). */
  | 'noNextHop'
  /** The peer does not speak this family. */
  | 'familyNotNegotiated';

export interface RefusedRoute {
  readonly prefix: Prefix;
  readonly reason: RefusalReason;
}

export interface PackedUpdates {
  /** Withdrawals first. Made one by one as they are asked for; to be gone through once. */
  readonly messages: Iterable<Uint8Array>;
  /** Announced to nobody; what the family allows is withdrawn, lest something older stays. */
  readonly refused: readonly RefusedRoute[];
}

/** Prefixes that share attributes, which are encoded once. */
interface Group {
  readonly family: Family;
  readonly place: Place;
  readonly attributes: Uint8Array;
  readonly prefixes: Prefix[];
}

/** The longest prefix of each family on the wire. */
const MAX_PREFIX_SIZE = { 4: 5, 6: 17 };

/**
 * Packs changes into as few UPDATEs as their attributes allow: grouped by the path object, then by what it
 * is on the wire, in the order of their first prefix.
 */
export function packUpdates(changes: RouteChanges, context: CodecContext): PackedUpdates {
  const { groups, refused } = groupRoutes(changes.announce, context);
  const gone = [...changes.withdraw, ...refused.map(({ prefix }) => prefix)];
  return { messages: messagesOf(gone, groups, context), refused };
}

function* messagesOf(
  withdrawn: readonly Prefix[],
  groups: readonly Group[],
  context: CodecContext,
): Generator<Uint8Array> {
  for (const family of context.families)
    yield* withdrawals(
      family,
      withdrawn.filter(({ base }) => familyOf(base) === family),
      context,
    );
  for (const group of groups) yield* announcements(group, context);
}

function* withdrawals(
  family: Family,
  prefixes: readonly Prefix[],
  context: CodecContext,
): Generator<Uint8Array> {
  const room = maxMessageLength(context) - EMPTY_UPDATE_SIZE;
  if (withdrawnInField(family, context)) {
    for (const some of portions(prefixes, room))
      yield writeUpdate({ withdrawn: some, attributes: [], announced: [] });
    return;
  }
  for (const some of portions(prefixes, room - MP_UNREACH_OVERHEAD)) {
    const attributes = [writeAttributes([encodeMpUnreach(family, some)])];
    yield writeUpdate({ withdrawn: [], attributes, announced: [] });
  }
}

function* announcements(group: Group, context: CodecContext): Generator<Uint8Array> {
  const { family, place, attributes, prefixes } = group;
  const room = roomFor(place, attributes.length, context);
  for (const some of portions(prefixes, room)) {
    if (place.kind === 'field') {
      yield writeUpdate({ withdrawn: [], attributes: [attributes], announced: some });
    } else {
      // RFC 7606 §5.1: prefixes come first, so that they are found whatever else is wrong.
      const reach = writeAttributes([encodeMpReach(family, place.nextHop, some)]);
      yield writeUpdate({ withdrawn: [], attributes: [reach, attributes], announced: [] });
    }
  }
}

/** Octets that a message has for prefixes beside its attributes; less than none when these are too long. */
function roomFor(place: Place, size: number, context: CodecContext): number {
  const overhead = place.kind === 'field' ? 0 : mpReachOverhead(place.nextHop);
  return maxMessageLength(context) - EMPTY_UPDATE_SIZE - size - overhead;
}

/** Runs of prefixes of at most `room` octets, each as long as it can be. */
function* portions(prefixes: readonly Prefix[], room: number): Generator<readonly Prefix[]> {
  let start = 0;
  let used = 0;
  for (const [index, prefix] of prefixes.entries()) {
    const size = prefixSize(prefix);
    if (used + size > room) {
      yield prefixes.slice(start, index);
      start = index;
      used = 0;
    }
    used += size;
  }
  if (start < prefixes.length) yield prefixes.slice(start);
}

function groupRoutes(
  routes: RouteChanges['announce'],
  context: CodecContext,
): { groups: readonly Group[]; refused: readonly RefusedRoute[] } {
  const refused: RefusedRoute[] = [];
  const groups = new Map<string, Group>();
  const known = { 4: new Map<PathAttributes, Found>(), 6: new Map<PathAttributes, Found>() };
  for (const { prefix, path } of routes) {
    const family = familyOf(prefix.base);
    const found = known[family].get(path) ?? findGroup(groups, family, path, context);
    known[family].set(path, found);
    if (typeof found === 'string') refused.push({ prefix, reason: found });
    else found.prefixes.push(prefix);
  }
  return { groups: [...groups.values()], refused };
}

type Found = Group | RefusalReason;

/** The group of paths that look alike on the wire, a new one if need be. */
function findGroup(
  groups: Map<string, Group>,
  family: Family,
  path: PathAttributes,
  context: CodecContext,
): Found {
  if (!context.families.includes(family)) return 'familyNotNegotiated';
  const place = placeOf(family, path, context);
  if (place === undefined) return 'noNextHop';
  const raw = attributesOf(path, place.kind === 'field', context);
  const room = roomFor(place, attributesSize(raw), context);
  if (room < MAX_PREFIX_SIZE[family]) return 'attributesTooLong';
  const attributes = writeAttributes(raw);
  const nextHop = place.kind === 'field' ? 'field' : place.nextHop.join();
  const key = `${family} ${nextHop} ${attributes.join()}`;
  const group = groups.get(key) ?? { family, place, attributes, prefixes: [] };
  groups.set(key, group);
  return group;
}
