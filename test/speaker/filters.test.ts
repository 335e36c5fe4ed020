import test from 'ava';
import { parseMac } from '../../src/domain/mac.ts';
import { encodeArp } from '../../src/protocol/arp.ts';
import { ETHERTYPE_ARP, ETHERTYPE_IPV6, encodeEthernet } from '../../src/protocol/ethernet.ts';
import { ALL_NODES, encodeNdp, solicitedNodeGroup } from '../../src/protocol/ndp.ts';
import { ARP_FILTER, NDP_FILTER, ROUTER_FILTER } from '../../src/speaker/filters.ts';
import { type FilterInstruction, PACKET_HOST, PACKET_OTHERHOST } from '../../src/system/sockets.ts';
import { address } from '../support/objects.ts';

const MAC = parseMac('02:00:00:00:00:0a');
if (MAC === undefined) throw new Error('no MAC');
const mac = MAC;

/** What the kernel does with such a program (bpf(4)), as far as ours go. True: the frame is taken. */
function takes(filter: readonly FilterInstruction[], frame: Uint8Array, type: number): boolean {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.length);
  let a = 0;
  let x = 0;
  for (let pc = 0; pc < filter.length; pc++) {
    const [code, jt, jf, k] = filter[pc] as FilterInstruction;
    const size = { 48: 1, 40: 2, 32: 4 }[code];
    if (size !== undefined) {
      if (k === 0xffff_f004) a = type;
      else if (k + size > frame.length) return false;
      else a = size === 1 ? view.getUint8(k) : size === 2 ? view.getUint16(k) : view.getUint32(k);
    } else if (code === 0x07) x = a;
    else if (code === 0x15) pc += a === k ? jt : jf;
    else if (code === 0x1d) pc += a === x ? jt : jf;
    else if (code === 0x45) pc += (a & k) !== 0 ? jt : jf;
    else if (code === 0x06) return k !== 0;
    else throw new Error(`Instruction ${code}`);
  }
  throw new Error('The program runs off its end');
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

test('ROUTER_FILTER takes router solicitations and advertisements', (t) => {
  const solicitation = ndp('solicitation', false);
  for (const [type, taken] of [
    [133, true],
    [134, true],
    [132, false],
    [135, false],
  ] as const)
    t.is(takes(ROUTER_FILTER, solicitation.with(54, type), PACKET_HOST), taken, `${type}`);
  t.false(takes(ROUTER_FILTER, solicitation.with(54, 134), PACKET_OTHERHOST));
  t.false(takes(ROUTER_FILTER, solicitation.with(54, 134).with(20, 6), PACKET_HOST), 'TCP');
  t.false(takes(ROUTER_FILTER, solicitation.subarray(0, 54), PACKET_HOST));
});
