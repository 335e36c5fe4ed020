import test from 'ava';
import type { Mac } from '../../src/domain/mac.ts';
import { ALL_NODES, UNSPECIFIED } from '../../src/protocol/ndp.ts';
import {
  ALL_ROUTERS,
  decodeRouterMessage,
  encodeRouterMessage,
  type RouterAdvertisement,
  type RouterMessageDrop,
  type RouterSolicitation,
} from '../../src/protocol/router-discovery.ts';
import { sealed, withByte, withOptions } from '../support/discovery-packets.ts';
import { createMutator } from '../support/mutate.ts';
import { address } from '../support/objects.ts';

const MAC = 0x0200_0000_000a as Mac;

const SOLICITATION: RouterSolicitation = {
  kind: 'solicitation',
  source: address('fe80::1'),
  destination: ALL_ROUTERS,
  sourceMac: MAC,
};

const ADVERTISEMENT: RouterAdvertisement = {
  kind: 'advertisement',
  source: address('fe80::1'),
  destination: ALL_NODES,
  lifetimeSec: 0,
  sourceMac: MAC,
};

/** From fe80::1 to a group whose last digit is missing. */
const ADDRESSES = 'fe800000000000000000000000000001ff02000000000000000000000000000';

test('encodeRouterMessage() writes the messages of RFC 4861', (t) => {
  const solicitation = Buffer.from(encodeRouterMessage(SOLICITATION)).toString('hex');
  t.is(
    `${solicitation.slice(0, 84)}0000${solicitation.slice(88)}`,
    ['6000000000103aff', ADDRESSES, '2', '8500000000000000', '010102000000000a'].join(''),
  );
  const advertisement = Buffer.from(encodeRouterMessage(ADVERTISEMENT)).toString('hex');
  t.is(
    `${advertisement.slice(0, 84)}0000${advertisement.slice(88)}`,
    ['6000000000183aff', ADDRESSES, '1', '86', '00'.repeat(15), '010102000000000a'].join(''),
  );
});

test('decodeRouterMessage() reads what encodeRouterMessage() wrote, and ignores padding', (t) => {
  const anonymous = { ...SOLICITATION, source: UNSPECIFIED, sourceMac: undefined };
  const lasting = { ...ADVERTISEMENT, lifetimeSec: 9000, sourceMac: undefined };
  for (const message of [SOLICITATION, anonymous, ADVERTISEMENT, lasting]) {
    const packet = encodeRouterMessage(message);
    t.deepEqual(decodeRouterMessage(packet), { value: message });
    t.deepEqual(decodeRouterMessage(Buffer.concat([packet, Buffer.alloc(9, 0xff)])), {
      value: message,
    });
  }
});

/** The advertisement of radvd with a prefix, an MTU, a DNS server and its MAC at the end. */
test('decodeRouterMessage() reads past options that say other things', (t) => {
  const options = [
    '030440c00001518000003840000000002001' + '0db8000000010000000000000000',
    '05010000000005dc',
    '190300000000003c20010db8000000000000000000000053',
    '010102000000000a',
  ].join('');
  const message = encodeRouterMessage({ ...ADVERTISEMENT, lifetimeSec: 1800 });
  const packet = withOptions(message, message.length - 8, options);
  t.deepEqual(decodeRouterMessage(packet), { value: { ...ADVERTISEMENT, lifetimeSec: 1800 } });
});

const advertisement = encodeRouterMessage(ADVERTISEMENT);
const solicitation = encodeRouterMessage(SOLICITATION);
const short = Uint8Array.from(advertisement.subarray(0, 48));
short[5] = 8;

const BAD: readonly [what: string, packet: Uint8Array, reason: RouterMessageDrop][] = [
  ['nothing', new Uint8Array(), 'shortIpv6'],
  ['a neighbour solicitation', withByte(advertisement, 40, 135), 'notNeighborMessage'],
  ['a redirect', withByte(advertisement, 40, 137), 'notNeighborMessage'],
  ['a packet that was routed', withByte(advertisement, 7, 254), 'hopLimit'],
  ['code 1', withByte(solicitation, 41, 1), 'code'],
  ['a wrong checksum', Uint8Array.from(advertisement).fill(1, 43, 44), 'checksum'],
  ['an advertisement of 8 bytes', sealed(short), 'shortMessage'],
  ['a router with a global address', withByte(advertisement, 8, 0x20), 'sourceNotLinkLocal'],
  [
    'a question from :: with a MAC',
    sealed(Uint8Array.from(solicitation).fill(0, 8, 24)),
    'unspecifiedWithMac',
  ],
  ['an option of length 0', withByte(advertisement, 57, 0), 'option'],
  ['an option that is cut', withByte(advertisement, 57, 2), 'option'],
  ['a multicast MAC', withByte(advertisement, 58, 0x33), 'macOption'],
];

for (const [what, packet, reason] of BAD) {
  test(`decodeRouterMessage() refuses ${what}`, (t) => {
    t.deepEqual(decodeRouterMessage(packet), { drop: reason });
  });
}

test('decodeRouterMessage() survives damage, and reads nothing from a wrong source', (t) => {
  const { mutate, random } = createMutator(4861);
  const originals = [advertisement, solicitation];
  const into = new Uint8Array(128);
  let read = 0;
  for (let i = 0; i < 100_000; i++) {
    const length = mutate(originals[i % 2] ?? advertisement, into);
    const packet = into.slice(0, length);
    // Half of them get a right checksum, and so come farther.
    if (random(2) === 0 && length >= 44) sealed(packet);
    const { value } = decodeRouterMessage(packet);
    if (!value) continue;
    read += 1;
    if (value.kind === 'advertisement' && value.source >> 118n !== 0x3fan) t.fail('wrong source');
    t.deepEqual(decodeRouterMessage(encodeRouterMessage(value)).value, value);
  }
  t.true(read > 1_000, `${read}`);
});
