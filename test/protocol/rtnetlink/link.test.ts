import test from 'ava';
import { parseMac } from '../../../src/domain/mac.ts';
import { decodeLink } from '../../../src/protocol/rtnetlink/link.ts';
import { capturedBody } from './captured.ts';

test('decodeLink() reads a virtual Ethernet interface', (t) => {
  t.deepEqual(decodeLink(capturedBody('link veth')), {
    ifindex: 2,
    name: 'front',
    hardwareType: 1,
    mac: parseMac('02:00:00:00:00:01'),
    mtu: 1500,
    isUp: true,
    isRunning: true,
    isLoopback: false,
    usesArp: true,
    master: 0,
    parent: 0,
    vlan: undefined,
    kind: 'veth',
    xdp: 'none',
  });
});

test('decodeLink() knows the loopback', (t) => {
  const link = decodeLink(capturedBody('link loopback'));
  t.like(link, { name: 'lo', ifindex: 1, isLoopback: true, kind: '', hardwareType: 772 });
});

for (const [attached, mode] of [
  [1, 'native'],
  [2, 'generic'],
  [4, 'other'],
] as const) {
  test(`decodeLink() tells that a program is attached in ${mode} mode`, (t) => {
    const body = Uint8Array.from(capturedBody('link veth'));
    // IFLA_XDP { IFLA_XDP_ATTACHED, one byte }
    const at = Buffer.from(body).indexOf(Buffer.from('0c002b0005000200', 'hex'));
    body[at + 8] = attached;
    t.is(decodeLink(body)?.xdp, mode);
  });
}

test('decodeLink() refuses a body that is too short', (t) => {
  t.is(decodeLink(new Uint8Array(15)), undefined);
});
