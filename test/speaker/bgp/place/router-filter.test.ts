import test from 'ava';
import type { Mac } from '../../../../src/domain/mac.ts';
import { ETHERTYPE_IPV6, encodeEthernet } from '../../../../src/protocol/ethernet.ts';
import { ALL_ROUTERS, encodeRouterMessage } from '../../../../src/protocol/router-discovery.ts';
import { ROUTER_FILTER } from '../../../../src/speaker/bgp/place/router-filter.ts';
import { PACKET_HOST, PACKET_OTHERHOST } from '../../../../src/system/sockets.ts';
import { address } from '../../../support/objects.ts';
import { runFilter } from '../../../support/run-filter.ts';

const SOLICITATION = encodeEthernet({
  destination: 0x3333_0000_0002 as Mac,
  source: 0x0200_0000_0002 as Mac,
  vlan: undefined,
  etherType: ETHERTYPE_IPV6,
  payload: encodeRouterMessage({
    kind: 'solicitation',
    source: address('fe80::1'),
    destination: ALL_ROUTERS,
    sourceMac: undefined,
  }),
});

function takes(data: Uint8Array, packetType = PACKET_HOST): boolean {
  return runFilter(ROUTER_FILTER, { data, packetType });
}

test('ROUTER_FILTER takes router solicitations and advertisements', (t) => {
  t.true(takes(SOLICITATION));
  t.true(takes(SOLICITATION.with(54, 134)), 'an advertisement');
  t.false(takes(SOLICITATION.with(54, 132)));
  t.false(takes(SOLICITATION.with(54, 135)), 'of a neighbour');
  t.false(takes(SOLICITATION.with(20, 6)), 'TCP');
  t.false(takes(SOLICITATION, PACKET_OTHERHOST));
  t.false(takes(SOLICITATION.subarray(0, 54)));
});
