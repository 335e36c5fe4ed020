import { ByteReader, ByteWriter } from '../../bytes.ts';
import { AS_TRANS, LAST_TWO_OCTET_AS } from '../as-number.ts';
import type { AsPathSegment } from '../message.ts';

type SegmentKind = AsPathSegment['kind'];

/** By type code, from 1 (RFC 4271 §4.3 b, RFC 5065 §3). */
const KINDS: readonly SegmentKind[] = [
  'set',
  'sequence',
  'confederationSequence',
  'confederationSet',
];
const MAX_SEGMENT = 255;

/** Octets of an AS number in this session. */
export type AsNumberSize = 2 | 4;

/** The segments of AS_PATH or AS4_PATH, or in words what is wrong with it (RFC 7606 §7.2, RFC 7607). */
export function decodeAsPath(bytes: Uint8Array, size: AsNumberSize): AsPathSegment[] | string {
  const segments: AsPathSegment[] = [];
  const reader = new ByteReader(bytes);
  while (reader.remaining > 0) {
    if (reader.remaining < 2) return 'ends inside a segment';
    const type = reader.u8();
    const kind = KINDS[type - 1];
    const count = reader.u8();
    if (kind === undefined) return `has a segment of unknown type ${type}`;
    if (count === 0) return 'has an empty segment';
    if (count * size > reader.remaining) return 'ends inside a segment';
    const asns = Array.from({ length: count }, () => (size === 4 ? reader.u32() : reader.u16()));
    if (asns.includes(0)) return 'has AS 0';
    segments.push({ kind, asns });
  }
  return segments;
}

/**
 * Throws `RangeError` for a segment of none or more than 255 numbers. With two octets, greater numbers
 * become AS_TRANS (RFC 6793 §4.2.2).
 */
export function encodeAsPath(path: readonly AsPathSegment[], size: AsNumberSize): Uint8Array {
  const length = path.reduce((sum, { asns }) => sum + 2 + asns.length * size, 0);
  const writer = new ByteWriter(length);
  for (const { kind, asns } of path) {
    if (asns.length === 0 || asns.length > MAX_SEGMENT)
      throw new RangeError(`A segment of an AS path has 1 to 255 numbers, not ${asns.length}`);
    writer.u8(KINDS.indexOf(kind) + 1).u8(asns.length);
    for (const asn of asns) {
      if (size === 4) writer.u32(asn);
      else writer.u16(asn > LAST_TWO_OCTET_AS ? AS_TRANS : asn);
    }
  }
  return writer.done();
}

/** What goes into AS4_PATH beside a path that two octets cannot hold; `undefined`: it can. */
export function as4PathOf(path: readonly AsPathSegment[]): readonly AsPathSegment[] | undefined {
  const real = path.filter(({ kind }) => !isConfederation(kind));
  const needed = real.some(({ asns }) => asns.some((asn) => asn > LAST_TWO_OCTET_AS));
  return needed ? real : undefined;
}

/**
 * The path with numbers of four octets (RFC 6793 §4.2.3): the end of it is `as4Path`, and what stands
 * before that in `path` was put there by speakers that know two octets only. An `as4Path` that is longer
 * than the path is not about this path and is ignored.
 */
export function mergeAs4Path(
  path: readonly AsPathSegment[],
  as4Path: readonly AsPathSegment[],
): readonly AsPathSegment[] {
  let extra = pathLength(path) - pathLength(as4Path);
  if (extra < 0) return path;
  const merged: AsPathSegment[] = [];
  for (const segment of path) {
    if (isConfederation(segment.kind)) {
      merged.push(segment);
      continue;
    }
    const kept = segment.kind === 'set' ? segment.asns : segment.asns.slice(0, extra);
    if (extra === 0) break;
    merged.push({ kind: segment.kind, asns: kept });
    extra -= segment.kind === 'set' ? 1 : kept.length;
    if (kept.length < segment.asns.length) break;
  }
  return [...merged, ...as4Path];
}

/** As route selection counts it: a set is one, a confederation is none (RFC 4271 §9.1.2.2, RFC 5065 §5.3). */
export function pathLength(path: readonly AsPathSegment[]): number {
  return path.reduce((sum, { kind, asns }) => {
    if (isConfederation(kind)) return sum;
    return sum + (kind === 'sequence' ? asns.length : 1);
  }, 0);
}

export function isConfederation(kind: SegmentKind): boolean {
  return kind === 'confederationSequence' || kind === 'confederationSet';
}
