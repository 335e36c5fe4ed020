import test from 'ava';
import { decodeLink } from '../../../src/protocol/rtnetlink/link.ts';
import {
  encodeLinkChange,
  encodeLinkRemoval,
  encodeVethPair,
} from '../../../src/protocol/rtnetlink/link-change.ts';

test('encodeVethPair() names both ends', (t) => {
  const body = encodeVethPair({ names: ['near', 'far'], mtu: 1400 });
  t.like(decodeLink(body), { name: 'near', kind: 'veth', mtu: 1400, isUp: false });
  // IFLA_INFO_DATA { VETH_INFO_PEER { ifinfomsg, IFLA_IFNAME "far", IFLA_MTU 1400 } }
  const peer = `0800030066617200` + '0800040078050000';
  t.true(
    Buffer.from(body)
      .toString('hex')
      .endsWith(`2800028024000180${'00'.repeat(16)}${peer}`),
  );
});

test('encodeLinkChange() changes what is named, and nothing else', (t) => {
  const body = encodeLinkChange(7, { mtu: 9000, isUp: true, usesArp: false });
  t.like(decodeLink(body), { ifindex: 7, mtu: 9000, isUp: true, usesArp: false });
  t.is(Buffer.from(body).readUInt32LE(12), 0x81);
  t.is(Buffer.from(encodeLinkChange(7, { mtu: 1280 })).readUInt32LE(12), 0);
});

test('encodeLinkChange() turns link-local addresses off where asked', (t) => {
  const hex = Buffer.from(encodeLinkChange(7, { ipv6Addresses: 'none' })).toString('hex');
  // IFLA_AF_SPEC { AF_INET6 { IFLA_INET6_ADDR_GEN_MODE: 1 } }
  t.true(hex.endsWith('10001a80' + '0c000a80' + '0500080001000000'), hex);
});

test('encodeLinkRemoval() names the interface by its index', (t) => {
  t.is(decodeLink(encodeLinkRemoval(9))?.ifindex, 9);
});
