import test from 'ava';
import type { Capability } from '../../../../src/protocol/bgp/message.ts';
import { describeCapability } from '../../../../src/protocol/bgp/open/describe-capability.ts';

const NO_BYTES = new Uint8Array();

const IN_WORDS: [text: string, capability: Capability][] = [
  ['IPv4 unicast', { kind: 'multiprotocol', afi: 1, safi: 1 }],
  ['IPv6 unicast', { kind: 'multiprotocol', afi: 2, safi: 1 }],
  ['L2VPN EVPN', { kind: 'multiprotocol', afi: 25, safi: 70 }],
  ['AFI 16388 SAFI 71', { kind: 'multiprotocol', afi: 16388, safi: 71 }],
  ['route refresh', { kind: 'routeRefresh' }],
  ['enhanced route refresh', { kind: 'enhancedRouteRefresh' }],
  ['extended message', { kind: 'extendedMessage' }],
  ['extended next hop', { kind: 'extendedNextHop', entries: [] }],
  ['4-octet AS', { kind: 'fourOctetAs', asn: 1 }],
  [
    'graceful restart',
    {
      kind: 'gracefulRestart',
      restarting: false,
      notification: true,
      restartTimeSec: 120,
      families: [],
    },
  ],
  ['ADD-PATH', { kind: 'unknown', code: 69, bytes: NO_BYTES }],
  ['long-lived graceful restart', { kind: 'unknown', code: 71, bytes: NO_BYTES }],
  ['capability 200', { kind: 'unknown', code: 200, bytes: NO_BYTES }],
];

for (const [text, capability] of IN_WORDS)
  test(`describeCapability() says "${text}"`, (t) => {
    t.is(describeCapability(capability), text);
  });
