import test from 'ava';
import fc from 'fast-check';
import {
  formatMac,
  isMulticastMac,
  type Mac,
  macFromBytes,
  macToBytes,
  parseMac,
} from '../../src/domain/mac.ts';

test('parseMac() reads back what formatMac() writes', (t) => {
  fc.assert(
    fc.property(fc.nat(0xffff_ffff), fc.nat(0xffff), (low, high) => {
      const mac = (high * 0x1_0000_0000 + low) as Mac;
      t.is(parseMac(formatMac(mac)), mac);
      t.is(macFromBytes(macToBytes(mac)), mac);
    }),
  );
});

for (const text of [
  '',
  '02:00:00:00:00',
  '02-00-00-00-00-01',
  '02:00:00:00:00:0g',
  '2:0:0:0:0:1',
  ' 02:00:00:00:00:01',
]) {
  test(`parseMac() refuses "${text}"`, (t) => t.is(parseMac(text), undefined));
}

test('isMulticastMac() looks at the I/G bit', (t) => {
  t.true(isMulticastMac(parseMac('33:33:ff:00:00:01') as Mac));
  t.true(isMulticastMac(parseMac('ff:ff:ff:ff:ff:ff') as Mac));
  t.false(isMulticastMac(parseMac('02:00:00:00:00:01') as Mac));
});
