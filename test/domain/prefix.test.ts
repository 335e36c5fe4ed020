import { BlockList } from 'node:net';
import test from 'ava';
import fc from 'fast-check';
import {
  type Address,
  familyOf,
  formatAddress,
  ipv4,
  parseAddress,
} from '../../src/domain/address.ts';
import {
  formatPrefix,
  formatRange,
  type Prefix,
  parsePrefix,
  parseRange,
  prefixAround,
  prefixContains,
  rangeOfPrefix,
  rangeSize,
  rangesOverlap,
  shortestPrefixIn,
} from '../../src/domain/prefix.ts';

const v6 = fc.bigInt({ min: 1n << 64n, max: (1n << 128n) - 1n }).map((value) => value as Address);
const addressAndLength = fc.oneof(
  fc.tuple(fc.nat(0xffff_ffff).map(ipv4), fc.nat(32)),
  fc.tuple(v6, fc.nat(128)),
);

test('prefixContains() agrees with node:net BlockList', (t) => {
  fc.assert(
    fc.property(addressAndLength, fc.nat(140), fc.boolean(), ([address, length], flip, near) => {
      const prefix = parsePrefix(`${formatAddress(address)}/${length}`) as Prefix;
      const bits = familyOf(address) === 4 ? 32 : 128;
      const probe = (near ? address ^ (1n << BigInt(flip % bits)) : address) as Address;
      const family = familyOf(address) === 4 ? 'ipv4' : 'ipv6';
      const oracle = new BlockList();
      oracle.addSubnet(formatAddress(prefix.base), length, family);
      if (familyOf(probe) !== familyOf(address)) return;
      t.is(prefixContains(prefix, probe), oracle.check(formatAddress(probe), family));
    }),
    { numRuns: 2000 },
  );
});

const prefixes: [text: string, canonical: string | undefined][] = [
  ['192.0.2.7/24', '192.0.2.0/24'],
  ['0.0.0.0/0', '0.0.0.0/0'],
  ['2001:db8::7/64', '2001:db8::/64'],
  ['::/0', '::/0'],
  ['192.0.2.7', undefined],
  ['192.0.2.7/33', undefined],
  ['192.0.2.7/024', undefined],
  ['192.0.2.7/', undefined],
  ['192.0.2.7/-1', undefined],
  ['2001:db8::/129', undefined],
];
for (const [text, canonical] of prefixes) {
  test(`parsePrefix() reads "${text}" as ${canonical ?? 'nothing'}`, (t) => {
    const prefix = parsePrefix(text);
    t.is(prefix && formatPrefix(prefix), canonical);
  });
}

const ranges: [text: string, canonical: string | undefined][] = [
  ['192.0.2.0/30', '192.0.2.0-192.0.2.3'],
  ['192.0.2.1-192.0.2.9', '192.0.2.1-192.0.2.9'],
  ['192.0.2.1 - 192.0.2.9', '192.0.2.1-192.0.2.9'],
  ['2001:db8::1-2001:db8::ff', '2001:db8::1-2001:db8::ff'],
  ['::ffff:192.0.2.1-192.0.2.9', '192.0.2.1-192.0.2.9'],
  ['192.0.2.9-192.0.2.1', undefined],
  ['192.0.2.1-2001:db8::1', undefined],
  ['192.0.2.1', undefined],
  ['192.0.2.1-192.0.2.2-192.0.2.3', undefined],
  ['', undefined],
];
for (const [text, canonical] of ranges) {
  test(`parseRange() reads "${text}" as ${canonical ?? 'nothing'}`, (t) => {
    const range = parseRange(text);
    t.is(range && formatRange(range), canonical);
  });
}

test('rangeSize() counts a /8 and a /64 without overflow', (t) => {
  t.is(rangeSize(rangeOfPrefix(parsePrefix('10.0.0.0/8') as Prefix)), 1n << 24n);
  t.is(rangeSize(rangeOfPrefix(parsePrefix('2001:db8::/64') as Prefix)), 1n << 64n);
});

test('rangesOverlap() sees touching ends and nothing more', (t) => {
  const range = (first: string, last: string) => ({
    first: parseAddress(first) as Address,
    last: parseAddress(last) as Address,
  });
  t.true(rangesOverlap(range('10.0.0.1', '10.0.0.5'), range('10.0.0.5', '10.0.0.9')));
  t.false(rangesOverlap(range('10.0.0.1', '10.0.0.4'), range('10.0.0.5', '10.0.0.9')));
  t.true(rangesOverlap(range('10.0.0.0', '10.0.0.9'), range('10.0.0.3', '10.0.0.4')));
});

test('shortestPrefixIn() is the shortest prefix that lies in a range as a whole', (t) => {
  for (const [text, expected] of [
    ['192.0.2.0/24', 24],
    ['192.0.2.7/32', 32],
    ['192.0.2.1-192.0.2.200', 26],
    ['192.0.2.127-192.0.2.128', 32],
    ['0.0.0.0-255.255.255.255', 0],
    ['2001:db8::1-2001:db8::ffff:ffff', 97],
    ['::/0', 0],
  ] as const) {
    const range = parseRange(text);
    t.is(range && shortestPrefixIn(range), expected, text);
  }
});

test('prefixAround() holds the address, and its own length', (t) => {
  for (const [text, length, expected] of [
    ['192.0.2.130', 25, '192.0.2.128/25'],
    ['192.0.2.130', 32, '192.0.2.130/32'],
    ['192.0.2.130', 0, '0.0.0.0/0'],
    ['2001:db8::1', 64, '2001:db8::/64'],
  ] as const) {
    const address = parseAddress(text);
    t.is(address && formatPrefix(prefixAround(address, length)), expected);
  }
});
