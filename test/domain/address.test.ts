import { isIP, isIPv4 } from 'node:net';
import test from 'ava';
import fc from 'fast-check';
import {
  type Address,
  addressFromBigInt,
  addressFromBytes,
  addressToBytes,
  addressToWire,
  compareAddresses,
  familyOf,
  formatAddress,
  ipv4,
  isLinkLocal,
  isUnusableAsVip,
  parseAddress,
} from '../../src/domain/address.ts';

const anyAddress = fc.oneof(
  fc.nat(0xffff_ffff).map(ipv4),
  fc.bigInt({ min: 0n, max: (1n << 128n) - 1n }).map(addressFromBigInt),
);

/** Text that is, or nearly is, an address. */
const addressLike = fc.oneof(
  fc.ipV4(),
  fc.ipV6(),
  fc.stringMatching(/^[0-9a-f:.]{0,20}$/),
  fc.tuple(fc.ipV4(), fc.constantFrom('.', ' ', '0', '/1', '%eth0')).map((parts) => parts.join('')),
  fc
    .array(fc.constantFrom('::', ':', '0', 'ffff', 'g', '1.2.3.4', '12345'), { maxLength: 10 })
    .map((p) => p.join('')),
);

test('parseAddress() accepts exactly what node:net accepts, zones apart', (t) => {
  fc.assert(
    fc.property(addressLike, (text) => {
      const expected = text.includes('%') ? 0 : isIP(text);
      t.is(parseAddress(text) !== undefined, expected !== 0, text);
    }),
    { numRuns: 5000 },
  );
});

test('formatAddress() writes what parseAddress() and node:net read back', (t) => {
  fc.assert(
    fc.property(anyAddress, (address) => {
      const text = formatAddress(address);
      t.is(parseAddress(text), address);
      t.is(isIPv4(text) ? 4 : 6, familyOf(address));
    }),
    { numRuns: 2000 },
  );
});

test('formatAddress() writes IPv6 as the WHATWG URL parser does (RFC 5952)', (t) => {
  fc.assert(
    fc.property(
      fc.bigInt({ min: 1n << 100n, max: (1n << 128n) - 1n }).map(addressFromBigInt),
      (address) => {
        t.is(
          `[${formatAddress(address)}]`,
          new URL(`http://[${formatAddress(address)}]/`).hostname,
        );
      },
    ),
  );
});

test('addresses survive their bytes, on the wire in their own length', (t) => {
  fc.assert(
    fc.property(anyAddress, (address) => {
      t.is(addressFromBytes(addressToBytes(address)), address);
      t.is(addressFromBytes(addressToWire(address)), address);
      t.is(addressToWire(address).length, familyOf(address) === 4 ? 4 : 16);
    }),
  );
  t.throws(() => addressFromBytes(new Uint8Array(5)), { instanceOf: RangeError });
  t.throws(() => addressFromBigInt(1n << 128n), { instanceOf: RangeError });
});

const forms: [text: string, canonical: string | undefined][] = [
  ['2001:DB8::0:1', '2001:db8::1'],
  ['::', '::'],
  ['::1', '::1'],
  ['1::', '1::'],
  ['0:0:1:0:0:0:1:0', '0:0:1::1:0'],
  ['1:0:2:3:4:5:6:7', '1:0:2:3:4:5:6:7'],
  ['::ffff:192.0.2.1', '192.0.2.1'],
  ['::ffff:c000:201', '192.0.2.1'],
  ['64:ff9b::192.0.2.1', '64:ff9b::c000:201'],
  ['010.0.0.1', undefined],
  ['0x7f.0.0.1', undefined],
  ['1.2.3', undefined],
  ['256.0.0.1', undefined],
  ['fe80::1%eth0', undefined],
  ['1::2::3', undefined],
  [' 1.2.3.4', undefined],
];
for (const [text, canonical] of forms) {
  test(`parseAddress() reads "${text}" as ${canonical ?? 'nothing'}`, (t) => {
    const address = parseAddress(text);
    t.is(address === undefined ? undefined : formatAddress(address), canonical);
  });
}

const unusable: [text: string, unusable: boolean][] = [
  ['0.1.2.3', true],
  ['127.0.0.1', true],
  ['224.0.0.1', true],
  ['255.255.255.255', true],
  ['10.0.0.0', false],
  ['192.0.2.255', false],
  ['::', true],
  ['::1', true],
  ['ff02::1', true],
  ['2001:db8::', false],
];
for (const [text, expected] of unusable) {
  test(`isUnusableAsVip() says ${expected} of ${text}`, (t) => {
    t.is(isUnusableAsVip(parseAddress(text) as Address), expected);
  });
}

test('compareAddresses() and isLinkLocal() follow the number', (t) => {
  t.true(compareAddresses(ipv4(1), ipv4(2)) < 0);
  t.is(compareAddresses(ipv4(7), ipv4(7)), 0);
  t.true(isLinkLocal(parseAddress('fe80::1') as Address));
  t.true(isLinkLocal(parseAddress('febf::1') as Address));
  t.false(isLinkLocal(parseAddress('fec0::1') as Address));
});
