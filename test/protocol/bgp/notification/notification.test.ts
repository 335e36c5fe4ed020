import test from 'ava';
import { INITIAL_CONTEXT } from '../../../../src/protocol/bgp/codec-context.ts';
import { decodeMessage } from '../../../../src/protocol/bgp/decode-message.ts';
import { encodeMessage } from '../../../../src/protocol/bgp/encode-message.ts';
import { describeNotification } from '../../../../src/protocol/bgp/notification/notification.ts';
import { NOTIFICATION_TEXTS } from '../../../../src/protocol/bgp/notification/notification-texts.ts';
import { encodeShutdownText } from '../../../../src/protocol/bgp/notification/shutdown-text.ts';
import { hexOf, octets, wireMessage } from '../../../support/bgp-wire.ts';

/** Code, subcode and data as on the wire → in words. */
const IN_WORDS: [wire: string, text: string][] = [
  [
    '0101',
    'Connection not synchronized: something else than BGP speaks on this port, or a middlebox changes the stream',
  ],
  ['0102 1001', 'Bad message length (4097 octets)'],
  ['0102', 'Bad message length'],
  ['0103 06', 'Bad message type (type 6)'],
  ['0109', 'Message header error, subcode 9'],
  ['0200', 'Malformed OPEN'],
  ['0201 0004', 'Unsupported version of BGP (version 4 would do)'],
  [
    '0202',
    "Wrong AS number: compare myASN, localASN and peerASN of the BGPPeer with the router's neighbour and local AS",
  ],
  [
    '0203',
    'Bad router ID: both sides may have the same one: set routerID of the BGPPeer, or that of the router',
  ],
  ['0204', 'Unsupported optional parameter'],
  [
    '0206',
    'Unacceptable hold time: set holdTime of the BGPPeer to what the router accepts, 3 s or more',
  ],
  [
    '0207 0104 0002 00 01 4104 00000001 0504',
    'A required capability is missing: enable the same address families on both sides',
  ],
  [
    '0207 0104 0002 00 01 4104 00000001 8200',
    'A required capability is missing (IPv6 unicast, 4-octet AS, capability 130): enable the same address families on both sides',
  ],
  [
    '020b',
    'Role mismatch: the router insists on a BGP role (RFC 9234): remove strict mode for this neighbour',
  ],
  ['0301', 'Malformed attribute list'],
  ['0302 406301ab', 'Unrecognized well-known attribute (Attribute 99)'],
  ['0303 05', 'Missing well-known attribute (LOCAL_PREF)'],
  ['0304 c00101 00', 'Wrong attribute flags (ORIGIN)'],
  ['0305 800403 000001', 'Wrong attribute length (MULTI_EXIT_DISC)'],
  ['0306 40010103', 'Invalid ORIGIN (ORIGIN)'],
  ['0307', 'AS routing loop'],
  ['0309 800e020002', 'Error in an optional attribute (MP_REACH_NLRI)'],
  ['030a 21c63364', 'Invalid prefix'],
  ['03ff', 'UPDATE message error, subcode 255'],
  [
    '0400',
    'Hold timer expired: nothing came from the other side for the whole hold time: see that packets get through',
  ],
  ['0500', 'Unexpected message'],
  ['0501', 'Unexpected message while an OPEN was waited for'],
  ['0502', 'Unexpected message while a KEEPALIVE was waited for'],
  ['0503', 'Unexpected message in an established session'],
  ['0600', 'Session ended'],
  [
    '0601 0001 01 0000000a',
    "Too many prefixes (IPv4 unicast, at most 10): announce fewer (aggregationLength of the BGPAdvertisement), or raise the router's limit",
  ],
  ['0602', 'Shut down on purpose'],
  ['0602 00', 'Shut down on purpose'],
  ['0602 05 68656c6c6f', 'Shut down on purpose ("hello")'],
  ['0603', 'The neighbour was removed from the configuration'],
  ['0604 04 62796521', 'Reset on purpose ("bye!")'],
  ['0605', 'Connection rejected: see that the router has this address as an active neighbour'],
  ['0606', 'The configuration was changed'],
  ['0607', 'Both sides connected at once: the other connection goes on'],
  ['0608', 'Out of resources'],
  ['0609', 'Hard reset'],
  ['0609 0602 05 68656c6c6f', 'Hard reset (Shut down on purpose ("hello"))'],
  ['0609 0609 0609', 'Hard reset'],
  ['060a', 'BFD says that the path is down'],
  ['0663', 'Session ended, subcode 99'],
  ['0701 ff', 'ROUTE-REFRESH of a wrong length'],
  [
    '0800',
    'Send hold timer expired: the other side took no data for too long: see whether it is overloaded',
  ],
  ['0905', 'Error 9 with subcode 5, which nobody defined'],
];

for (const [wire, text] of IN_WORDS)
  test(`NOTIFICATION ${wire} is said as "${text}"`, (t) => {
    const bytes = wireMessage(3, wire);
    const { value } = decodeMessage(bytes, INITIAL_CONTEXT);
    if (value?.kind !== 'notification') return t.fail();
    t.is(describeNotification(value), text);
    t.is(hexOf(encodeMessage(value, INITIAL_CONTEXT)), hexOf(bytes));
  });

test('describeNotification() finds words for every code, subcode and data, on one line', (t) => {
  const soup = [octets(''), octets('00'), octets('ff0a0d'), new Uint8Array(300).fill(10)];
  for (let code = 0; code < 256; code++)
    for (let subcode = 0; subcode < 256; subcode++)
      for (const data of soup) {
        const text = describeNotification({ code, subcode, data });
        if (!/^[A-Z][ -~…]*[^.]$/.test(text)) t.fail(`${code}/${subcode}: ${text}`);
      }
  t.is(NOTIFICATION_TEXTS.size, 8);
});

test('describeNotification() shows a text without what could disguise it', (t) => {
  const data = encodeShutdownText('back\nat\u001b[31m 5\u202e pm');
  t.is(
    describeNotification({ code: 6, subcode: 2, data }),
    'Shut down on purpose ("back at [31m 5  pm")',
  );
});

test('encodeMessage() cuts data that is too long for a NOTIFICATION', (t) => {
  const data = new Uint8Array(5_000).fill(7);
  const bytes = encodeMessage({ kind: 'notification', code: 7, subcode: 1, data }, INITIAL_CONTEXT);
  t.is(bytes.length, 4096);
  t.like(decodeMessage(bytes, INITIAL_CONTEXT).value, { code: 7, subcode: 1 });
});
