import { type ByteReader, ByteWriter } from '../../bytes.ts';

/** Type codes of path attributes (IANA) that are spoken here. */
export const ATTRIBUTE = {
  origin: 1,
  asPath: 2,
  nextHop: 3,
  med: 4,
  localPref: 5,
  atomicAggregate: 6,
  aggregator: 7,
  communities: 8,
  originatorId: 9,
  clusterList: 10,
  mpReach: 14,
  mpUnreach: 15,
  extendedCommunities: 16,
  as4Path: 17,
  as4Aggregator: 18,
  largeCommunities: 32,
} as const;

/** As the RFCs and routers write them. */
const NAMES: ReadonlyMap<number, string> = new Map([
  [ATTRIBUTE.origin, 'ORIGIN'],
  [ATTRIBUTE.asPath, 'AS_PATH'],
  [ATTRIBUTE.nextHop, 'NEXT_HOP'],
  [ATTRIBUTE.med, 'MULTI_EXIT_DISC'],
  [ATTRIBUTE.localPref, 'LOCAL_PREF'],
  [ATTRIBUTE.atomicAggregate, 'ATOMIC_AGGREGATE'],
  [ATTRIBUTE.aggregator, 'AGGREGATOR'],
  [ATTRIBUTE.communities, 'COMMUNITIES'],
  [ATTRIBUTE.originatorId, 'ORIGINATOR_ID'],
  [ATTRIBUTE.clusterList, 'CLUSTER_LIST'],
  [ATTRIBUTE.mpReach, 'MP_REACH_NLRI'],
  [ATTRIBUTE.mpUnreach, 'MP_UNREACH_NLRI'],
  [ATTRIBUTE.extendedCommunities, 'EXTENDED COMMUNITIES'],
  [ATTRIBUTE.as4Path, 'AS4_PATH'],
  [ATTRIBUTE.as4Aggregator, 'AS4_AGGREGATOR'],
  [ATTRIBUTE.largeCommunities, 'LARGE_COMMUNITY'],
]);

export function attributeName(code: number): string {
  return NAMES.get(code) ?? `Attribute ${code}`;
}

/** Attribute flags (RFC 4271 §4.3). */
export const FLAG = { optional: 0x80, transitive: 0x40, partial: 0x20, extendedLength: 0x10 };

/** The three classes of attributes, as flags. */
export const WELL_KNOWN = FLAG.transitive;
export const OPTIONAL = FLAG.optional;
export const OPTIONAL_TRANSITIVE = FLAG.optional | FLAG.transitive;

/** An attribute as it stands on the wire. */
export interface RawAttribute {
  readonly flags: number;
  readonly code: number;
  readonly value: Uint8Array;
}

/** The next attribute; `undefined` when what is left does not hold one (RFC 7606 §4). */
export function readAttribute(reader: ByteReader): RawAttribute | undefined {
  if (reader.remaining < 3) return undefined;
  const flags = reader.u8();
  const code = reader.u8();
  const extended = (flags & FLAG.extendedLength) !== 0;
  if (extended && reader.remaining < 2) return undefined;
  const length = extended ? reader.u16() : reader.u8();
  if (length > reader.remaining) return undefined;
  return { flags, code, value: reader.take(length) };
}

export function attributeSize({ value }: RawAttribute): number {
  return (value.length > 0xff ? 4 : 3) + value.length;
}

/** Throws `RangeError` for more than the 65,535 octets that a length can say. */
function writeAttribute(writer: ByteWriter, attribute: RawAttribute): void {
  const { flags, code, value } = attribute;
  if (value.length > 0xffff)
    throw new RangeError(`${attributeName(code)} of ${value.length} octets fits no message`);
  const extended = value.length > 0xff;
  writer.u8((flags & ~FLAG.extendedLength) | (extended ? FLAG.extendedLength : 0)).u8(code);
  if (extended) writer.u16(value.length);
  else writer.u8(value.length);
  writer.bytes(value);
}

/** One after the other, in the order given. */
export function writeAttributes(attributes: readonly RawAttribute[]): Uint8Array {
  const writer = new ByteWriter(attributesSize(attributes));
  for (const attribute of attributes) writeAttribute(writer, attribute);
  return writer.done();
}

export function attributesSize(attributes: readonly RawAttribute[]): number {
  return attributes.reduce((sum, attribute) => sum + attributeSize(attribute), 0);
}
