import test from 'ava';
import fc from 'fast-check';
import {
  type ControlPacket,
  decodeControlPacket,
  encodeControlPacket,
} from '../../../src/protocol/bfd/control-packet.ts';
import { describeDiagnostic } from '../../../src/protocol/bfd/diagnostic.ts';
import type { CodecDrop } from '../../../src/protocol/bfd/drop-reason.ts';
import { controlPacket } from '../../support/bfd-packets.ts';
import { createMutator } from '../../support/mutate.ts';

/** Up, asking by a Poll; 3 × 50 ms. */
const WIRE = '20e003187b9d4f0a3c1200440000c3500000c35000000000';

const PACKET: ControlPacket = controlPacket({
  state: 'Up',
  poll: true,
  myDiscriminator: 0x7b9d4f0a,
  yourDiscriminator: 0x3c120044,
  desiredMinTxUs: 50_000,
});

function bytes(hex: string): Uint8Array {
  return Uint8Array.from(Buffer.from(hex, 'hex'));
}

/** The wire form with the bytes from `at` on replaced. */
function patched(at: number, hex: string): string {
  return WIRE.slice(0, at * 2) + hex + WIRE.slice(at * 2 + hex.length);
}

test('decodeControlPacket() reads the packet of RFC 5880 §4.1', (t) => {
  const { value } = decodeControlPacket(bytes(WIRE));
  t.deepEqual(value?.packet, PACKET);
  t.is(value?.section, undefined);
});

test('encodeControlPacket() writes it', (t) => {
  t.is(Buffer.from(encodeControlPacket(PACKET)).toString('hex'), WIRE);
});

test('decodeControlPacket() ignores what follows the packet in the datagram', (t) => {
  const { value } = decodeControlPacket(bytes(`${WIRE}0102`));
  t.deepEqual(value?.packet, PACKET);
  t.is(value?.bytes.length, 24);
});

test('decodeControlPacket() finds the authentication section', (t) => {
  const { value } = decodeControlPacket(bytes(`${patched(1, 'e40334')}041c${'01'.repeat(26)}`));
  t.deepEqual(value?.section, { type: 4, length: 28 });
  t.is(value?.bytes.length, 52);
});

const BAD: readonly [what: string, hex: string, reason: CodecDrop][] = [
  ['nothing', '', 'tooShort'],
  ['one byte less', WIRE.slice(2), 'tooShort'],
  ['version 0', patched(0, '00'), 'wrongVersion'],
  ['version 2', patched(0, '40'), 'wrongVersion'],
  ['a length below that of a packet', patched(3, '17'), 'wrongLength'],
  ['a length beyond the datagram', patched(3, '19'), 'wrongLength'],
  ['an A bit without room for a section', patched(1, 'e4'), 'wrongLength'],
  ['a section of less than its header', `${patched(1, 'e4031a')}0401`, 'wrongSection'],
  ['a section that ends behind the packet', `${patched(1, 'e4031a')}0403`, 'wrongSection'],
  ['Detect Mult 0', patched(2, '00'), 'zeroMultiplier'],
  ['the M bit', patched(1, 'e1'), 'multipoint'],
  ['My Discriminator 0', patched(4, '00000000'), 'zeroDiscriminator'],
  ['Up without Your Discriminator', patched(8, '00000000'), 'missingDiscriminator'],
  [
    'Init without Your Discriminator',
    patched(1, `a00318${'7b9d4f0a'}00000000`),
    'missingDiscriminator',
  ],
];

for (const [what, hex, reason] of BAD) {
  test(`decodeControlPacket() drops ${what}: ${reason}`, (t) =>
    t.deepEqual(decodeControlPacket(bytes(hex)), { drop: reason }));
}

for (const [state, flags] of [
  ['Down', '60'],
  ['AdminDown', '20'],
] as const) {
  test(`decodeControlPacket() takes ${state} without Your Discriminator`, (t) => {
    const hex = patched(1, `${flags}0318${'7b9d4f0a'}00000000`);
    t.is(decodeControlPacket(bytes(hex)).value?.packet.state, state);
  });
}

const number32 = fc.integer({ min: 0, max: 0xffff_ffff });
const packets: fc.Arbitrary<ControlPacket> = fc.record({
  diagnostic: fc.integer({ min: 0, max: 31 }),
  state: fc.constantFrom('AdminDown', 'Down', 'Init', 'Up'),
  poll: fc.boolean(),
  final: fc.boolean(),
  controlPlaneIndependent: fc.boolean(),
  demand: fc.boolean(),
  detectMultiplier: fc.integer({ min: 1, max: 255 }),
  myDiscriminator: fc.integer({ min: 1, max: 0xffff_ffff }),
  yourDiscriminator: fc.integer({ min: 1, max: 0xffff_ffff }),
  desiredMinTxUs: number32,
  requiredMinRxUs: number32,
  requiredMinEchoRxUs: number32,
});

test('decodeControlPacket() reads what encodeControlPacket() wrote', (t) => {
  fc.assert(
    fc.property(packets, (packet) => {
      t.deepEqual(decodeControlPacket(encodeControlPacket(packet)).value?.packet, packet);
    }),
  );
  t.pass();
});

test('decodeControlPacket() survives 300,000 damaged packets, and takes only sound ones', (t) => {
  const mutator = createMutator(5880);
  const originals = [WIRE, `${patched(1, 'e40334')}041c${'01'.repeat(26)}`].map(bytes);
  const into = new Uint8Array(80);
  let taken = 0;
  for (let i = 0; i < 300_000; i++) {
    const length = mutator.mutate(originals[i % 2] as Uint8Array, into);
    const { value } = decodeControlPacket(into.subarray(0, length));
    if (!value) continue;
    taken += 1;
    const { packet } = value;
    const sound =
      packet.detectMultiplier > 0 && packet.myDiscriminator > 0 && value.bytes.length <= length;
    if (!sound) t.fail(Buffer.from(into.subarray(0, length)).toString('hex'));
  }
  t.true(taken > 10_000, `${taken} were taken`);
});

test('describeDiagnostic() speaks the words of the RFC', (t) => {
  t.deepEqual([0, 1, 3, 7, 8, 9, 31].map(describeDiagnostic), [
    'No Diagnostic',
    'Control Detection Time Expired',
    'Neighbor Signaled Session Down',
    'Administratively Down',
    'Reverse Concatenated Path Down',
    'Reserved (9)',
    'Reserved (31)',
  ]);
});
