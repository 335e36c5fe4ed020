import { isUnusableAsVip } from '../../../domain/address.ts';
import type { LargeCommunity } from '../../../domain/bgp/bgp-community.ts';
import { ByteReader } from '../../bytes.ts';
import type { CodecContext } from '../codec-context.ts';
import type { Aggregator, AsPathSegment, Origin, PathAttributes } from '../message.ts';
import { decodeAsPath, isConfederation } from './as-path.ts';

/** Attributes while they are read. */
export type PathDraft = { -readonly [Key in keyof PathAttributes]: PathAttributes[Key] } & {
  /** For numbers of four octets from a peer that knows two (RFC 6793 §4.2.3). */
  as4Path: readonly AsPathSegment[] | undefined;
  as4Aggregator: Aggregator | undefined;
};

/**
 * Takes an attribute's value into the draft, or leaves the draft alone and says in words what is wrong,
 * to follow the attribute's name.
 */
export type ReadValue = (
  value: Uint8Array,
  draft: PathDraft,
  context: CodecContext,
) => string | undefined;

/** By the octet of the wire. */
export const ORIGINS: readonly Origin[] = ['igp', 'egp', 'incomplete'];

/** A value of exactly `size` octets. */
export function sized(
  size: number,
  take: (value: ByteReader, draft: PathDraft) => void,
): ReadValue {
  return (value, draft) => {
    if (value.length !== size) return `has ${value.length} octets instead of ${size}`;
    take(new ByteReader(value), draft);
    return undefined;
  };
}

/** A list of one or more items of `size` octets each. */
export function listed<T>(
  size: number,
  item: (value: ByteReader) => T,
  take: (items: readonly T[], draft: PathDraft) => void,
): ReadValue {
  return (value, draft) => {
    if (value.length === 0 || value.length % size !== 0)
      return `has ${value.length} octets, which is no list of items of ${size}`;
    const reader = new ByteReader(value);
    take(
      Array.from({ length: value.length / size }, () => item(reader)),
      draft,
    );
    return undefined;
  };
}

export function readOrigin(value: Uint8Array, draft: PathDraft): string | undefined {
  if (value.length !== 1) return `has ${value.length} octets instead of 1`;
  const origin = ORIGINS[value[0] as number];
  if (origin === undefined) return `has the unknown value ${value[0]}`;
  draft.origin = origin;
  return undefined;
}

/** Segments of a confederation come from inside one only (RFC 5065 §4). */
export function readAsPath(
  value: Uint8Array,
  draft: PathDraft,
  context: CodecContext,
): string | undefined {
  const path = decodeAsPath(value, context.fourOctetAs ? 4 : 2);
  if (typeof path === 'string') return path;
  if (!context.internal && path.some(({ kind }) => isConfederation(kind)))
    return 'has a segment of a confederation, which the peer is not in';
  draft.asPath = path;
  return undefined;
}

export function readNextHop(value: Uint8Array, draft: PathDraft): string | undefined {
  if (value.length !== 4) return `has ${value.length} octets instead of 4`;
  const nextHop = new ByteReader(value).ipv4();
  if (isUnusableAsVip(nextHop)) return 'is no address of a host';
  draft.nextHop = nextHop;
  return undefined;
}

export function readAggregator(
  value: Uint8Array,
  draft: PathDraft,
  context: CodecContext,
): string | undefined {
  const aggregator = decodeAggregator(value, context.fourOctetAs ? 4 : 2);
  if (typeof aggregator === 'string') return aggregator;
  draft.aggregator = aggregator;
  return undefined;
}

/** A peer that knows four octets has nothing to say here (RFC 6793 §4.1, §6). */
export function readAs4Path(
  value: Uint8Array,
  draft: PathDraft,
  context: CodecContext,
): string | undefined {
  if (context.fourOctetAs) return 'comes from a peer whose AS numbers have 4 octets anyway';
  const path = decodeAsPath(value, 4);
  if (typeof path === 'string') return path;
  draft.as4Path = path.filter(({ kind }) => !isConfederation(kind));
  return undefined;
}

export function readAs4Aggregator(
  value: Uint8Array,
  draft: PathDraft,
  context: CodecContext,
): string | undefined {
  if (context.fourOctetAs) return 'comes from a peer whose AS numbers have 4 octets anyway';
  const aggregator = decodeAggregator(value, 4);
  if (typeof aggregator === 'string') return aggregator;
  draft.as4Aggregator = aggregator;
  return undefined;
}

function decodeAggregator(value: Uint8Array, asSize: 2 | 4): Aggregator | string {
  if (value.length !== asSize + 4) return `has ${value.length} octets instead of ${asSize + 4}`;
  const reader = new ByteReader(value);
  const asn = asSize === 4 ? reader.u32() : reader.u16();
  return asn === 0 ? 'has AS 0' : { asn, address: reader.ipv4() };
}

export function readExtendedCommunity(value: ByteReader): bigint {
  return (BigInt(value.u32()) << 32n) | BigInt(value.u32());
}

export function readLargeCommunity(value: ByteReader): LargeCommunity {
  return { global: value.u32(), local1: value.u32(), local2: value.u32() };
}

/** The first of equal ones (RFC 8092 §5). */
export function withoutDuplicates(items: readonly LargeCommunity[]): readonly LargeCommunity[] {
  const byText = new Map<string, LargeCommunity>();
  for (const item of items) {
    const text = `${item.global}:${item.local1}:${item.local2}`;
    if (!byText.has(text)) byText.set(text, item);
  }
  return [...byText.values()];
}
