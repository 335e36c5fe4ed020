import { type Address, addressToWire, type Family } from '../domain/address.ts';
import type { FilterInstruction } from './sockets.ts';

/** Somebody whose segments pass, when their TTL (hop limit) is at least `minTtl`. */
export interface FilteredPeer {
  readonly address: Address;
  readonly minTtl?: number | undefined;
}

const LOAD_BYTE = 0x30;
const LOAD_WORD = 0x20;
const LOAD_MEMORY = 0x60;
const STORE = 0x02;
const IF_EQUAL = 0x15;
const IF_AT_LEAST = 0x35;
const RETURN = 0x06;
const PASS: FilterInstruction = [RETURN, 0, 0, 0xffff_ffff];
const DROP: FilterInstruction = [RETURN, 0, 0, 0];

/** `SKF_NET_OFF` of `linux/filter.h`: offsets from the IP header, which lies before the data here. */
const IP_HEADER = 0xfff0_0000;
const PLACES = { 4: { ttl: 8, source: 12 }, 6: { ttl: 7, source: 8 } } as const;

/**
 * A program for a listening TCP socket: drops every segment that is not from one of the peers of this
 * family, before the kernel answers it. An address that is listed twice passes by the easier rule.
 */
export function peerFilter(family: Family, peers: readonly FilteredPeer[]): FilterInstruction[] {
  const { ttl, source } = PLACES[family];
  const least = new Map<Address, number>();
  for (const { address, minTtl = 0 } of peers)
    least.set(address, Math.min(minTtl, least.get(address) ?? minTtl));

  const words = family === 4 ? [0] : [0, 1, 2, 3];
  const program: FilterInstruction[] = words.flatMap((word) => [
    [LOAD_WORD, 0, 0, IP_HEADER + source + 4 * word],
    [STORE, 0, 0, word],
  ]);
  for (const [address, minTtl] of least) {
    const verdict: FilterInstruction[] =
      minTtl === 0
        ? [PASS]
        : [[LOAD_BYTE, 0, 0, IP_HEADER + ttl], [IF_AT_LEAST, 0, 1, minTtl], PASS, DROP];
    const wire = addressToWire(address);
    const view = new DataView(wire.buffer, wire.byteOffset);
    for (const word of words) {
      const rest = 2 * (words.length - 1 - word) + verdict.length;
      program.push([LOAD_MEMORY, 0, 0, word], [IF_EQUAL, 0, rest, view.getUint32(4 * word)]);
    }
    program.push(...verdict);
  }
  program.push(DROP);
  return program;
}
