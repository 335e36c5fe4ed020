import test from 'ava';
import { BROADCAST_MAC, type Mac } from '../../src/domain/mac.ts';
import { decodeEthernet, ETHERTYPE_ARP, encodeEthernet } from '../../src/protocol/ethernet.ts';

const FRAME = {
  destination: BROADCAST_MAC,
  source: 0x0200_0000_000a as Mac,
  vlan: undefined,
  etherType: ETHERTYPE_ARP,
  payload: Uint8Array.of(1, 2, 3),
};

test('encodeEthernet() puts the header before the payload', (t) => {
  t.is(
    Buffer.from(encodeEthernet(FRAME)).toString('hex'),
    'ffffffffffff' + '02000000000a' + '0806' + '010203',
  );
});

test('decodeEthernet() reads what encodeEthernet() wrote, tagged or not', (t) => {
  for (const vlan of [undefined, 0, 0xe005]) {
    t.deepEqual(decodeEthernet(encodeEthernet({ ...FRAME, vlan })), { value: { ...FRAME, vlan } });
  }
});

test('decodeEthernet() drops a frame shorter than its headers', (t) => {
  const tagged = encodeEthernet({ ...FRAME, vlan: 5, payload: new Uint8Array() });
  for (let length = 0; length < tagged.length; length++)
    t.deepEqual(decodeEthernet(tagged.subarray(0, length)), { drop: 'shortFrame' });
  t.is(decodeEthernet(tagged).value?.payload.length, 0);
});
