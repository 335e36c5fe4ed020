import test from 'ava';
import fc from 'fast-check';
import { expectPacket, openDataplane } from '../support/dataplane-fixture.ts';
import {
  CLIENT_MAC,
  EDGE_MAC,
  type IcmpFields,
  icmp,
  ip,
  type PacketFields,
  tcp,
  udp,
} from '../support/packet.ts';

const dataplane = openDataplane();

test.beforeEach(() => {
  dataplane.reset({ replies_per_s: 0 }); // no replies: what is dropped stays as it came
  dataplane.backend({ index: 1, address: '10.1.0.5', port: 8080, server: 1 });
  dataplane.backend({ index: 2, address: 'fd01::5', port: 8080, server: 2 });
  dataplane.backend({ index: 3, address: '10.1.0.5', port: 5353, server: 3 });
  dataplane.server({ index: 1, vip: '192.0.2.10', port: 80, protocol: 'tcp', ring: [1] });
  dataplane.server({ index: 2, vip: '2001:db8::10', port: 80, protocol: 'tcp', ring: [2] });
  dataplane.server({ index: 3, vip: '192.0.2.10', port: 53, protocol: 'udp', ring: [3] });
});

const V4 = { from: '198.51.100.7:50123', to: '192.0.2.10:80', flags: 'S', payload: 'data' };
const V6 = { from: '[2001:db8:77::7]:50123', to: '[2001:db8::10]:80', flags: 'S', payload: 'data' };
const DNS = { from: '198.51.100.7:50123', to: '192.0.2.10:53', payload: 'data' };
const FRAGMENT = { header: 44, rest: new Uint8Array([0, 0, 8, 0, 0, 0, 9]) };

/** `pass` untouched to the kernel, or dropped and counted under this reason. */
type Outcome = 'pass' | 'malformed' | 'fragment' | 'no_port';

const PACKETS: ReadonlyArray<readonly [string, Uint8Array, Outcome]> = [
  // What is not ours.
  ['TCP to another address', tcp({ ...V4, to: '192.0.2.11:80' }), 'pass'],
  ['TCP over IPv6 to another address', tcp({ ...V6, to: '[2001:db8::11]:80' }), 'pass'],
  ['UDP to another address in the NAT range', udp({ ...V4, to: '192.0.2.11:40500' }), 'pass'],
  [
    'ICMP echo to another address',
    icmp({ from: '198.51.100.7', to: '192.0.2.11', type: 8 }),
    'pass',
  ],
  ['a fragment to another address', fragment({ to: '192.0.2.11:80' }), 'pass'],
  [
    'a lying length to another address',
    tcp({ ...V4, to: '192.0.2.11:80', lie: { length: 999 } }),
    'pass',
  ],
  ['GRE to another address', ip({ from: '198.51.100.7', to: '192.0.2.11' }, 47), 'pass'],
  ['ARP', etherType(0x0806), 'pass'],
  ['an IPv6 packet to an IPv4-mapped VIP', mapped(), 'pass'],
  ['a VIP within a broadcast frame', tcp({ ...V4, dstMac: 'ff:ff:ff:ff:ff:ff' }), 'pass'],
  ['a VIP within a multicast frame', tcp({ ...V4, dstMac: '01:00:5e:00:00:01' }), 'pass'],
  [
    'a tagged packet to another address',
    tcp({ ...V4, to: '192.0.2.11:80', vlans: [{ id: 7 }] }),
    'pass',
  ],
  // Too short to know whom it is for.
  ['an Ethernet header alone', tcp({ ...V4, cut: 14 }), 'pass'],
  ['half an IPv4 header', tcp({ ...V4, cut: 33 }), 'pass'],
  ['half an IPv6 header', tcp({ ...V6, cut: 53 }), 'pass'],
  // Lengths and headers that lie.
  ['IPv4 with version 5', tcp({ ...V4, lie: { version: 5 } }), 'malformed'],
  ['IPv6 with version 4', tcp({ ...V6, lie: { version: 4 } }), 'malformed'],
  ['an IPv4 header of 16 bytes', tcp({ ...V4, lie: { headerLength: 4 } }), 'malformed'],
  ['an IPv4 header longer than the packet', tcp({ ...V4, lie: { headerLength: 15 } }), 'malformed'],
  ['an IPv4 length within its header', tcp({ ...V4, lie: { length: 19 } }), 'malformed'],
  ['an IPv4 length within the TCP header', tcp({ ...V4, lie: { length: 39 } }), 'malformed'],
  ['an IPv4 length behind the frame', tcp({ ...V4, lie: { length: 45 } }), 'malformed'],
  ['an IPv6 length within the TCP header', tcp({ ...V6, lie: { length: 19 } }), 'malformed'],
  ['an IPv6 length behind the frame', tcp({ ...V6, lie: { length: 25 } }), 'malformed'],
  ['a cut frame', tcp({ ...V4, cut: 57 }), 'malformed'],
  ['a cut TCP header', tcp({ ...V4, cut: 50 }), 'malformed'],
  ['a TCP header of 16 bytes', tcp({ ...V4, lie: { dataOffset: 4 } }), 'malformed'],
  ['a TCP header longer than the packet', tcp({ ...V4, lie: { dataOffset: 7 } }), 'malformed'],
  ['a UDP length of 7', udp({ ...DNS, lie: { udpLength: 7 } }), 'malformed'],
  ['a UDP length behind the packet', udp({ ...DNS, lie: { udpLength: 13 } }), 'malformed'],
  ['a UDP header that is cut', ip({ ...strip(DNS), payload: new Uint8Array(7) }, 17), 'malformed'],
  // Not served.
  ['another TCP port', tcp({ ...V4, to: '192.0.2.10:81' }), 'no_port'],
  ['TCP to the UDP port', tcp({ ...V4, to: '192.0.2.10:53' }), 'no_port'],
  ['UDP to the TCP port', udp({ ...DNS, to: '192.0.2.10:80' }), 'no_port'],
  ['port 0', tcp({ ...V4, to: '192.0.2.10:0' }), 'no_port'],
  ['SCTP', ip({ ...strip(V4), payload: 'sctp data' }, 132), 'no_port'],
  ['ICMPv6 over IPv4', ip({ ...strip(V4), payload: 'icmp data' }, 58), 'no_port'],
];

for (const [name, packet, outcome] of PACKETS) {
  test.serial(`${name}: ${outcome === 'pass' ? 'passed untouched' : `drop_${outcome}`}`, (t) => {
    const verdict = outcome === 'pass' ? 'pass' : 'drop';
    expectPacket(t, dataplane.send(packet), verdict, packet);
    t.deepEqual(dataplane.counters(), { [outcome === 'pass' ? 'passed' : `drop_${outcome}`]: 1 });
  });
}

const BACK = { srcMac: EDGE_MAC, dstMac: CLIENT_MAC, ttl: 64 };
const PING4 = { from: '198.51.100.7', to: '192.0.2.10', payload: 'ping', ttl: 5 };
const PONG4 = { from: '192.0.2.10', to: '198.51.100.7', payload: 'ping', ...BACK };
const PING6 = { from: '2001:db8:77::7', to: '2001:db8::10', payload: 'ping', ttl: 255 };
const PONG6 = { from: '2001:db8::10', to: '2001:db8:77::7', payload: 'ping', ...BACK };

test.serial('an echo request to a VIP is answered', (t) => {
  expectPacket(t, dataplane.send(icmp({ ...PING4, type: 8 })), 'tx', icmp({ ...PONG4, type: 0 }));
  expectPacket(
    t,
    dataplane.send(icmp({ ...PING6, type: 128 })),
    'tx',
    icmp({ ...PONG6, type: 129 }),
  );
  t.deepEqual(dataplane.counters(), { echo_replied: 2 });
});

const OTHER_ICMP: ReadonlyArray<readonly [string, IcmpFields]> = [
  ['echo reply', { ...PING4, type: 0 }],
  ['echo request with a code', { ...PING4, type: 8, code: 1 }],
  ['echo request with IP options', { ...PING4, type: 8, ipOptions: new Uint8Array(4) }],
  ['a type beyond neighbour discovery', { ...PING6, type: 138 }],
];
for (const [name, fields] of OTHER_ICMP) {
  test.serial(`ICMP to a VIP never reaches the kernel, which might route it: ${name}`, (t) => {
    const packet = icmp(fields);
    expectPacket(t, dataplane.send(packet), 'drop', packet);
    t.deepEqual(dataplane.counters(), { drop_icmp: 1 });
  });
}

for (const type of [133, 134, 135, 136, 137]) {
  test.serial(`neighbour discovery for a VIP is passed on: ICMPv6 type ${type}`, (t) => {
    const packet = icmp({ ...PING6, type });
    expectPacket(t, dataplane.send(packet), 'pass', packet);
  });
}

test.serial('an ICMP type of neighbour discovery means nothing over IPv4', (t) => {
  const packet = icmp({ ...PING4, type: 135 });
  expectPacket(t, dataplane.send(packet), 'drop', packet);
});

test.serial('an echo request that is a fragment, or cut short, is not answered', (t) => {
  const part = icmp({ ...PING4, type: 8, fragment: { offset: 0, more: true } });
  expectPacket(t, dataplane.send(part), 'drop', part);
  const short = icmp({ ...PING4, type: 8, lie: { length: 27 } });
  expectPacket(t, dataplane.send(short), 'drop', short);
});

test.serial(
  'whatever bytes come: what is not sent is untouched, what is sent keeps its length',
  (t) => {
    const seeds = [
      tcp(V4),
      tcp(V6),
      udp(DNS),
      icmp({ ...PING4, type: 8 }),
      icmp({ ...PING6, type: 128 }),
      tcp({ ...V4, ipOptions: new Uint8Array(8) }),
      tcp({ ...V6, extensions: [FRAGMENT] }),
    ];
    const change = fc.tuple(fc.nat(80), fc.nat(255));
    fc.assert(
      fc.property(
        fc.constantFrom(...seeds),
        fc.array(change, { maxLength: 4 }),
        fc.integer({ min: 14, max: 100 }),
        (seed, changes, size) => {
          const packet = seed.slice(0, size);
          for (const [at, value] of changes) if (at < packet.length) packet[at] = value;
          const got = dataplane.send(packet);
          t.is(got.packet.length, packet.length);
          if (got.verdict !== 'tx') expectPacket(t, got, got.verdict, packet);
          t.not(got.verdict, 'aborted');
        },
      ),
      { numRuns: 5000 },
    );
  },
);

function fragment(fields: Partial<PacketFields>): Uint8Array {
  return tcp({ ...V4, fragment: { offset: 0, more: true }, ...fields });
}

/** Endpoints without their ports. */
function strip(fields: { from: string; to: string }): { from: string; to: string } {
  return { from: fields.from.replace(/:\d+$/, ''), to: fields.to.replace(/:\d+$/, '') };
}

function etherType(type: number): Uint8Array {
  const packet = tcp(V4);
  packet.set([type >> 8, type & 255], 12);
  return packet;
}

/** Addresses as they are in the maps, but as IPv6 on the wire. */
function mapped(): Uint8Array {
  const packet = tcp(V6);
  packet.fill(0, 38, 48);
  packet.set([0xff, 0xff, 192, 0, 2, 10], 48);
  return packet;
}
