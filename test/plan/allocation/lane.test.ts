import test from 'ava';
import fc from 'fast-check';
import { type Address, formatAddress, ipv4 } from '../../../src/domain/address.ts';
import { type AddressRange, parseRange } from '../../../src/domain/prefix.ts';
import { addressAt, laneOf, laneSize, placeOf } from '../../../src/plan/allocation/lane.ts';

const address = fc.integer({ min: 0x0a00_0000, max: 0x0a00_0500 }).map(ipv4);

test('a lane has one place for each address that may be given, in order', (t) => {
  fc.assert(
    fc.property(address, address, fc.boolean(), (a, b, skip) => {
      const range: AddressRange = a < b ? { first: a, last: b } : { first: b, last: a };
      const lane = laneOf('l', range, skip);
      const given: Address[] = [];
      for (let value = range.first as bigint; value <= range.last; value++) {
        const octet = value & 255n;
        if (!skip || (octet !== 0n && octet !== 255n)) given.push(value as Address);
      }
      t.is(laneSize(lane), BigInt(given.length));
      for (const [index, value] of given.entries()) {
        t.is(placeOf(lane, value), lane.first + BigInt(index));
        t.is(addressAt(lane, lane.first + BigInt(index)), value);
      }
    }),
    { numRuns: 50 },
  );
});

test('placeOf() gives .0 and .255 no place in a lane that skips them', (t) => {
  const lane = laneOf('l', parseRange('192.0.2.0/24') as AddressRange, true);
  t.deepEqual(
    [placeOf(lane, ipv4(0xc0000200)), placeOf(lane, ipv4(0xc00002ff))],
    [undefined, undefined],
  );
  t.is(formatAddress(addressAt(lane, lane.first)), '192.0.2.1');
});
