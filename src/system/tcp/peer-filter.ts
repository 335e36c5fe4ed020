import { type Address, addressToWire, type Family } from '../../domain/address.ts';
import {
  DROP,
  type FilterInstruction,
  IF_AT_LEAST,
  IF_EQUAL,
  IP_HEADER,
  LOAD_BYTE,
  LOAD_MEMORY,
  LOAD_WORD,
  PASS,
  STORE,
} from '../classic-bpf.ts';

/** Somebody whose segments pass, when their TTL (hop limit) is at least `minTtl`. */
export interface FilteredPeer {
  readonly address: Address;
  readonly minTtl?: number | undefined;
}

/** In the IP header, which lies before the data here. */
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
