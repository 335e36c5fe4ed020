import test from 'ava';
import { parseAddress } from '../../src/domain/address.ts';
import { parseMac } from '../../src/domain/mac.ts';
import { type ProbeFields, probeFrame, probeSizeMin } from '../../src/protocol/probe-frame.ts';
import { CLIENT_MAC, EDGE_MAC, icmp, packetDifference, tcp, udp } from '../support/packet.ts';

const mac = (text: string) => parseMac(text) as ProbeFields['sourceMac'];
const address = (text: string) => parseAddress(text) as ProbeFields['source'];

const FAMILIES = [
  { from: '198.51.100.7', to: '192.0.2.10', at: (text: string, port: number) => `${text}:${port}` },
  {
    from: '2001:db8::7',
    to: '2001:db8::10',
    at: (text: string, port: number) => `[${text}]:${port}`,
  },
];

/** Fields that one may choose freely, and that the two builders choose differently. */
function alike(frame: Uint8Array, isIPv4: boolean): Uint8Array {
  const copy = frame.slice();
  // IPv4: identification and the checksum it changes; IPv6: class and flow label.
  for (const at of isIPv4 ? [18, 19, 24, 25] : [14, 15, 16, 17]) copy[at] = 0;
  return copy;
}

for (const { from, to, at } of FAMILIES) {
  const isIPv4 = !from.includes(':');
  const base = {
    source: address(from),
    destination: address(to),
    sourcePort: 1234,
    destinationPort: 80,
    tcpFlags: 'SA',
    ttl: 9,
    sourceMac: mac(CLIENT_MAC),
    destinationMac: mac(EDGE_MAC),
  };
  const payload = new Uint8Array(11);
  const ports = { from: at(from, 1234), to: at(to, 80), ttl: 9, payload };
  const expected = {
    UDP: udp(ports),
    ICMP: icmp({ from, to, ttl: 9, payload, type: isIPv4 ? 8 : 128 }),
    TCP: tcp({ ...ports, flags: 'SA', seq: 1, ack: 1 }),
  };
  for (const protocol of ['UDP', 'TCP', 'ICMP'] as const) {
    test(`probeFrame() builds ${protocol} over IPv${isIPv4 ? 4 : 6} as it should be`, (t) => {
      const size = probeSizeMin(isIPv4 ? 4 : 6, protocol) + payload.length;
      const frame = alike(probeFrame({ ...base, protocol, size }), isIPv4);
      const wanted = alike(expected[protocol], isIPv4);
      // Window and echo ids are anybody's choice, and the checksum follows them.
      const free = { UDP: [], TCP: [14, 15, 16, 17], ICMP: [2, 3, 4, 5] }[protocol];
      for (const place of free) {
        const where = 14 + (isIPv4 ? 20 : 40) + place;
        frame[where] = 0;
        wanted[where] = 0;
      }
      t.is(packetDifference(frame, wanted), undefined);
    });
  }
}
