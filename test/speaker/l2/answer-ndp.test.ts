import test from 'ava';
import { BROADCAST_MAC, type Mac } from '../../../src/domain/mac.ts';
import { internetChecksum, ipv6PseudoHeader } from '../../../src/protocol/checksum.ts';
import { decodeEthernet, ETHERTYPE_IPV6, encodeEthernet } from '../../../src/protocol/ethernet.ts';
import {
  ALL_NODES,
  decodeNdp,
  encodeNdp,
  multicastMac,
  type NeighborAdvertisement,
  type NeighborMessage,
  type NeighborSolicitation,
  solicitedNodeGroup,
  UNSPECIFIED,
} from '../../../src/protocol/ndp.ts';
import { answerNdp } from '../../../src/speaker/l2/answer-ndp.ts';
import type { DropReason, Station } from '../../../src/speaker/l2/verdict.ts';
import { createMutator } from '../../support/mutate.ts';
import { address } from '../../support/objects.ts';

const VIP = address('2001:db8::12:3456');
const MAC = 0x0200_0000_00ed as Mac;
const OTHER_OWN_MAC = 0x0200_0000_00ee as Mac;
const ASKER_MAC = 0x0200_0000_000a as Mac;
const ASKER = address('fe80::a');

const STATION: Station = {
  mac: MAC,
  isOwnMac: (mac) => mac === MAC || mac === OTHER_OWN_MAC,
  isAnnounced: (target) => target === VIP,
};

const SOLICITATION: NeighborSolicitation = {
  kind: 'solicitation',
  source: ASKER,
  destination: solicitedNodeGroup(VIP),
  target: VIP,
  sourceMac: ASKER_MAC,
};
const PROBE: NeighborSolicitation = { ...SOLICITATION, source: UNSPECIFIED, sourceMac: undefined };
/** Neighbour unreachability detection: from one who knows our MAC, without saying its own. */
const CONFIRMATION: NeighborSolicitation = {
  ...SOLICITATION,
  destination: VIP,
  sourceMac: undefined,
};
const CLAIM: NeighborAdvertisement = {
  kind: 'advertisement',
  source: VIP,
  destination: ALL_NODES,
  target: VIP,
  router: false,
  solicited: false,
  override: true,
  targetMac: 0x0200_0000_000b as Mac,
};

function frame(
  message: NeighborMessage,
  destination: Mac = multicastMac(message.destination),
  source: Mac = ASKER_MAC,
): Uint8Array {
  return encodeEthernet({
    destination,
    source,
    vlan: undefined,
    etherType: ETHERTYPE_IPV6,
    payload: encodeNdp(message),
  });
}

function answerTo(bytes: Uint8Array) {
  const verdict = answerNdp(bytes, STATION);
  if (verdict.kind !== 'answer') throw new Error(`No answer but ${verdict.kind}`);
  const ethernet = decodeEthernet(verdict.frame).value;
  if (!ethernet) throw new Error('No Ethernet frame');
  return { vip: verdict.vip, ethernet, message: decodeNdp(ethernet.payload).value };
}

const ANSWER: NeighborAdvertisement = {
  kind: 'advertisement',
  source: VIP,
  destination: ASKER,
  target: VIP,
  router: false,
  solicited: true,
  override: true,
  targetMac: MAC,
};

for (const [what, bytes] of [
  ['a solicitation to the group', frame(SOLICITATION)],
  ['a solicitation to us', frame({ ...SOLICITATION, destination: VIP }, MAC)],
  ['a confirmation without MAC option', frame(CONFIRMATION, MAC)],
] as const) {
  test(`answerNdp() answers ${what}, to who asked`, (t) => {
    const { vip, ethernet, message } = answerTo(bytes);
    t.is(vip, VIP);
    t.like(ethernet, { destination: ASKER_MAC, source: MAC, etherType: ETHERTYPE_IPV6 });
    t.deepEqual(message, ANSWER);
  });
}

test('answerNdp() answers duplicate address detection to all nodes', (t) => {
  const { ethernet, message } = answerTo(frame(PROBE));
  t.is(ethernet.destination, multicastMac(ALL_NODES));
  t.deepEqual(message, { ...ANSWER, destination: ALL_NODES, solicited: false });
});

test('answerNdp() answers to the MAC option where the frame comes from elsewhere', (t) => {
  const { ethernet } = answerTo(frame(SOLICITATION, undefined, 0x0200_0000_000c as Mac));
  t.is(ethernet.destination, ASKER_MAC);
});

test('answerNdp() sees a conflict in an advertisement of others for our VIP', (t) => {
  t.deepEqual(answerNdp(frame(CLAIM), STATION), {
    kind: 'conflict',
    vip: VIP,
    mac: CLAIM.targetMac as Mac,
  });
  t.like(answerNdp(frame({ ...CLAIM, targetMac: undefined }), STATION), { mac: ASKER_MAC });
});

const ELSEWHERE = address('2001:db8::1');

const DROPS: readonly [what: string, frame: Uint8Array, reason: DropReason][] = [
  ['a frame cut short', frame(SOLICITATION).subarray(0, 13), 'shortFrame'],
  ['a packet cut short', frame(SOLICITATION).subarray(0, 80), 'shortIpv6'],
  ['another type of frame', frame(SOLICITATION).with(13, 0), 'etherType'],
  ['a solicitation to another station', frame(SOLICITATION, OTHER_OWN_MAC), 'notForUs'],
  ['a group as sender', frame(SOLICITATION, undefined, multicastMac(ALL_NODES)), 'sourceGroup'],
  ['a wrong checksum', frame(SOLICITATION).with(56, 1), 'checksum'],
  ['a solicitation that was routed', frame(SOLICITATION).with(21, 64), 'hopLimit'],
  ['a question about others', frame({ ...SOLICITATION, target: ELSEWHERE }), 'notVip'],
  ['an advertisement of others', frame({ ...CLAIM, target: ELSEWHERE }), 'notRequest'],
  ['our own announcement', frame(CLAIM, undefined, MAC), 'ownFrame'],
  ['that of another interface of this box', frame(CLAIM, undefined, OTHER_OWN_MAC), 'ownFrame'],
];

for (const [what, bytes, reason] of DROPS) {
  test(`answerNdp() drops ${what}: ${reason}`, (t) =>
    t.deepEqual(answerNdp(bytes, STATION), { kind: 'drop', reason }));
}

test('answerNdp() takes a broadcast for a group address', (t) => {
  t.is(answerNdp(frame(SOLICITATION, BROADCAST_MAC), STATION).kind, 'answer');
});

const MUTATIONS = 500_000;

test('answerNdp() stands half a million damaged frames, and reads nothing behind them', (t) => {
  const { mutate, random } = createMutator(0x6d9);
  const originals = [SOLICITATION, PROBE, CONFIRMATION, CLAIM].map((message) =>
    frame(message, message.destination === VIP ? MAC : undefined),
  );
  const memory = new Uint8Array(160);
  const kinds = { answer: 0, conflict: 0, drop: 0 };
  for (let i = 0; i < MUTATIONS; i++) {
    const length = mutate(originals[i % originals.length] as Uint8Array, memory);
    const damaged = memory.subarray(0, length);
    // Most damage is to what the checksum covers; mended, the rest of the decoder sees it, too.
    if (i % 2 === 0) mendChecksum(damaged);
    const verdict = answerNdp(damaged, STATION);
    kinds[verdict.kind] += 1;
    if (i % 16 > 1) continue;
    memory.fill(random(256), length);
    if (JSON.stringify(verdict, plain) !== JSON.stringify(answerNdp(damaged, STATION), plain))
      return t.fail(`Reads behind ${Buffer.from(damaged).toString('hex')}`);
  }
  t.true(kinds.answer > 1000 && kinds.conflict > 1000 && kinds.drop > 1000, JSON.stringify(kinds));
});

function mendChecksum(bytes: Uint8Array) {
  if (bytes.length < 62) return;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const length = Math.min(view.getUint16(18), bytes.length - 54);
  if (length < 4) return;
  view.setUint16(56, 0);
  const header = ipv6PseudoHeader(VIP, VIP, length, 58);
  header.set(bytes.subarray(22, 54));
  view.setUint16(56, internetChecksum(header, bytes.subarray(54, 54 + length)));
}

function plain(_: string, value: unknown) {
  return typeof value === 'bigint' ? value.toString() : value;
}
