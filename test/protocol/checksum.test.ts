import test from 'ava';
import fc from 'fast-check';
import { internetChecksum, ipv6PseudoHeader } from '../../src/protocol/checksum.ts';
import { address } from '../support/objects.ts';

test('internetChecksum() is the one of RFC 1071 §3', (t) => {
  const bytes = Uint8Array.of(0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7);
  t.is(internetChecksum(bytes), ~0xddf2 & 0xffff);
  t.is(internetChecksum(Uint8Array.of(0x12)), ~0x1200 & 0xffff);
  t.is(internetChecksum(), 0xffff);
});

test('internetChecksum() is zero over a message that holds its checksum', (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 65 }), (message) => {
      const sum = internetChecksum(Uint8Array.of(0, 0), message);
      t.is(internetChecksum(Uint8Array.of(sum >> 8, sum & 255), message), 0);
    }),
  );
});

test('ipv6PseudoHeader() holds addresses, length and next header', (t) => {
  const header = ipv6PseudoHeader(address('2001:db8::1'), address('ff02::1'), 0x12345, 58);
  t.is(
    Buffer.from(header).toString('hex'),
    '20010db8000000000000000000000001' + 'ff020000000000000000000000000001' + '000123450000003a',
  );
});
