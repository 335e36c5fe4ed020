/** RFC 1997: 32 bits, written `high:low`. */
export type StandardCommunity = number;

/** RFC 8092, written `large:global:local1:local2`; each 32 bits. */
export interface LargeCommunity {
  readonly global: number;
  readonly local1: number;
  readonly local2: number;
}

/** RFC 4360 and RFC 5668: eight octets as one number. Written `rt:64500:1`, `soo:192.0.2.1:7`. */
export type ExtendedCommunity = bigint;

/** Well-known communities (IANA), by the names that routers show. */
export const WELL_KNOWN_COMMUNITIES: Readonly<Record<string, StandardCommunity>> = {
  'graceful-shutdown': 0xffff0000, // RFC 8326
  'accept-own': 0xffff0001, // RFC 7611
  'llgr-stale': 0xffff0006, // RFC 9494
  'no-llgr': 0xffff0007, // RFC 9494
  blackhole: 0xffff029a, // RFC 7999
  'no-export': 0xffffff01, // RFC 1997
  'no-advertise': 0xffffff02, // RFC 1997
  'no-export-subconfed': 0xffffff03, // RFC 1997
  'no-peer': 0xffffff04, // RFC 3765
};

export const GRACEFUL_SHUTDOWN: StandardCommunity = 0xffff0000;

export type Community =
  | { readonly kind: 'standard'; readonly value: StandardCommunity }
  | { readonly kind: 'large'; readonly value: LargeCommunity };

/** Reads `64500:1`, `large:64500:1:2` or a well-known name in any case; `undefined`: none of them. */
export function parseCommunity(text: string): Community | undefined {
  const name = text.toLowerCase();
  const known = Object.hasOwn(WELL_KNOWN_COMMUNITIES, name) && WELL_KNOWN_COMMUNITIES[name];
  if (typeof known === 'number') return { kind: 'standard', value: known };
  const parts = text.split(':');
  const isLarge = parts[0] === 'large';
  const numbers = (isLarge ? parts.slice(1) : parts).map((part) =>
    /^[0-9]{1,10}$/.test(part) ? Number(part) : Number.NaN,
  );
  const [a = Number.NaN, b = Number.NaN, c = Number.NaN] = numbers;
  if (isLarge && numbers.length === 3 && numbers.every((number) => number <= 0xffff_ffff))
    return { kind: 'large', value: { global: a, local1: b, local2: c } };
  if (!isLarge && numbers.length === 2 && a <= 0xffff && b <= 0xffff)
    return { kind: 'standard', value: a * 0x1_0000 + b };
  return undefined;
}

export function formatStandardCommunity(value: StandardCommunity): string {
  return `${value >>> 16}:${value & 0xffff}`;
}

export function formatLargeCommunity({ global, local1, local2 }: LargeCommunity): string {
  return `large:${global}:${local1}:${local2}`;
}
