import { addressToBytes, type Family, familyOf } from '../../../domain/address.ts';
import type { Prefix } from '../../../domain/prefix.ts';
import { ByteReader, ByteWriter } from '../../bytes.ts';
import { afiOf, familyOfPair, SAFI_UNICAST } from '../address-family.ts';
import type { CodecContext } from '../codec-context.ts';
import type { MpNextHop } from '../message.ts';
import { ATTRIBUTE, OPTIONAL, type RawAttribute } from './attribute.ts';
import { decodePrefixes, prefixSize, writePrefix } from './nlri.ts';

/** AFI and SAFI. */
const PAIR_SIZE = 3;

/** MP_REACH_NLRI (RFC 4760 §3) or MP_UNREACH_NLRI (§4) as read. */
export type MpPrefixes =
  /** It does not even name a family, so that nothing can be said of any (RFC 7606 §5.3). */
  | { readonly kind: 'nameless' }
  /** Of a family that was not negotiated: nothing in it is read. */
  | { readonly kind: 'foreign'; readonly empty: boolean }
  /** It names its family, and the rest makes no sense. `reason` follows the attribute's name. */
  | { readonly kind: 'broken'; readonly family: Family; readonly reason: string }
  | {
      readonly kind: 'prefixes';
      readonly family: Family;
      /** Of MP_REACH_NLRI only. */
      readonly nextHop: MpNextHop | undefined;
      readonly prefixes: readonly Prefix[];
      /** There is not one octet of them on the wire. */
      readonly empty: boolean;
    };

export function decodeMpUnreach(value: Uint8Array, context: CodecContext): MpPrefixes {
  if (value.length < PAIR_SIZE) return { kind: 'nameless' };
  const reader = new ByteReader(value);
  const family = familyOfPair(reader.u16(), reader.u8());
  if (family === undefined || !context.families.includes(family))
    return { kind: 'foreign', empty: reader.remaining === 0 };
  return decodeRest(reader, family, undefined);
}

export function decodeMpReach(value: Uint8Array, context: CodecContext): MpPrefixes {
  if (value.length < PAIR_SIZE) return { kind: 'nameless' };
  const reader = new ByteReader(value);
  const family = familyOfPair(reader.u16(), reader.u8());
  if (family === undefined || !context.families.includes(family))
    return { kind: 'foreign', empty: false };
  if (reader.remaining < 2) return { kind: 'broken', family, reason: 'ends before its next hop' };
  const size = reader.u8();
  // Behind the next hop stands an octet that was once a count, and means nothing.
  if (!nextHopSizes(family, context).includes(size) || size >= reader.remaining)
    return { kind: 'broken', family, reason: `has a next hop of ${size} octets` };
  const nextHop = decodeNextHop(reader.take(size));
  reader.u8();
  return decodeRest(reader, family, nextHop);
}

function decodeRest(
  reader: ByteReader,
  family: Family,
  nextHop: MpNextHop | undefined,
): MpPrefixes {
  const empty = reader.remaining === 0;
  const prefixes = decodePrefixes(reader.take(reader.remaining), family);
  if (prefixes === undefined)
    return { kind: 'broken', family, reason: 'has a prefix that is too long or not whole' };
  return { kind: 'prefixes', family, nextHop, prefixes, empty };
}

/** RFC 2545 §3, RFC 4760 §3, RFC 8950 §3. */
function nextHopSizes(family: Family, context: CodecContext): readonly number[] {
  if (family === 6) return [16, 32];
  return context.extendedNextHop ? [4, 16, 32] : [4];
}

function decodeNextHop(bytes: Uint8Array): MpNextHop {
  const reader = new ByteReader(bytes);
  if (bytes.length === 4) return { global: reader.ipv4(), linkLocal: undefined };
  return { global: reader.ipv6(), linkLocal: reader.remaining > 0 ? reader.ipv6() : undefined };
}

/** The next hop as it stands in front of prefixes of this family. */
export function encodeNextHop(family: Family, nextHop: MpNextHop): Uint8Array {
  const global = addressToBytes(nextHop.global);
  if (family === 4 && familyOf(nextHop.global) === 4) return global.subarray(12);
  if (nextHop.linkLocal === undefined) return global;
  return new ByteWriter(32).bytes(global).bytes(addressToBytes(nextHop.linkLocal)).done();
}

/** Octets of MP_REACH_NLRI without its prefixes; its length is taken to need two. */
export function mpReachOverhead(nextHop: Uint8Array): number {
  return 4 + PAIR_SIZE + 2 + nextHop.length;
}

export function encodeMpReach(
  family: Family,
  nextHop: Uint8Array,
  prefixes: readonly Prefix[],
): RawAttribute {
  const writer = new ByteWriter(PAIR_SIZE + 2 + nextHop.length + prefixesSize(prefixes));
  writer.u16(afiOf(family)).u8(SAFI_UNICAST).u8(nextHop.length).bytes(nextHop).u8(0);
  for (const prefix of prefixes) writePrefix(writer, prefix);
  return { flags: OPTIONAL, code: ATTRIBUTE.mpReach, value: writer.done() };
}

/** Octets of MP_UNREACH_NLRI without its prefixes; its length is taken to need two. */
export const MP_UNREACH_OVERHEAD = 4 + PAIR_SIZE;

/** Without prefixes it is the End-of-RIB of its family (RFC 4724 §2). */
export function encodeMpUnreach(family: Family, prefixes: readonly Prefix[]): RawAttribute {
  const writer = new ByteWriter(PAIR_SIZE + prefixesSize(prefixes));
  writer.u16(afiOf(family)).u8(SAFI_UNICAST);
  for (const prefix of prefixes) writePrefix(writer, prefix);
  return { flags: OPTIONAL, code: ATTRIBUTE.mpUnreach, value: writer.done() };
}

export function prefixesSize(prefixes: readonly Prefix[]): number {
  return prefixes.reduce((sum, prefix) => sum + prefixSize(prefix), 0);
}
