import type { ExtendedCommunity, LargeCommunity } from '../../../domain/bgp/bgp-community.ts';
import { ByteWriter } from '../../bytes.ts';
import { AS_TRANS, LAST_TWO_OCTET_AS } from '../as-number.ts';
import type { CodecContext } from '../codec-context.ts';
import type { Aggregator, PathAttributes, UnknownAttribute } from '../message.ts';
import { as4PathOf, encodeAsPath } from './as-path.ts';
import {
  ATTRIBUTE,
  FLAG,
  OPTIONAL,
  OPTIONAL_TRANSITIVE,
  type RawAttribute,
  WELL_KNOWN,
} from './attribute.ts';
import { ORIGINS } from './attribute-values.ts';

/**
 * The attributes of a path but MP_REACH_NLRI, by ascending type code (RFC 4271 §5). NEXT_HOP is of prefixes
 * in the message's own field only. What has a meaning within one AS only does not leave it.
 */
export function attributesOf(
  path: PathAttributes,
  inField: boolean,
  context: CodecContext,
): RawAttribute[] {
  const attributes = [
    raw(WELL_KNOWN, ATTRIBUTE.origin, Uint8Array.of(ORIGINS.indexOf(path.origin))),
    raw(WELL_KNOWN, ATTRIBUTE.asPath, encodeAsPath(path.asPath, context.fourOctetAs ? 4 : 2)),
    ...number(OPTIONAL, ATTRIBUTE.med, path.med),
    ...(context.internal ? internalAttributes(path) : []),
    ...lists(path),
    ...aggregation(path, context),
    ...path.unknown.map(unknownAttribute),
  ];
  if (inField && path.nextHop !== undefined) {
    const nextHop = new ByteWriter(4).address(path.nextHop).done();
    attributes.push(raw(WELL_KNOWN, ATTRIBUTE.nextHop, nextHop));
  }
  return attributes.sort((a, b) => a.code - b.code);
}

function internalAttributes(path: PathAttributes): RawAttribute[] {
  return [
    ...number(WELL_KNOWN, ATTRIBUTE.localPref, path.localPref),
    ...number(OPTIONAL, ATTRIBUTE.originatorId, path.originatorId),
    ...list(OPTIONAL, ATTRIBUTE.clusterList, path.clusterList, encodeNumbers),
  ];
}

function lists(path: PathAttributes): RawAttribute[] {
  const { communities, extendedCommunities, largeCommunities } = path;
  const flags = OPTIONAL_TRANSITIVE;
  return [
    ...list(flags, ATTRIBUTE.communities, communities, encodeNumbers),
    ...list(flags, ATTRIBUTE.extendedCommunities, extendedCommunities, encodeExtended),
    ...list(flags, ATTRIBUTE.largeCommunities, largeCommunities, encodeLarge),
  ];
}

/** ATOMIC_AGGREGATE and AGGREGATOR, and what a peer with two octets passes on unseen (RFC 6793 §4.2.2). */
function aggregation(path: PathAttributes, { fourOctetAs }: CodecContext): RawAttribute[] {
  const attributes: RawAttribute[] = [];
  const { aggregator, asPath, atomicAggregate } = path;
  if (atomicAggregate)
    attributes.push(raw(WELL_KNOWN, ATTRIBUTE.atomicAggregate, new Uint8Array()));
  const as4Path = fourOctetAs ? undefined : as4PathOf(asPath);
  if (as4Path !== undefined)
    attributes.push(raw(OPTIONAL_TRANSITIVE, ATTRIBUTE.as4Path, encodeAsPath(as4Path, 4)));
  if (aggregator === undefined) return attributes;
  const value = encodeAggregator(aggregator, fourOctetAs ? 4 : 2);
  attributes.push(raw(OPTIONAL_TRANSITIVE, ATTRIBUTE.aggregator, value));
  if (!fourOctetAs && aggregator.asn > LAST_TWO_OCTET_AS) {
    const as4 = encodeAggregator(aggregator, 4);
    attributes.push(raw(OPTIONAL_TRANSITIVE, ATTRIBUTE.as4Aggregator, as4));
  }
  return attributes;
}

function raw(flags: number, code: number, value: Uint8Array): RawAttribute {
  return { flags, code, value };
}

function number(flags: number, code: number, value: number | undefined): RawAttribute[] {
  return value === undefined ? [] : [raw(flags, code, new ByteWriter(4).u32(value).done())];
}

/** An empty list is no attribute (RFC 7606 §4). */
function list<T>(
  flags: number,
  code: number,
  items: readonly T[],
  encode: (items: readonly T[]) => Uint8Array,
): RawAttribute[] {
  return items.length === 0 ? [] : [raw(flags, code, encode(items))];
}

function unknownAttribute({ code, transitive, partial, bytes }: UnknownAttribute): RawAttribute {
  const flags = (transitive ? OPTIONAL_TRANSITIVE : OPTIONAL) | (partial ? FLAG.partial : 0);
  return raw(flags, code, bytes);
}

function encodeAggregator({ asn, address }: Aggregator, asSize: 2 | 4): Uint8Array {
  const writer = new ByteWriter(asSize + 4);
  if (asSize === 4) writer.u32(asn);
  else writer.u16(asn > LAST_TWO_OCTET_AS ? AS_TRANS : asn);
  return writer.address(address).done();
}

function encodeNumbers(values: readonly number[]): Uint8Array {
  const writer = new ByteWriter(values.length * 4);
  for (const value of values) writer.u32(value);
  return writer.done();
}

function encodeExtended(values: readonly ExtendedCommunity[]): Uint8Array {
  const writer = new ByteWriter(values.length * 8);
  for (const value of values) writer.u32(Number(value >> 32n)).u32(Number(value & 0xffff_ffffn));
  return writer.done();
}

function encodeLarge(values: readonly LargeCommunity[]): Uint8Array {
  const writer = new ByteWriter(values.length * 12);
  for (const { global, local1, local2 } of values) writer.u32(global).u32(local1).u32(local2);
  return writer.done();
}
