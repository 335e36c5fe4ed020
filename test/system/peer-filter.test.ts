import test from 'ava';
import fc from 'fast-check';
import { addressToWire, familyOf } from '../../src/domain/address.ts';
import { type FilteredPeer, peerFilter } from '../../src/system/peer-filter.ts';
import type { FilterInstruction } from '../../src/system/sockets.ts';
import { address } from '../support/objects.ts';

const IP_HEADER = 0xfff0_0000;

/** Runs classic BPF, of which the filter needs these instructions, over an IP header. */
function passes(program: readonly FilterInstruction[], header: Uint8Array): boolean {
  const view = new DataView(header.buffer);
  const memory: number[] = [];
  let accumulator = 0;
  for (let at = 0; ; at++) {
    const [code, jt, jf, k] = program[at] ?? [];
    if (k === undefined) throw new Error(`The program runs off its end at ${at}`);
    if (code === 0x20) accumulator = view.getUint32(k - IP_HEADER);
    else if (code === 0x30) accumulator = view.getUint8(k - IP_HEADER);
    else if (code === 0x60) accumulator = memory[k] ?? Number.NaN;
    else if (code === 0x02) memory[k] = accumulator;
    else if (code === 0x15) at += (accumulator === k ? jt : jf) ?? 0;
    else if (code === 0x35) at += (accumulator >= k ? jt : jf) ?? 0;
    else if (code === 0x06) return k > 0;
    else throw new Error(`Unknown instruction ${code}`);
  }
}

function header(source: string, ttl: number): Uint8Array {
  const from = address(source);
  const v4 = familyOf(from) === 4;
  const bytes = new Uint8Array(v4 ? 20 : 40).fill(0xee);
  bytes[v4 ? 8 : 7] = ttl;
  bytes.set(addressToWire(from), v4 ? 12 : 8);
  return bytes;
}

const POOL = ['10.0.0.1', '10.0.0.2', '255.255.255.255', '2001:db8::1', '2001:db8::2', 'fe80::1'];

test('peerFilter() passes a segment when a peer of that address allows its TTL', (t) => {
  const peer = fc.record({
    address: fc.constantFrom(...POOL.map(address)),
    minTtl: fc.option(fc.integer({ min: 1, max: 255 }), { nil: undefined }),
  });
  const property = fc.property(
    fc.array(peer, { maxLength: 12 }),
    fc.constantFrom(...POOL),
    fc.integer({ min: 0, max: 255 }),
    (peers: FilteredPeer[], source, ttl) => {
      const from = address(source);
      const expected = peers.some((each) => each.address === from && ttl >= (each.minTtl ?? 0));
      return (
        passes(peerFilter(familyOf(from), peersOf(peers, source)), header(source, ttl)) === expected
      );
    },
  );
  t.notThrows(() => fc.assert(property, { numRuns: 2_000 }));
});

/** A filter is made of the peers of one family. */
function peersOf(peers: readonly FilteredPeer[], source: string): FilteredPeer[] {
  return peers.filter((each) => familyOf(each.address) === familyOf(address(source)));
}

test('peerFilter() without peers passes nothing', (t) => {
  t.false(passes(peerFilter(4, []), header('10.0.0.1', 255)));
  t.false(passes(peerFilter(6, []), header('fe80::1', 255)));
});
