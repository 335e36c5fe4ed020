import test from 'ava';
import {
  formatExtendedCommunity,
  parseExtendedCommunity,
} from '../../../src/domain/bgp/extended-community.ts';

test('parseExtendedCommunity() and formatExtendedCommunity() know three forms', (t) => {
  for (const [text, value] of [
    ['rt:64500:1', 0x0002_fbf4_0000_0001n],
    ['soo:65535:4294967295', 0x0003_ffff_ffff_ffffn],
    ['rt:4200000000:65535', 0x0202_fa56_ea00_ffffn],
    ['soo:192.0.2.1:7', 0x0103_c000_0201_0007n],
  ] as const) {
    t.is(parseExtendedCommunity(text), value, text);
    t.is(formatExtendedCommunity(value), text);
  }
  t.is(parseExtendedCommunity('RT:64500:1'), 0x0002_fbf4_0000_0001n);
});

test('parseExtendedCommunity() refuses what does not fit', (t) => {
  for (const text of [
    'rt:64500',
    'rt:65536:65536',
    'rt:4294967296:1',
    'rt:1:4294967296',
    'rt:192.0.2.1:65536',
    'rt:192.0.2:1',
    'rt:1.5:1',
    'xx:1:1',
    '64500:1',
    'rt::1',
    'constructor:1:1',
  ])
    t.is(parseExtendedCommunity(text), undefined, text);
});

test('formatExtendedCommunity() shows the octets of what it has no word for', (t) => {
  t.is(formatExtendedCommunity(0x4004_fc00_0000_0001n), '0x4004fc0000000001');
  t.is(formatExtendedCommunity(1n), '0x0000000000000001');
});
