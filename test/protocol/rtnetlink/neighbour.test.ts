import test from 'ava';
import { parseMac } from '../../../src/domain/mac.ts';
import {
  decodeNeighbour,
  encodeNeighbour,
  encodeNeighbourUse,
} from '../../../src/protocol/rtnetlink/neighbour.ts';
import { address } from '../../support/objects.ts';
import { capturedBody } from './captured.ts';

const mac = parseMac('02:00:00:00:00:02');

test('decodeNeighbour() reads a resolved neighbour of either family', (t) => {
  t.deepEqual(decodeNeighbour(capturedBody('neighbour IPv4 state 2')), {
    ifindex: 2,
    address: address('10.1.0.2'),
    mac,
    state: 'fresh',
  });
  t.deepEqual(decodeNeighbour(capturedBody('neighbour IPv6 state 128')), {
    ifindex: 2,
    address: address('2001:db8:1::2'),
    mac,
    state: 'fixed',
  });
});

test('a stale neighbour keeps its MAC address, a failed one has none', (t) => {
  t.like(decodeNeighbour(capturedBody('neighbour IPv4 state 4')), {
    mac: parseMac('02:00:00:00:00:03'),
    state: 'stale',
  });
  t.like(decodeNeighbour(capturedBody('neighbour IPv4 state 32')), {
    mac: undefined,
    state: 'failed',
  });
});

for (const [bits, state, known] of [
  [0x01, 'resolving', false],
  [0x08, 'probing', true],
  [0x10, 'probing', true],
  [0x00, 'resolving', false],
  [0x40, 'fixed', true],
] as const) {
  test(`NUD state 0x${bits.toString(16)} is ${state}, its MAC ${known ? 'known' : 'not known'}`, (t) => {
    const body = Uint8Array.from(capturedBody('neighbour IPv4 state 2'));
    body[8] = bits;
    t.like(decodeNeighbour(body), { state, mac: known ? mac : undefined });
  });
}

test('bridge forwarding entries are not neighbours', (t) => {
  const body = Uint8Array.from(capturedBody('neighbour IPv4 state 2'));
  body[0] = 7;
  t.is(decodeNeighbour(body), undefined);
});

test('encodeNeighbourUse() asks for the entry to be used', (t) => {
  const hex = Buffer.from(encodeNeighbourUse(2, address('10.1.0.2'))).toString('hex');
  t.is(hex, '02000000020000000000010008000100' + '0a010002');
});

test('encodeNeighbour() says where a neighbour is, or that it failed', (t) => {
  const at = address('2001:db8::5');
  t.deepEqual(decodeNeighbour(encodeNeighbour(3, at, mac)), {
    ifindex: 3,
    address: at,
    mac,
    state: 'fresh',
  });
  t.like(decodeNeighbour(encodeNeighbour(3, at, undefined)), { mac: undefined, state: 'failed' });
});
