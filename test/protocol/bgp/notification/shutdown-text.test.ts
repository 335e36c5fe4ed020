import test from 'ava';
import fc from 'fast-check';
import {
  decodeShutdownText,
  encodeShutdownText,
} from '../../../../src/protocol/bgp/notification/shutdown-text.ts';
import { hexOf, octets } from '../../../support/bgp-wire.ts';

test('encodeShutdownText() writes a length and UTF-8 (RFC 9003)', (t) => {
  t.is(hexOf(encodeShutdownText('')), '00');
  t.is(hexOf(encodeShutdownText('für')), '0466c3bc72');
});

test('encodeShutdownText() cuts at 255 octets, and never inside a character', (t) => {
  t.is(encodeShutdownText('x'.repeat(300)).length, 256);
  for (const character of ['é', '漢', '🐧'])
    for (let before = 0; before < 4; before++) {
      const text = 'x'.repeat(before) + character.repeat(200);
      const data = encodeShutdownText(text);
      t.true(data.length > 252 && data.length <= 256);
      t.true(text.startsWith(decodeShutdownText(data)));
    }
});

test('decodeShutdownText() shows data of another form as hexadecimal digits', (t) => {
  t.is(decodeShutdownText(octets('')), '');
  t.is(decodeShutdownText(octets('00')), '');
  t.is(decodeShutdownText(octets('02 61')), '0x0261');
  t.is(decodeShutdownText(octets('01 61 62')), '0x016162');
  t.is(decodeShutdownText(octets('02 c328')), '0x02c328');
  t.is(decodeShutdownText(new Uint8Array(100).fill(1)), `0x${'01'.repeat(64)}…`);
});

test('a text comes back as it went, but for what cannot be shown', (t) => {
  const text = fc.string({ unit: 'grapheme', maxLength: 40 });
  fc.assert(
    fc.property(text, (said) => {
      const shown = decodeShutdownText(encodeShutdownText(said));
      t.is(shown, said.replace(/[\p{C}\p{Zl}\p{Zp}]+/gu, ' ').trim());
    }),
  );
});
