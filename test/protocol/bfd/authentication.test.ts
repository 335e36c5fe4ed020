import { hash } from 'node:crypto';
import test from 'ava';
import fc from 'fast-check';
import {
  type AuthenticationKey,
  type AuthenticationKind,
  type AuthenticationState,
  padKey,
  signPacket,
  verifyPacket,
} from '../../../src/protocol/bfd/authentication.ts';
import {
  decodeControlPacket,
  encodeControlPacket,
} from '../../../src/protocol/bfd/control-packet.ts';
import { controlPacket } from '../../support/bfd-packets.ts';

const MULTIPLIER = 3;
const UNKNOWN: AuthenticationState = { sent: 0, received: undefined };

function keyOf(kind: AuthenticationKind, text = 'secret', keyId = 1): AuthenticationKey {
  const key = padKey(new TextEncoder().encode(text)) as Uint8Array;
  return { kind, keyId, key, sha1: (bytes) => hash('sha1', bytes, 'buffer') };
}

function received(bytes: Uint8Array) {
  const { value } = decodeControlPacket(bytes);
  if (!value) throw new Error('The packet was not taken');
  return value;
}

/** A packet with this sequence number. */
function signed(key: AuthenticationKey, sequence: number): Uint8Array {
  const before = { sent: (sequence - 1) >>> 0, received: undefined };
  return signPacket(controlPacket(), key, before, true).bytes;
}

const KINDS: readonly AuthenticationKind[] = ['keyedSha1', 'meticulousKeyedSha1'];

for (const kind of KINDS) {
  test(`verifyPacket() takes what signPacket() made (${kind})`, (t) => {
    const key = keyOf(kind);
    const { bytes, state } = signPacket(controlPacket(), key, { sent: 6, received: 5 }, true);
    t.deepEqual(state, { sent: 7, received: 5 });
    t.deepEqual(verifyPacket(received(bytes), key, UNKNOWN, MULTIPLIER), {
      state: { sent: 0, received: 7 },
    });
  });

  test(`verifyPacket() refuses a packet with any bit changed (${kind})`, (t) => {
    const key = keyOf(kind);
    const good = signed(key, 7);
    fc.assert(
      fc.property(fc.nat({ max: good.length * 8 - 1 }), (bit) => {
        const bad = good.slice();
        bad[bit >> 3] = (bad[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        const { value } = decodeControlPacket(bad);
        // The reserved byte of the section is covered by the hash, too.
        return !value || 'drop' in verifyPacket(value, key, UNKNOWN, MULTIPLIER);
      }),
      { numRuns: 2000 },
    );
    t.pass();
  });
}

test('signPacket() writes the section of §4.4 with the hash of §6.7.4', (t) => {
  const key = keyOf('keyedSha1');
  const bytes = signed(key, 0x01020304);
  const hex = Buffer.from(bytes).toString('hex');
  t.is(bytes[1], 0x44);
  t.is(bytes[3], 52);
  t.is(hex.slice(48, 64), '041c010001020304');
  const keyed = Buffer.from(`${hex.slice(0, 64)}${Buffer.from(key.key).toString('hex')}`, 'hex');
  t.is(hex.slice(64), hash('sha1', keyed));
});

test('signPacket() moves the sequence on with every packet only when meticulous', (t) => {
  const state = { sent: 0xffff_ffff, received: undefined };
  const sentBy = (kind: AuthenticationKind, changed: boolean) =>
    signPacket(controlPacket(), keyOf(kind), state, changed).state.sent;
  t.is(sentBy('keyedSha1', false), 0xffff_ffff);
  t.is(sentBy('keyedSha1', true), 0);
  t.is(sentBy('meticulousKeyedSha1', false), 0);
});

/** What comes after 100 with Detect Mult 3, and across the end of the number space. */
const SEQUENCES: readonly [AuthenticationKind, last: number, next: number, taken: boolean][] = [
  ['keyedSha1', 100, 100, true],
  ['keyedSha1', 100, 101, true],
  ['keyedSha1', 100, 109, true],
  ['keyedSha1', 100, 110, false],
  ['keyedSha1', 100, 99, false],
  ['keyedSha1', 0xffff_ffff, 8, true],
  ['keyedSha1', 0xffff_ffff, 9, false],
  ['keyedSha1', 0, 0xffff_ffff, false],
  ['meticulousKeyedSha1', 100, 100, false],
  ['meticulousKeyedSha1', 100, 101, true],
  ['meticulousKeyedSha1', 100, 109, true],
  ['meticulousKeyedSha1', 100, 110, false],
  ['meticulousKeyedSha1', 100, 99, false],
  ['meticulousKeyedSha1', 0xffff_fffe, 0, true],
];

for (const [kind, last, next, taken] of SEQUENCES) {
  test(`verifyPacket() ${taken ? 'takes' : 'refuses'} ${next} after ${last} (${kind})`, (t) => {
    const key = keyOf(kind);
    const state = { sent: 1, received: last };
    const expected = taken ? { state: { sent: 1, received: next } } : { drop: 'wrongSequence' };
    t.deepEqual(verifyPacket(received(signed(key, next)), key, state, MULTIPLIER), expected);
  });
}

test('verifyPacket() says what differs', (t) => {
  const key = keyOf('keyedSha1');
  const plain = encodeControlPacket(controlPacket());
  const dropOf = (bytes: Uint8Array, wanted: AuthenticationKey | undefined) => {
    const verified = verifyPacket(received(bytes), wanted, UNKNOWN, MULTIPLIER);
    return 'drop' in verified ? verified.drop : 'taken';
  };
  t.is(dropOf(plain, undefined), 'taken');
  t.is(dropOf(plain, key), 'unauthenticated');
  t.is(dropOf(signed(key, 1), undefined), 'unexpectedAuthentication');
  t.is(dropOf(signed(keyOf('meticulousKeyedSha1'), 1), key), 'wrongAuthenticationType');
  t.is(dropOf(signed(keyOf('keyedSha1', 'secret', 2), 1), key), 'wrongKeyId');
  t.is(dropOf(signed(keyOf('keyedSha1', 'other'), 1), key), 'wrongDigest');
});

test('a forged packet does not move the sequence', (t) => {
  const key = keyOf('keyedSha1');
  const state = { sent: 1, received: 100 };
  const forged = signed(keyOf('keyedSha1', 'guess'), 105);
  t.deepEqual(verifyPacket(received(forged), key, state, MULTIPLIER), { drop: 'wrongDigest' });
});

test('padKey() refuses keys that are empty or too long', (t) => {
  t.is(padKey(new Uint8Array()), undefined);
  t.is(padKey(new Uint8Array(21)), undefined);
  t.deepEqual(padKey(Uint8Array.of(1, 2)), Uint8Array.from([1, 2, ...new Array(18).fill(0)]));
});
