import test from 'ava';
import { addressToWire, type Family } from '../../../src/domain/address.ts';
import { encodeControlPacket } from '../../../src/protocol/bfd/control-packet.ts';
import { admittingFilter, type Guests } from '../../../src/speaker/bfd/admitting-filter.ts';
import type { FilterInstruction } from '../../../src/system/sockets.ts';
import { controlPacket } from '../../support/bfd-packets.ts';
import { address } from '../../support/objects.ts';

const GUESTS: Guests = {
  discriminators: [7, 0xdead_beef],
  remotes: [address('192.0.2.2'), address('2001:db8::2')],
};

/** Runs the program as the kernel does, as far as it is used; `random` is what it draws. */
function lets(
  program: readonly FilterInstruction[],
  datagram: { readonly bytes: Uint8Array; readonly source: string },
  random: number,
): boolean {
  const source = addressToWire(address(datagram.source));
  const network = new DataView(new ArrayBuffer(40));
  for (const [i, byte] of source.entries())
    network.setUint8((source.length === 4 ? 12 : 8) + i, byte);
  const transport = new Uint8Array(8 + datagram.bytes.length);
  transport.set(datagram.bytes, 8);
  const view = new DataView(transport.buffer);
  let word = 0;
  for (let at = 0; ; at++) {
    const [code, ifTrue, ifFalse, k] = program[at] as FilterInstruction;
    if (code === 0x06) return k > 0;
    if (code === 0x20) {
      if (k === 0xffff_f038) word = random;
      else if (k >= 0xfff0_0000) word = network.getUint32(k - 0xfff0_0000);
      else if (k + 4 > transport.length) return false;
      else word = view.getUint32(k);
    } else if (code === 0x15) at += word === k ? ifTrue : ifFalse;
    else if (code === 0x05) at += k;
    else if (code === 0x54) word &= k;
    else throw new Error(`Unknown instruction ${code}`);
  }
}

const CASES: readonly [Family, string, yourDiscriminator: number, taken: boolean][] = [
  [4, '192.0.2.2', 0, true],
  [4, '192.0.2.3', 0, false],
  [4, '192.0.2.3', 7, true],
  [4, '192.0.2.3', 0xdead_beef, true],
  [4, '192.0.2.2', 8, false],
  [6, '2001:db8::2', 0, true],
  [6, '2001:db8::3', 0, false],
  [6, '2001:db8::3', 7, true],
];

for (const [family, source, yourDiscriminator, taken] of CASES) {
  test(`a packet of ${source} for ${yourDiscriminator} is ${taken ? 'let in' : 'left out'}`, (t) => {
    const state = yourDiscriminator === 0 ? 'Down' : 'Up';
    const bytes = encodeControlPacket(controlPacket({ yourDiscriminator, state }));
    const program = admittingFilter(family, GUESTS);
    t.is(lets(program, { bytes, source }, 1), taken);
    // One in sixteen comes in whoever sent it.
    t.true(lets(program, { bytes, source }, 32));
    t.false(lets(program, { bytes: bytes.subarray(1), source }, 32));
  });
}

test('admittingFilter() lets all in when the guests do not fit into a program', (t) => {
  const many = Array.from({ length: 4096 }, (_, i) => i + 1);
  const program = admittingFilter(4, { ...GUESTS, discriminators: many });
  t.is(program.length, 1);
  t.true(lets(program, { bytes: new Uint8Array(), source: '192.0.2.9' }, 1));
});
