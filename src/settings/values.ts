import { type Address, familyOf, parseAddress } from '../domain/address.ts';

/** Readers of values that YAML has no type for: `undefined` for what they cannot read. */

const UNIT_MS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 } as const;

/** Longest duration: 24 days, which fits a timer of Node (2^31 ms). */
const MAX_DURATION_MS = 24 * 24 * UNIT_MS.h;

/** Reads `500ms`, `2s`, `5m` or `2h` as milliseconds. */
export function parseDuration(text: string): number | undefined {
  const match = /^(0|[1-9][0-9]{0,9})(ms|s|m|h)$/.exec(text);
  if (!match) return undefined;
  const ms = Number(match[1]) * UNIT_MS[match[2] as keyof typeof UNIT_MS];
  return ms <= MAX_DURATION_MS ? ms : undefined;
}

/** True for 127.0.0.0/8 and ::1, which nobody else can reach. */
export function isLoopback(address: Address): boolean {
  return familyOf(address) === 4 ? (address >> 24n) % 256n === 127n : address === 1n;
}

/** Inclusive range of ports. */
export interface PortRange {
  readonly first: number;
  readonly last: number;
}

/** Reads `first-last` with 1 ≤ first ≤ last ≤ 65535. */
export function parsePortRange(text: string): PortRange | undefined {
  const match = /^([1-9][0-9]{0,4})-([1-9][0-9]{0,4})$/.exec(text);
  if (!match) return undefined;
  const range = { first: Number(match[1]), last: Number(match[2]) };
  return range.first <= range.last && range.last <= 65_535 ? range : undefined;
}

/** Reads `200-399` or `200,204,300-399` as inclusive ranges of HTTP statuses. */
export function parseStatusRanges(text: string): (readonly [number, number])[] | undefined {
  const ranges: (readonly [number, number])[] = [];
  for (const part of text.split(',')) {
    const match = /^([1-5][0-9]{2})(?:-([1-5][0-9]{2}))?$/.exec(part.trim());
    if (!match) return undefined;
    const first = Number(match[1]);
    const last = Number(match[2] ?? match[1]);
    if (first > last) return undefined;
    ranges.push([first, last]);
  }
  return ranges;
}

/** Reads an address that the schema has already accepted. Throws otherwise: that is a bug. */
export function acceptedAddress(text: string): Address {
  return accepted(parseAddress(text), text);
}

/** The value that a reader above gave for a text which the schema has already accepted. */
export function accepted<T>(value: T | undefined, text: string): T {
  if (value === undefined)
    throw new Error(`Settings schema accepted "${text}" but it is unreadable`);
  return value;
}
