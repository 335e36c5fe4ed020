import test from 'ava';
import { addressToWire, type Family } from '../../../src/domain/address.ts';
import { encodeControlPacket } from '../../../src/protocol/bfd/control-packet.ts';
import { admittingFilter, type Guests } from '../../../src/speaker/bfd/admitting-filter.ts';
import type { FilterInstruction } from '../../../src/system/classic-bpf.ts';
import { controlPacket } from '../../support/bfd-packets.ts';
import { address } from '../../support/objects.ts';
import { runFilter } from '../../support/run-filter.ts';

const GUESTS: Guests = {
  discriminators: [7, 0xdead_beef],
  remotes: [address('192.0.2.2'), address('2001:db8::2')],
};

/** Whether a datagram comes in; `random` is what the kernel draws. */
function lets(
  program: readonly FilterInstruction[],
  datagram: { readonly bytes: Uint8Array; readonly source: string },
  random: number,
): boolean {
  const source = addressToWire(address(datagram.source));
  const ipHeader = new Uint8Array(40);
  ipHeader.set(source, source.length === 4 ? 12 : 8);
  const data = new Uint8Array(8 + datagram.bytes.length);
  data.set(datagram.bytes, 8);
  return runFilter(program, { data, ipHeader, random });
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
