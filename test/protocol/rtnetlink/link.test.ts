import test from 'ava';
import { parseMac } from '../../../src/domain/mac.ts';
import { decodeLink } from '../../../src/protocol/rtnetlink/link.ts';
import { encodeBody } from '../../../src/protocol/rtnetlink/message.ts';
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

/** IFLA_LINKINFO of a VLAN device by hand, from `linux/if_link.h`: this kernel has none to capture. */
function vlanBody(options: { vid: number; tpid?: number; parent: number; elsewhere?: boolean }) {
  const { vid, tpid, parent, elsewhere = false } = options;
  const u16 = (value: number) => Uint8Array.of(value & 0xff, value >> 8);
  const u32 = (value: number) => Uint8Array.of(value, 0, 0, 0);
  const data = encodeBody(new Uint8Array(), [
    [1, u16(vid)], // IFLA_VLAN_ID
    ...(tpid === undefined ? [] : [[5, Uint8Array.of(tpid >> 8, tpid & 0xff)] as const]),
  ]);
  const information = encodeBody(new Uint8Array(), [
    [1, new TextEncoder().encode('vlan\0')], // IFLA_INFO_KIND
    [2 | 0x8000, data], // IFLA_INFO_DATA, NLA_F_NESTED as some kernels say
  ]);
  return encodeBody(new Uint8Array(16), [
    [3, new TextEncoder().encode('eth0.100\0')], // IFLA_IFNAME
    [5, u32(parent)], // IFLA_LINK
    ...(elsewhere ? [[37, u32(0)] as const] : []), // IFLA_LINK_NETNSID
    [18, information], // IFLA_LINKINFO
  ]);
}

test('decodeLink() reads the tag and the parent of a VLAN device', (t) => {
  t.like(decodeLink(vlanBody({ vid: 100, tpid: 0x8100, parent: 2 })), {
    name: 'eth0.100',
    kind: 'vlan',
    parent: 2,
    vlan: { tpid: 0x8100, vid: 100 },
  });
  t.like(decodeLink(vlanBody({ vid: 4094, tpid: 0x88a8, parent: 3 })), {
    parent: 3,
    vlan: { tpid: 0x88a8, vid: 4094 },
  });
});

test('decodeLink() takes a VLAN device without a protocol for 802.1Q', (t) => {
  t.deepEqual(decodeLink(vlanBody({ vid: 7, parent: 2 }))?.vlan, { tpid: 0x8100, vid: 7 });
});

test('decodeLink() knows no parent in another network namespace', (t) => {
  t.is(decodeLink(vlanBody({ vid: 7, parent: 2, elsewhere: true }))?.parent, 0);
});
