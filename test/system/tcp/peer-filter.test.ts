import test from 'ava';
import fc from 'fast-check';
import { addressToWire, familyOf } from '../../../src/domain/address.ts';
import type { FilterInstruction } from '../../../src/system/classic-bpf.ts';
import { type FilteredPeer, peerFilter } from '../../../src/system/tcp/peer-filter.ts';
import { address } from '../../support/objects.ts';
import { runFilter } from '../../support/run-filter.ts';

function passes(program: readonly FilterInstruction[], ipHeader: Uint8Array): boolean {
  return runFilter(program, { ipHeader });
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
