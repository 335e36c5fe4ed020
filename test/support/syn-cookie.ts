/**
 * The program's SYN cookies, computed a second time from their description in
 * `native/xdp/guard/syn_cookie.h`.
 */
import { type Address, addressToWire, familyOf, parseAddress } from '../../src/domain/address.ts';

export interface CookieFields {
  /** The 16 bytes of tg_config.cookie_key. */
  readonly key: Uint8Array;
  /** `192.0.2.1:80` or `[2001:db8::1]:80`. */
  readonly from: string;
  readonly to: string;
  /** The client's initial sequence number. */
  readonly isn: number;
  readonly tick: number;
  /** Place in the family's MSS table. */
  readonly mssIndex: number;
}

/** CLOCK_MONOTONIC in units of 2^36 ns. */
export function cookieTick(): number {
  return Number(process.hrtime.bigint() >> 36n);
}

export function synCookie({ key, from, to, isn, tick, mssIndex }: CookieFields): number {
  const [src, srcPort] = endpoint(from);
  const [dst, dstPort] = endpoint(to);
  const numbers = new DataView(new ArrayBuffer(15));
  numbers.setUint16(0, srcPort);
  numbers.setUint16(2, dstPort);
  numbers.setUint32(4, isn, true);
  numbers.setUint32(8, tick, true);
  numbers.setUint8(12, mssIndex);
  const addresses = Buffer.concat([addressToWire(src), addressToWire(dst)]);
  const hash = sipHash(key, Buffer.concat([addresses, new Uint8Array(numbers.buffer)]));
  return ((Number(hash & 0xffff_fff8n) | (mssIndex << 1) | (tick & 1)) >>> 0) as number;
}

function endpoint(text: string): [Address, number] {
  const colon = text.lastIndexOf(':');
  const address = parseAddress(text.slice(0, colon).replace(/^\[|\]$/g, ''));
  if (address === undefined || familyOf(address) === undefined)
    throw new Error(`"${text}" is not an endpoint`);
  return [address, Number(text.slice(colon + 1))];
}

/** SipHash-2-4 of the message, as its authors define it. */
export function sipHash(key: Uint8Array, message: Uint8Array): bigint {
  const words = Buffer.from(key);
  const k0 = words.readBigUInt64LE(0);
  const k1 = words.readBigUInt64LE(8);
  const state: State = [
    k0 ^ 0x736f6d6570736575n,
    k1 ^ 0x646f72616e646f6dn,
    k0 ^ 0x6c7967656e657261n,
    k1 ^ 0x7465646279746573n,
  ];
  const padded = Buffer.alloc(message.length - (message.length % 8) + 8);
  padded.set(message);
  padded[padded.length - 1] = message.length & 255;
  for (let at = 0; at < padded.length; at += 8) {
    const word = padded.readBigUInt64LE(at);
    state[3] ^= word;
    rounds(state, 2);
    state[0] ^= word;
  }
  state[2] ^= 0xffn;
  rounds(state, 4);
  return state[0] ^ state[1] ^ state[2] ^ state[3];
}

type State = [bigint, bigint, bigint, bigint];

function rounds(state: State, count: number): void {
  let [v0, v1, v2, v3] = state;
  for (let i = 0; i < count; i++) {
    v0 = add(v0, v1);
    v2 = add(v2, v3);
    v1 = rotate(v1, 13n) ^ v0;
    v3 = rotate(v3, 16n) ^ v2;
    v0 = rotate(v0, 32n);
    v2 = add(v2, v1);
    v0 = add(v0, v3);
    v1 = rotate(v1, 17n) ^ v2;
    v3 = rotate(v3, 21n) ^ v0;
    v2 = rotate(v2, 32n);
  }
  state.splice(0, 4, v0, v1, v2, v3);
}

function add(a: bigint, b: bigint): bigint {
  return BigInt.asUintN(64, a + b);
}

function rotate(word: bigint, bits: bigint): bigint {
  return BigInt.asUintN(64, word << bits) | (word >> (64n - bits));
}
