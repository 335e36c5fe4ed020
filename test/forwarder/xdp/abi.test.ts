import test from 'ava';
import fc from 'fast-check';
import type { Address } from '../../../src/domain/address.ts';
import type { Mac } from '../../../src/domain/mac.ts';
import { dataplaneLayout, decode, encode } from '../../../src/forwarder/xdp/abi.ts';
import type { ConfigEntry } from '../../../src/forwarder/xdp/config-entry.ts';
import { dataplaneAbi } from '../../../src/system/bpf.ts';
import { addressBytes, be16, encodeStruct, macBytes } from '../../support/dataplane-fixture.ts';
import { address } from '../../support/objects.ts';

const abi = dataplaneAbi();
const layout = dataplaneLayout(abi);

test('encode() puts fields where the C compiler has them, addresses and ports in network order', (t) => {
  const bytes = encode(layout.backend, {
    address: address('10.0.0.1'),
    port: 8080,
    flags: 3,
    ifindex: 7,
    dstMac: 0x0200_0000_0001 as Mac,
    srcMac: 0xfeff_0000_0002 as Mac,
    mtu: 1500,
    vlan: 100,
    innerVlan: 0x8007,
    admit: 256,
    endpoint: 0x9999_0001,
    natFirst: 3,
    natCount: 2,
    server: 5,
  });
  const expected = encodeStruct('tg_backend', {
    addr: addressBytes('10.0.0.1'),
    port: be16(8080),
    flags: 3,
    ifindex: 7,
    dst_mac: macBytes('02:00:00:00:00:01'),
    src_mac: macBytes('fe:ff:00:00:00:02'),
    mtu: 1500,
    vlan: be16(100),
    inner_vlan: be16(0x8007),
    admit: 256,
    endpoint: 0x9999_0001,
    nat_first: 3,
    nat_count: 2,
    server: 5,
  });
  t.deepEqual(bytes, expected);
});

test('decode() reads back what encode() writes', (t) => {
  const u32 = fc.nat(0xffff_ffff);
  const u16 = fc.nat(0xffff);
  const config: fc.Arbitrary<ConfigEntry> = fc.record({
    abiVersion: u32,
    flowMask: u32,
    reverseMask: u32,
    natPortFirst: u16,
    natPortLast: u16,
    hashSeed: fc.bigInt(0n, (1n << 64n) - 1n),
    cookieKey: fc.bigInt(0n, (1n << 128n) - 1n),
    natFilter: fc.bigInt(0n, (1n << 64n) - 1n),
    answerPortFirst: u16,
    answerPortLast: u16,
    tcpHalfOpenSec: u32,
    tcpEstablishedSec: u32,
    tcpClosingSec: u32,
    tcpTimeWaitSec: u32,
    udpSec: u32,
    udpStreamSec: u32,
    flags: u32,
    newFlowsPerSec: u32,
    repliesPerSec: u32,
    mtuMin: u32,
    clientPrefix4: fc.nat(255),
    clientPrefix6: fc.nat(255),
    natLimit: u32,
    capture: u16,
  });
  const server = fc.record({
    address: fc.bigInt(0n, (1n << 128n) - 1n).map((value) => value as Address),
    port: u16,
    protocol: fc.nat(255),
    inUse: fc.nat(1),
  });
  fc.assert(
    fc.property(config, server, (one, other) => {
      t.deepEqual(decode(layout.config, encode(layout.config, one)), one);
      t.deepEqual(decode(layout.server, encode(layout.server, other)), other);
    }),
  );
});

test('dataplaneLayout() refuses an addon that lacks a field, naming it', (t) => {
  const { mtu, ...offsets } = abi.structs['tg_backend']?.offsets ?? {};
  const structs = { ...abi.structs, tg_backend: { size: 64, offsets } };
  t.is(typeof mtu, 'number');
  t.throws(() => dataplaneLayout({ ...abi, structs }), { message: /field tg_backend\.mtu/ });
  t.throws(() => layout.constant('TG_NOTHING'), { message: /constant TG_NOTHING/ });
});
