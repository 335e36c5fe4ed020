import test from 'ava';
import { parseMac } from '../../../src/domain/mac.ts';
import { encodeArp } from '../../../src/protocol/arp.ts';
import { ETHERTYPE_ARP, ETHERTYPE_IPV6, encodeEthernet } from '../../../src/protocol/ethernet.ts';
import { ALL_NODES, encodeNdp, solicitedNodeGroup } from '../../../src/protocol/ndp.ts';
import { ARP_FILTER, NDP_FILTER } from '../../../src/speaker/l2/filters.ts';
import type { FilterInstruction } from '../../../src/system/classic-bpf.ts';
import { PACKET_HOST, PACKET_OTHERHOST } from '../../../src/system/sockets.ts';
import { address } from '../../support/objects.ts';
import { runFilter } from '../../support/run-filter.ts';

const MAC = parseMac('02:00:00:00:00:0a');
if (MAC === undefined) throw new Error('no MAC');
const mac = MAC;

function takes(filter: readonly FilterInstruction[], frame: Uint8Array, packetType: number) {
  return runFilter(filter, { data: frame, packetType });
}

function arp(operation: 'request' | 'reply', sender: string, target: string): Uint8Array {
  const payload = encodeArp({
    operation,
    senderMac: mac,
    senderAddress: address(sender),
    targetMac: mac,
    targetAddress: address(target),
  });
  return encodeEthernet({
    destination: mac,
    source: mac,
    vlan: undefined,
    etherType: ETHERTYPE_ARP,
    payload,
  });
}

const TARGET = address('2001:db8::1');

function ndp(kind: 'solicitation' | 'advertisement', solicited: boolean): Uint8Array {
  const source = address('fe80::1');
  const payload =
    kind === 'solicitation'
      ? encodeNdp({
          kind,
          source,
          destination: solicitedNodeGroup(TARGET),
          target: TARGET,
          sourceMac: mac,
        })
      : encodeNdp({
          kind,
          source,
          destination: solicited ? address('fe80::2') : ALL_NODES,
          target: TARGET,
          router: true,
          solicited,
          override: true,
          targetMac: mac,
        });
  return encodeEthernet({
    destination: mac,
    source: mac,
    vlan: undefined,
    etherType: ETHERTYPE_IPV6,
    payload,
  });
}

test('ARP_FILTER takes requests and gratuitous replies', (t) => {
  const request = arp('request', '192.0.2.1', '192.0.2.2');
  t.true(takes(ARP_FILTER, request, PACKET_HOST));
  t.true(takes(ARP_FILTER, arp('request', '192.0.2.1', '192.0.2.1'), PACKET_HOST));
  t.true(takes(ARP_FILTER, arp('reply', '192.0.2.1', '192.0.2.1'), PACKET_HOST));
  t.false(takes(ARP_FILTER, arp('reply', '192.0.2.1', '192.0.2.2'), PACKET_HOST));
  t.false(takes(ARP_FILTER, request, PACKET_OTHERHOST));
  t.false(takes(ARP_FILTER, request.with(21, 3), PACKET_HOST), 'reverse ARP');
  t.false(takes(ARP_FILTER, request.subarray(0, 20), PACKET_HOST));
});

test('NDP_FILTER takes solicitations and unsolicited advertisements', (t) => {
  const solicitation = ndp('solicitation', false);
  t.true(takes(NDP_FILTER, solicitation, PACKET_HOST));
  t.true(takes(NDP_FILTER, ndp('advertisement', false), PACKET_HOST));
  t.false(takes(NDP_FILTER, ndp('advertisement', true), PACKET_HOST));
  t.false(takes(NDP_FILTER, solicitation, PACKET_OTHERHOST));
  t.false(takes(NDP_FILTER, solicitation.with(20, 6), PACKET_HOST), 'TCP');
  t.false(takes(NDP_FILTER, solicitation.with(54, 128), PACKET_HOST), 'an echo request');
  t.false(takes(NDP_FILTER, solicitation.subarray(0, 54), PACKET_HOST));
});
