import { createHash } from 'node:crypto';
import test from 'ava';
import fc from 'fast-check';
import { sha256 } from '../../../src/plan/announcing/sha256.ts';

function hex(words: Uint32Array): string {
  return [...words].map((word) => word.toString(16).padStart(8, '0')).join('');
}

function reference(message: Uint8Array): string {
  return createHash('sha256').update(message).digest('hex');
}

test('sha256() hashes messages of every length around a block as node:crypto does', (t) => {
  for (let length = 0; length <= 200; length++) {
    const message = Uint8Array.from({ length }, (_, i) => i * 31 + length);
    t.is(hex(sha256(message)), reference(message), `${length} bytes`);
  }
});

test('sha256() hashes any bytes as node:crypto does', (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), (message) => {
      t.is(hex(sha256(message)), reference(message));
    }),
  );
});
