import { formatAddress, ipv4, parseAddress } from '../address.ts';
import type { ExtendedCommunity } from './bgp-community.ts';

/** First octet: how the rest is divided (RFC 4360 §3, RFC 5668 §2). All are transitive. */
const TWO_OCTET_AS = 0x00;
const IPV4_ADDRESS = 0x01;
const FOUR_OCTET_AS = 0x02;
/** Second octet: what it means (RFC 4360 §4 and §5). */
const SUBTYPES: ReadonlyMap<string, number> = new Map([
  ['rt', 0x02],
  ['soo', 0x03],
]);

/**
 * Reads `rt:64500:1`, `rt:4200000000:1` (the last number below 65,536), `rt:192.0.2.1:7` and the same
 * with `soo`; `undefined`: none of them.
 */
export function parseExtendedCommunity(text: string): ExtendedCommunity | undefined {
  const [, name = '', first = '', digits = ''] =
    /^([a-z]+):([0-9.]{1,15}):([0-9]{1,10})$/.exec(text.toLowerCase()) ?? [];
  const subtype = SUBTYPES.get(name);
  if (subtype === undefined) return undefined;
  const local = Number(digits);
  const address = parseAddress(first);
  if (address !== undefined) {
    return local > 0xffff
      ? undefined
      : compose(IPV4_ADDRESS, subtype, ((address & 0xffff_ffffn) << 16n) | BigInt(local));
  }
  const asn = first.includes('.') ? Number.NaN : Number(first);
  if (asn <= 0xffff && local <= 0xffff_ffff)
    return compose(TWO_OCTET_AS, subtype, (BigInt(asn) << 32n) | BigInt(local));
  if (asn <= 0xffff_ffff && local <= 0xffff)
    return compose(FOUR_OCTET_AS, subtype, (BigInt(asn) << 16n) | BigInt(local));
  return undefined;
}

function compose(type: number, subtype: number, rest: bigint): ExtendedCommunity {
  return (BigInt(type) << 56n) | (BigInt(subtype) << 48n) | rest;
}

/** As it is written; the eight octets in hex where we have no word for them. */
export function formatExtendedCommunity(value: ExtendedCommunity): string {
  const type = Number(value >> 56n);
  const subtype = Number((value >> 48n) & 0xffn);
  const name = [...SUBTYPES].find(([, number]) => number === subtype)?.[0];
  const rest = value & 0xffff_ffff_ffffn;
  const first = Number(rest >> 16n);
  const local = rest & 0xffffn;
  if (name !== undefined && type === TWO_OCTET_AS)
    return `${name}:${rest >> 32n}:${rest & 0xffff_ffffn}`;
  if (name !== undefined && type === IPV4_ADDRESS)
    return `${name}:${formatAddress(ipv4(first))}:${local}`;
  if (name !== undefined && type === FOUR_OCTET_AS) return `${name}:${first}:${local}`;
  return `0x${value.toString(16).padStart(16, '0')}`;
}
