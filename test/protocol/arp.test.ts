import test from 'ava';
import type { Mac } from '../../src/domain/mac.ts';
import { type ArpDrop, decodeArp, encodeArp } from '../../src/protocol/arp.ts';
import { address } from '../support/objects.ts';

const REQUEST = {
  operation: 'request',
  senderMac: 0x0200_0000_000a as Mac,
  senderAddress: address('192.0.2.1'),
  targetMac: 0 as Mac,
  targetAddress: address('192.0.2.100'),
} as const;

/** As Linux sends it, with the padding of a short frame. */
const WIRE = `0001080006040001${'02000000000a'}${'c0000201'}${'000000000000'}${'c0000264'}`;
const PADDING = '00'.repeat(18);

function bytes(hex: string): Uint8Array {
  return Uint8Array.from(Buffer.from(hex, 'hex'));
}

test('decodeArp() reads a request, and ignores padding', (t) => {
  t.deepEqual(decodeArp(bytes(WIRE + PADDING)), { value: REQUEST });
});

test('encodeArp() writes the packet of RFC 826', (t) => {
  t.is(Buffer.from(encodeArp(REQUEST)).toString('hex'), WIRE);
  const reply = { ...REQUEST, operation: 'reply' } as const;
  t.deepEqual(decodeArp(encodeArp(reply)), { value: reply });
});

const BAD: readonly [what: string, hex: string, reason: ArpDrop][] = [
  ['nothing', '', 'shortArp'],
  ['one byte less', WIRE.slice(0, -2), 'shortArp'],
  ['another hardware type', `0006${WIRE.slice(4)}`, 'notEthernet'],
  ['another hardware address length', `${WIRE.slice(0, 8)}08${WIRE.slice(10)}`, 'notEthernet'],
  ['another protocol type', `000186dd${WIRE.slice(8)}`, 'notIpv4'],
  ['another protocol address length', `${WIRE.slice(0, 10)}10${WIRE.slice(12)}`, 'notIpv4'],
  ['operation 0', `${WIRE.slice(0, 12)}0000${WIRE.slice(16)}`, 'operation'],
  ['a reverse ARP operation', `${WIRE.slice(0, 12)}0003${WIRE.slice(16)}`, 'operation'],
  ['a sender without MAC', WIRE.replace('02000000000a', '000000000000'), 'senderMac'],
  ['a sender at the broadcast MAC', WIRE.replace('02000000000a', 'ffffffffffff'), 'senderMac'],
  ['a sender at a group MAC', WIRE.replace('02000000000a', '01005e000001'), 'senderMac'],
];

for (const [what, hex, reason] of BAD) {
  test(`decodeArp() drops ${what}: ${reason}`, (t) =>
    t.deepEqual(decodeArp(bytes(hex)), { drop: reason }));
}
