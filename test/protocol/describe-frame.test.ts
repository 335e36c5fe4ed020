import test from 'ava';
import fc from 'fast-check';
import { describeFrame } from '../../src/protocol/describe-frame.ts';
import { icmp, ip, tcp, udp } from '../support/packet.ts';

const MACS = '02:00:00:00:00:c1 > 02:00:00:00:00:ed';
const ENDS = { from: '198.51.100.7:50123', to: '192.0.2.10:80' };
const ENDS6 = { from: '[2001:db8::7]:50123', to: '[2001:db8::10]:80' };
const HOSTS = { from: '198.51.100.7', to: '192.0.2.10' };

const LINES: readonly (readonly [Uint8Array, string])[] = [
  [
    tcp({ ...ENDS, flags: 'S' }),
    'IP 198.51.100.7:50123 > 192.0.2.10:80: TCP [S], ttl 64, length 40',
  ],
  [
    tcp({ ...ENDS, flags: 'FPA' }),
    'IP 198.51.100.7:50123 > 192.0.2.10:80: TCP [FP.], ttl 64, length 40',
  ],
  [
    tcp({ ...ENDS, flags: '' }),
    'IP 198.51.100.7:50123 > 192.0.2.10:80: TCP [none], ttl 64, length 40',
  ],
  [
    udp({ ...ENDS6, payload: 'ab', ttl: 3 }),
    'IP6 [2001:db8::7]:50123 > [2001:db8::10]:80: UDP, hop limit 3, length 50',
  ],
  [
    icmp({ ...HOSTS, type: 8 }),
    'IP 198.51.100.7 > 192.0.2.10: ICMP type 8 code 0, ttl 64, length 28',
  ],
  [ip(HOSTS, 132), 'IP 198.51.100.7 > 192.0.2.10: protocol 132, ttl 64, length 20'],
  [
    udp({ ...ENDS, fragment: { offset: 185, more: false } }),
    'IP 198.51.100.7 > 192.0.2.10: protocol 17, ttl 64, length 28, fragment at 1480 of id 4660',
  ],
];

for (const [frame, line] of LINES) {
  test(`describeFrame() says "${line}"`, (t) => {
    t.is(describeFrame(frame), `${MACS}, ${line}`);
  });
}

test('describeFrame() tells VLAN tags, and what is no IP', (t) => {
  t.is(
    describeFrame(tcp({ ...ENDS, flags: 'S', vlans: [{ id: 100, service: true }, { id: 7 }] })),
    `${MACS} vlan 100 vlan 7, IP 198.51.100.7:50123 > 192.0.2.10:80: TCP [S], ttl 64, length 40`,
  );
  const arp = new Uint8Array(42);
  arp.set([8, 6], 12);
  t.regex(describeFrame(arp), /ethertype 0x0806, 28 bytes$/);
});

test('describeFrame() has words for whatever bytes come', (t) => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 80 }),
      fc.constantFrom(0x0800, 0x86dd, 0x8100),
      (bytes, type) => {
        if (bytes.length >= 14) bytes.set([type >> 8, type & 255], 12);
        return describeFrame(bytes).length > 0;
      },
    ),
  );
  t.is(describeFrame(new Uint8Array(3)), '3 bytes, too short for Ethernet');
});
