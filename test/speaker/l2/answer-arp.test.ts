import test from 'ava';
import { BROADCAST_MAC, type Mac } from '../../../src/domain/mac.ts';
import { type ArpPacket, decodeArp, encodeArp } from '../../../src/protocol/arp.ts';
import { decodeEthernet, ETHERTYPE_ARP, encodeEthernet } from '../../../src/protocol/ethernet.ts';
import { answerArp } from '../../../src/speaker/l2/answer-arp.ts';
import type { DropReason, Station } from '../../../src/speaker/l2/verdict.ts';
import { createMutator } from '../../support/mutate.ts';
import { address } from '../../support/objects.ts';

const VIP = address('192.0.2.100');
const MAC = 0x0200_0000_00ed as Mac;
const OTHER_OWN_MAC = 0x0200_0000_00ee as Mac;
const ASKER_MAC = 0x0200_0000_000a as Mac;

const STATION: Station = {
  mac: MAC,
  isOwnMac: (mac) => mac === MAC || mac === OTHER_OWN_MAC,
  isAnnounced: (target) => target === VIP,
};

const REQUEST: ArpPacket = {
  operation: 'request',
  senderMac: ASKER_MAC,
  senderAddress: address('192.0.2.1'),
  targetMac: 0 as Mac,
  targetAddress: VIP,
};

const PROBE: ArpPacket = { ...REQUEST, senderAddress: address('0.0.0.0') };
const GRATUITOUS: ArpPacket = { ...REQUEST, senderAddress: VIP };
const REPLY: ArpPacket = { ...REQUEST, operation: 'reply', targetMac: MAC };

function frame(arp: ArpPacket, destination: Mac = BROADCAST_MAC, vlan?: number): Uint8Array {
  return encodeEthernet({
    destination,
    source: arp.senderMac,
    vlan,
    etherType: ETHERTYPE_ARP,
    payload: encodeArp(arp),
  });
}

for (const [what, asked, destination, vlan] of [
  ['a broadcast request', REQUEST, BROADCAST_MAC, undefined],
  ['a unicast request', REQUEST, MAC, undefined],
  ['a probe', PROBE, BROADCAST_MAC, undefined],
  ['a tagged request', REQUEST, BROADCAST_MAC, 0x2005],
] as const) {
  test(`answerArp() answers ${what}, to who asked`, (t) => {
    const verdict = answerArp(frame(asked, destination, vlan), STATION);
    if (verdict.kind !== 'answer') return t.fail(JSON.stringify(verdict));
    t.is(verdict.vip, VIP);
    const answer = decodeEthernet(verdict.frame).value;
    t.like(answer, { destination: ASKER_MAC, source: MAC, vlan, etherType: ETHERTYPE_ARP });
    t.deepEqual(decodeArp(answer?.payload ?? new Uint8Array()).value, {
      operation: 'reply',
      senderMac: MAC,
      senderAddress: VIP,
      targetMac: ASKER_MAC,
      targetAddress: asked.senderAddress,
    });
  });
}

for (const [what, arp] of [
  ['a gratuitous request', GRATUITOUS],
  ['a gratuitous reply', { ...GRATUITOUS, operation: 'reply' }],
  ['a request for somebody else', { ...GRATUITOUS, targetAddress: address('192.0.2.1') }],
] as const) {
  test(`answerArp() sees a conflict in ${what} from our VIP`, (t) =>
    t.deepEqual(answerArp(frame(arp), STATION), { kind: 'conflict', vip: VIP, mac: ASKER_MAC }));
}

const ELSEWHERE = { ...REQUEST, targetAddress: address('192.0.2.101') };

const DROPS: readonly [what: string, frame: Uint8Array, reason: DropReason][] = [
  ['a frame cut short', frame(REQUEST).subarray(0, 13), 'shortFrame'],
  ['a packet cut short', frame(REQUEST).subarray(0, 41), 'shortArp'],
  ['another type of frame', frame(REQUEST).with(12, 0x86), 'etherType'],
  ['a request to another station', frame(REQUEST, OTHER_OWN_MAC), 'notForUs'],
  ['a request to a group', frame(REQUEST, 0x3333_0000_0001 as Mac), 'notForUs'],
  ['a request for an address that is not announced', frame(ELSEWHERE), 'notVip'],
  ['a reply', frame(REPLY, MAC), 'notRequest'],
  ['our own announcement', frame({ ...GRATUITOUS, senderMac: MAC }), 'ownFrame'],
  [
    'the announcement by another interface of this box',
    frame({ ...GRATUITOUS, senderMac: OTHER_OWN_MAC }),
    'ownFrame',
  ],
];

for (const [what, bytes, reason] of DROPS) {
  test(`answerArp() drops ${what}: ${reason}`, (t) =>
    t.deepEqual(answerArp(bytes, STATION), { kind: 'drop', reason }));
}

const MUTATIONS = 500_000;

test('answerArp() stands half a million damaged frames, and reads nothing behind them', (t) => {
  const { mutate, random } = createMutator(0xa2b);
  const originals = [REQUEST, PROBE, GRATUITOUS, REPLY].map((arp) => frame(arp));
  originals.push(frame(REQUEST, BROADCAST_MAC, 5));
  const memory = new Uint8Array(128);
  const kinds = { answer: 0, conflict: 0, drop: 0 };
  for (let i = 0; i < MUTATIONS; i++) {
    const length = mutate(originals[i % originals.length] as Uint8Array, memory);
    const damaged = memory.subarray(0, length);
    const verdict = answerArp(damaged, STATION);
    kinds[verdict.kind] += 1;
    if (i % 16 !== 0) continue;
    memory.fill(random(256), length);
    if (JSON.stringify(verdict, plain) !== JSON.stringify(answerArp(damaged, STATION), plain))
      return t.fail(`Reads behind ${Buffer.from(damaged).toString('hex')}`);
  }
  t.true(kinds.answer > 1000 && kinds.conflict > 1000 && kinds.drop > 1000, JSON.stringify(kinds));
});

function plain(_: string, value: unknown) {
  return typeof value === 'bigint' ? value.toString() : value;
}
