import test from 'ava';
import { decodeInterfaceAddress } from '../../../src/protocol/rtnetlink/interface-address.ts';
import { address } from '../../support/objects.ts';
import { capturedBody } from './captured.ts';

test('decodeInterfaceAddress() reads both families', (t) => {
  t.deepEqual(decodeInterfaceAddress(capturedBody('address IPv4')), {
    ifindex: 2,
    address: address('10.1.0.1'),
    prefixLength: 24,
    isUsable: true,
  });
  t.deepEqual(decodeInterfaceAddress(capturedBody('address IPv6')), {
    ifindex: 2,
    address: address('2001:db8:1::1'),
    prefixLength: 64,
    isUsable: true,
  });
});

test('a tentative address is not usable as a source', (t) => {
  const body = Uint8Array.from(capturedBody('address IPv6'));
  const at = Buffer.from(body).indexOf(Buffer.from('08000800', 'hex'));
  body[at + 4] = 0x40;
  t.false(decodeInterfaceAddress(body)?.isUsable);
});

test('decodeInterfaceAddress() refuses other families and short bodies', (t) => {
  const body = Uint8Array.from(capturedBody('address IPv4'));
  body[0] = 28;
  t.is(decodeInterfaceAddress(body), undefined);
  t.is(decodeInterfaceAddress(new Uint8Array(7)), undefined);
});
