import test from 'ava';
import fc from 'fast-check';
import { type Family, formatAddress } from '../../src/domain/address.ts';
import { decodeEchoAnswer, encodeEchoRequest } from '../../src/protocol/icmp-echo.ts';

const hex = (text: string) => Uint8Array.from(Buffer.from(text.replaceAll(' ', ''), 'hex'));

test('encodeEchoRequest() gives the bytes that ping sends', (t) => {
  const request = { identifier: 0x1234, sequence: 7, data: hex('0102030405') };
  t.deepEqual(encodeEchoRequest(4, request), hex('0800 dcbe 1234 0007 0102030405'));
  t.deepEqual(encodeEchoRequest(6, request), hex('8000 0000 1234 0007 0102030405'));
});

test('decodeEchoAnswer() reads a reply', (t) => {
  const reply = { kind: 'reply', identifier: 0x1234, sequence: 7, data: hex('0102030405') };
  t.deepEqual(decodeEchoAnswer(4, hex('0000 e4be 1234 0007 0102030405')), reply as never);
  t.deepEqual(decodeEchoAnswer(6, hex('8100 ffff 1234 0007 0102030405')), reply as never);
});

test('decodeEchoAnswer() refuses a wrong IPv4 checksum, requests, and what is cut short', (t) => {
  t.is(decodeEchoAnswer(4, hex('0000 e4bf 1234 0007 0102030405')), undefined);
  t.is(decodeEchoAnswer(4, hex('0800 dcbe 1234 0007 0102030405')), undefined);
  t.is(decodeEchoAnswer(6, hex('8000 0000 1234 0007')), undefined);
  t.is(decodeEchoAnswer(6, hex('8100 ffff 1234 00')), undefined);
  t.is(decodeEchoAnswer(4, hex('')), undefined);
});

/** Destination Unreachable of code 1 (IPv4) quoting 8 bytes of our request to 192.0.2.9. */
const QUOTE_4 =
  '0301 2a53 00000000 4500001d00014000 4001b6cd c0000201 c0000209 0800 dcbe 1234 0007 01';
/** Destination Unreachable of code 3 (IPv6) quoting our request to 2001:db8::9. */
const QUOTE_6 =
  '0103 ffff 00000000 600000000009 3a40 20010db8000000000000000000000001 20010db8000000000000000000000009 8000 0000 1234 0007 01';

test('decodeEchoAnswer() reads who cannot be reached out of the packet that an error quotes', (t) => {
  for (const [family, text, destination] of [
    [4, QUOTE_4, '192.0.2.9'],
    [6, QUOTE_6, '2001:db8::9'],
  ] as const) {
    const answer = decodeEchoAnswer(family, withChecksum(family, hex(text)));
    if (answer?.kind !== 'unreachable') return t.fail(`${answer?.kind}`);
    t.is(formatAddress(answer.destination), destination);
    t.deepEqual([answer.identifier, answer.sequence], [0x1234, 7]);
    t.is(answer.reason, 'no route to host');
  }
});

test('decodeEchoAnswer() passes over errors that quote something else', (t) => {
  const udp = hex(QUOTE_4);
  udp[8 + 9] = 17;
  const reply = hex(QUOTE_4);
  reply[8 + 20] = 0;
  const short = hex(QUOTE_4).subarray(0, 8 + 20 + 7);
  const tcp = hex(QUOTE_6);
  tcp[8 + 6] = 6;
  t.is(decodeEchoAnswer(4, withChecksum(4, udp)), undefined);
  t.is(decodeEchoAnswer(4, withChecksum(4, reply)), undefined);
  t.is(decodeEchoAnswer(4, withChecksum(4, short)), undefined);
  t.is(decodeEchoAnswer(6, tcp), undefined);
});

test('decodeEchoAnswer() neither throws nor reads beyond its bytes, whatever comes', (t) => {
  const noise = fc.uint8Array({ maxLength: 80 });
  const seeds = [4, 6].flatMap((family) =>
    [QUOTE_4, QUOTE_6].map((text) => ({ family: family as Family, bytes: hex(text) })),
  );
  fc.assert(
    fc.property(fc.constantFrom(...seeds), noise, fc.nat(60), (seed, junk, at) => {
      const bytes = seed.bytes.slice(0, Math.max(8, seed.bytes.length - (at % 20)));
      bytes.set(junk.subarray(0, Math.max(0, bytes.length - at - 5)), Math.min(at, bytes.length));
      for (const message of [junk, withChecksum(seed.family, bytes)]) {
        const answer = decodeEchoAnswer(seed.family, message);
        if (answer?.kind === 'reply') t.true(answer.data.length <= message.length - 8);
        else t.true(answer === undefined || answer.identifier <= 0xffff);
      }
    }),
    { numRuns: 5_000 },
  );
});

/** Puts the right checksum into an IPv4 message, worked out the slow and obvious way. */
function withChecksum(family: Family, message: Uint8Array): Uint8Array {
  const bytes = Uint8Array.from(message);
  if (family === 6) return bytes;
  bytes.fill(0, 2, 4);
  let sum = 0;
  for (const [index, byte] of bytes.entries()) sum += index % 2 === 0 ? byte * 256 : byte;
  const folded = 0xffff - (sum % 0xffff === 0 && sum > 0 ? 0xffff : sum % 0xffff);
  new DataView(bytes.buffer).setUint16(2, folded);
  return bytes;
}
