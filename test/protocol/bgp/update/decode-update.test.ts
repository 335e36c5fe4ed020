import test from 'ava';
import { formatAddress } from '../../../../src/domain/address.ts';
import { formatPrefix } from '../../../../src/domain/prefix.ts';
import type { CodecContext } from '../../../../src/protocol/bgp/codec-context.ts';
import { decodeMessage } from '../../../../src/protocol/bgp/decode-message.ts';
import type { PathAttributes, UpdateMessage } from '../../../../src/protocol/bgp/message.ts';
import {
  EXTERNAL,
  hexOf,
  INTERNAL,
  OLD,
  octets,
  UNNUMBERED,
  wireMessage,
  wireUpdate,
} from '../../../support/bgp-wire.ts';
import { address } from '../../../support/objects.ts';

const ORIGIN = '400101 00';
const AS_PATH = '400206 0201 0000fbf4';
const NEXT_HOP = '400304 c0000201';
const MANDATORY = `${ORIGIN} ${AS_PATH} ${NEXT_HOP}`;
/** 198.51.100.0/24 */
const NET = '18 c63364';
const V6_HOP = '20010db8000000000000000000000001';
const LINK_LOCAL = 'fe800000000000000000000000000001';
/** 2001:db8:1::/48 by way of 2001:db8::1. */
const REACH6 = `800e1c 0002 01 10 ${V6_HOP} 00 30 20010db80001`;
const UNREACH6 = '800f0a 0002 01 30 20010db80001';

function decode(bytes: Uint8Array, context: CodecContext) {
  const { value, error } = decodeMessage(bytes, context);
  return { update: value as UpdateMessage | undefined, error };
}

function read(fields: Parameters<typeof wireUpdate>[0], context = EXTERNAL): UpdateMessage {
  const { update, error } = decode(wireUpdate(fields), context);
  if (update === undefined) throw new Error(`Session reset: ${JSON.stringify(error)}`);
  return update;
}

/** `+ announced`, `- withdrawn`, in words. */
function routesOf({ announced, withdrawn }: UpdateMessage): string[] {
  return [
    ...announced.map((prefix) => `+ ${formatPrefix(prefix)}`),
    ...withdrawn.map((prefix) => `- ${formatPrefix(prefix)}`),
  ];
}

function attributesIn(attributes: string, context = EXTERNAL): PathAttributes {
  const update = read({ attributes: `${MANDATORY} ${attributes}`, announced: NET }, context);
  return update.attributes as PathAttributes;
}

test('decodeUpdate() reads withdrawn and announced prefixes of the message itself', (t) => {
  const update = read({
    withdrawn: '20 c0000207 00',
    attributes: MANDATORY,
    announced: `${NET} 19 c6336480 08 0a`,
  });
  t.deepEqual(routesOf(update), [
    '+ 198.51.100.0/24',
    '+ 198.51.100.128/25',
    '+ 10.0.0.0/8',
    '- 192.0.2.7/32',
    '- 0.0.0.0/0',
  ]);
  t.like(update, {
    attributes: {
      origin: 'igp',
      asPath: [{ kind: 'sequence', asns: [64500] }],
      nextHop: address('192.0.2.1'),
      mpNextHop: undefined,
    },
    endOfRib: undefined,
    faults: [],
  });
});

test('decodeUpdate() ignores bits of a prefix beyond its length', (t) => {
  const update = read({ attributes: MANDATORY, announced: '14 c633ff 01 ff' });
  t.deepEqual(routesOf(update), ['+ 198.51.240.0/20', '+ 128.0.0.0/1']);
});

test('decodeUpdate() reads IPv6 prefixes with one next hop and with two (RFC 2545)', (t) => {
  const one = read({ attributes: `${REACH6} ${ORIGIN} ${AS_PATH}` });
  t.deepEqual(routesOf(one), ['+ 2001:db8:1::/48']);
  t.is(one.attributes?.nextHop, undefined);
  t.deepEqual(one.attributes?.mpNextHop, { global: address('2001:db8::1'), linkLocal: undefined });
  const two = read({
    attributes: `${ORIGIN} ${AS_PATH} 800e29 0002 01 20 ${V6_HOP} ${LINK_LOCAL} 00 0b 2000 00`,
  });
  t.deepEqual(routesOf(two), ['+ 2000::/11', '+ ::/0']);
  t.deepEqual(two.attributes?.mpNextHop, {
    global: address('2001:db8::1'),
    linkLocal: address('fe80::1'),
  });
});

test('decodeUpdate() reads IPv4 prefixes with IPv6 next hops where agreed on (RFC 8950)', (t) => {
  const reach = `800e19 0001 01 10 ${V6_HOP} 00 18 c63364`;
  const update = read({ attributes: `${ORIGIN} ${AS_PATH} ${reach}` }, UNNUMBERED);
  t.deepEqual(routesOf(update), ['+ 198.51.100.0/24']);
  t.is(formatAddress(update.attributes?.mpNextHop?.global ?? address('::')), '2001:db8::1');
});

test('decodeUpdate() reads IPv4 prefixes in MP_REACH_NLRI and MP_UNREACH_NLRI (RFC 4760)', (t) => {
  const update = read({
    attributes: `${ORIGIN} ${AS_PATH} 800e0d 0001 01 04 c0000201 00 18 c63364 800f05 0001 01 08 0a`,
  });
  t.deepEqual(routesOf(update), ['+ 198.51.100.0/24', '- 10.0.0.0/8']);
  t.is(update.attributes?.mpNextHop?.global, address('192.0.2.1'));
});

test('decodeUpdate() reads both families in one message, each with its next hop', (t) => {
  const update = read({
    withdrawn: '08 0a',
    attributes: `${REACH6} ${MANDATORY}`,
    announced: NET,
  });
  t.deepEqual(routesOf(update), ['+ 198.51.100.0/24', '+ 2001:db8:1::/48', '- 10.0.0.0/8']);
  t.is(update.attributes?.nextHop, address('192.0.2.1'));
  t.is(update.attributes?.mpNextHop?.global, address('2001:db8::1'));
});

test('decodeUpdate() leaves out families that were not negotiated', (t) => {
  const fields = {
    withdrawn: '08 0a',
    attributes: `${REACH6} ${MANDATORY} ${UNREACH6}`,
    announced: NET,
  };
  t.deepEqual(routesOf(read(fields, { ...EXTERNAL, families: [6] })), [
    '+ 2001:db8:1::/48',
    '- 2001:db8:1::/48',
  ]);
  t.deepEqual(routesOf(read(fields, { ...EXTERNAL, families: [4] })), [
    '+ 198.51.100.0/24',
    '- 10.0.0.0/8',
  ]);
  // EVPN, whose prefixes have another form.
  const evpn = read({ attributes: `${ORIGIN} ${AS_PATH} 800e07 0019 46 04 ffffff` });
  t.deepEqual([routesOf(evpn), evpn.faults], [[], []]);
});

test('decodeUpdate() leaves out IPv6 prefixes that are IPv4 addresses in disguise', (t) => {
  const mapped = '78 00000000000000000000 ffff c63364';
  const update = read({ attributes: `800f15 0002 01 ${mapped} 08 20` });
  t.deepEqual(routesOf(update), ['- 2000::/8']);
});

test('decodeUpdate() knows End-of-RIB in both forms (RFC 4724)', (t) => {
  t.is(read({}).endOfRib, 4);
  t.is(read({ attributes: '800f03 0002 01' }).endOfRib, 6);
  t.is(read({ attributes: '900f0003 0002 01' }).endOfRib, 6);
  t.is(read({ attributes: '800f03 0001 01' }).endOfRib, 4);
  t.is(read({ attributes: UNREACH6 }).endOfRib, undefined);
  t.is(read({ withdrawn: NET }).endOfRib, undefined);
  t.is(read({ withdrawn: NET, attributes: '800f03 0002 01' }).endOfRib, undefined);
  t.is(read({ attributes: `800f03 0002 01 ${ORIGIN}` }).endOfRib, undefined);
  t.is(read({}, { ...EXTERNAL, families: [6] }).endOfRib, undefined);
  t.is(read({ attributes: '800f03 0002 01' }, { ...EXTERNAL, families: [4] }).endOfRib, undefined);
  t.is(read({ attributes: '800f03 0019 46' }).endOfRib, undefined);
});

/** What each attribute says; the first column as its RFC draws it. */
const ATTRIBUTES: [attribute: string, fields: Partial<PathAttributes>, context?: CodecContext][] = [
  ['800404 00000064', { med: 100 }],
  ['400504 000000c8', { localPref: 200 }, INTERNAL],
  ['400600', { atomicAggregate: true }],
  ['c00708 fbf00001 c0000209', { aggregator: { asn: 0xfbf00001, address: address('192.0.2.9') } }],
  ['c00808 ffffff01 fbf40001', { communities: [0xffffff01, 0xfbf40001] }],
  // The Extended Length flag does not need a long value, nor does Partial change anything.
  ['f0080004 ffff0000', { communities: [0xffff0000] }],
  ['800904 0a000001', { originatorId: 0x0a000001 }, INTERNAL],
  ['800a08 00000001 00000002', { clusterList: [1, 2] }, INTERNAL],
  ['c01008 0002fbf400000001', { extendedCommunities: [0x0002fbf400000001n] }],
  [
    'c0200c fbf40001 00000002 ffffffff',
    { largeCommunities: [{ global: 0xfbf40001, local1: 2, local2: 0xffffffff }] },
  ],
  // RFC 8092 §5: once is enough.
  [
    'c02018 000000010000000200000003 000000010000000200000003',
    { largeCommunities: [{ global: 1, local1: 2, local2: 3 }] },
  ],
  [
    'e06302 abcd 806200',
    {
      unknown: [
        { code: 98, transitive: false, partial: false, bytes: octets('') },
        { code: 99, transitive: true, partial: true, bytes: octets('abcd') },
      ],
    },
  ],
];

for (const [wire, fields, context] of ATTRIBUTES)
  test(`decodeUpdate() reads ${Object.keys(fields)} from ${wire}`, (t) => {
    const plain = attributesIn('');
    t.deepEqual(attributesIn(wire, context), { ...plain, ...fields });
  });

const WAYS: [wire: string, asPath: PathAttributes['asPath'], context?: CodecContext][] = [
  ['400200', []],
  [
    '400210 0202 00000001 fbf00001 0101 00000003',
    [
      { kind: 'sequence', asns: [1, 0xfbf00001] },
      { kind: 'set', asns: [3] },
    ],
  ],
  ['400206 0202 0001 5ba0', [{ kind: 'sequence', asns: [1, 23456] }], OLD],
  [
    '40020c 0301 00000001 0401 00000002',
    [
      { kind: 'confederationSequence', asns: [1] },
      { kind: 'confederationSet', asns: [2] },
    ],
    INTERNAL,
  ],
  // RFC 6793 §4.2.3: the numbers of four octets are the end of the path.
  [
    '400208 0203 0001 5ba0 5ba0 c0110a 0202 fbf00001 fbf00002',
    [
      { kind: 'sequence', asns: [1] },
      { kind: 'sequence', asns: [0xfbf00001, 0xfbf00002] },
    ],
    OLD,
  ],
  // Longer than the path: not about it.
  ['400204 0201 5ba0 c0110a 0202 fbf00001 fbf00002', [{ kind: 'sequence', asns: [23456] }], OLD],
  // Somebody with two octets aggregated meanwhile.
  [
    '400204 0201 5ba0 c00706 0001 c0000209 c01106 0201 fbf00001 c01208 fbf00001 c0000208',
    [{ kind: 'sequence', asns: [23456] }],
    OLD,
  ],
  [
    '400204 0201 5ba0 c00706 0001 c0000209 c01106 0201 fbf00001',
    [{ kind: 'sequence', asns: [0xfbf00001] }],
    OLD,
  ],
  // Segments of a confederation are no part of AS4_PATH.
  [
    '400204 0201 5ba0 c0110c 0301 00000007 0201 fbf00001',
    [{ kind: 'sequence', asns: [0xfbf00001] }],
    OLD,
  ],
];

for (const [wire, asPath, context = EXTERNAL] of WAYS)
  test(`decodeUpdate() reads the AS path of ${wire}`, (t) => {
    const update = read({ attributes: `${ORIGIN} ${NEXT_HOP} ${wire}`, announced: NET }, context);
    t.deepEqual([update.attributes?.asPath, update.faults], [asPath, []]);
  });

test('decodeUpdate() takes the aggregator with four octets when that with two is AS_TRANS', (t) => {
  const mandatory = `${ORIGIN} ${NEXT_HOP} 400204 0201 0001`;
  const as4 = 'c01208 fbf00001 c0000208';
  const aggregator = (attributes: string) =>
    read({ attributes: `${mandatory} ${attributes}`, announced: NET }, OLD).attributes?.aggregator;
  t.is(aggregator(`c00706 5ba0 c0000209 ${as4}`)?.asn, 0xfbf00001);
  t.is(aggregator(`c00706 0007 c0000209 ${as4}`)?.asn, 7);
  t.is(aggregator('c00706 5ba0 c0000209')?.asn, 23456);
  t.is(aggregator(as4), undefined);
});

const REPLACED: Readonly<Record<string, string>> = {
  '01': `${AS_PATH} ${NEXT_HOP}`,
  '02': `${ORIGIN} ${NEXT_HOP}`,
  '03': `${ORIGIN} ${AS_PATH}`,
};

/** The other mandatory attributes beside this one. */
function beside(attribute: string): string {
  return `${REPLACED[attribute.slice(2, 4)] ?? MANDATORY} ${attribute}`;
}

/**
 * RFC 7606, row by row: the route is withdrawn; and, where no route is announced beside it, the session
 * ends with this subcode (§5.2).
 */
const WITHDRAWN: [section: string, wire: string, subcode: number, context?: CodecContext][] = [
  ['§3 c: ORIGIN as optional', 'c00101 00', 4],
  ['§3 c: AS_PATH as not transitive', '000206 0201 0000fbf4', 4],
  ['§3 c: NEXT_HOP as optional', '800304 c0000201', 4],
  ['§3 c: MULTI_EXIT_DISC as transitive', 'c00404 00000001', 4],
  ['§3 c: LOCAL_PREF as optional', 'c00504 00000001', 4, INTERNAL],
  ['§3 c: ATOMIC_AGGREGATE as optional', 'c00600', 4],
  ['§3 c: AGGREGATOR as not transitive', '800708 00000001 c0000209', 4],
  ['§3 c: COMMUNITIES as well-known', '400804 00000001', 4],
  ['§3 c: LARGE_COMMUNITY as not transitive', '80200c 000000010000000100000001', 4],
  ['§4: an attribute longer than all', 'c00805 00000001', 1],
  ['§4: an attribute of one octet', 'c0', 1],
  ['§4: an attribute of two octets', 'c008', 1],
  ['§4: an attribute with half an extended length', 'd00800', 1],
  ['§4: COMMUNITIES of no octets', 'c00800', 9],
  ['§7.1: ORIGIN of no octets', '400100', 6],
  ['§7.1: ORIGIN of two octets', '400102 0000', 6],
  ['§7.1: ORIGIN 3', '400101 03', 6],
  ['§7.2: AS_PATH with a segment of type 0', '400206 0001 0000fbf4', 11],
  ['§7.2: AS_PATH with a segment of type 5', '400206 0501 0000fbf4', 11],
  ['§7.2: AS_PATH that ends inside a segment', '400206 0202 0000fbf4', 11],
  ['§7.2: AS_PATH with half a head of a segment', '400207 0201 0000fbf4 02', 11],
  ['§7.2: AS_PATH with an empty segment', '400208 0201 0000fbf4 0200', 11],
  ['§7.2: AS_PATH with two octets for four', '400204 0201 fbf4', 11],
  ['RFC 7607: AS_PATH with AS 0', '400206 0201 00000000', 11],
  ['RFC 5065 §4: a confederation from outside', '400206 0301 0000fbf4', 11],
  ['§7.3: NEXT_HOP of three octets', '400303 c00002', 8],
  ['§7.3: NEXT_HOP of 16 octets', `400310 ${V6_HOP}`, 8],
  ['RFC 4271 §6.3: NEXT_HOP 0.0.0.0', '400304 00000000', 8],
  ['RFC 4271 §6.3: NEXT_HOP of a group', '400304 e0000001', 8],
  ['§7.4: MULTI_EXIT_DISC of three octets', '800403 000001', 5],
  ['§7.5: LOCAL_PREF of five octets', '400505 0000000001', 5, INTERNAL],
  ['§7.8: COMMUNITIES of six octets', 'c00806 000000010000', 9],
  ['§7.9: ORIGINATOR_ID of three octets', '800903 0a0000', 9, INTERNAL],
  ['§7.10: CLUSTER_LIST of no octets', '800a00', 9, INTERNAL],
  ['§7.10: CLUSTER_LIST of five octets', '800a05 0000000100', 9, INTERNAL],
  ['§7.14: EXTENDED COMMUNITIES of four octets', 'c01004 00000001', 9],
  ['RFC 8092 §6: LARGE_COMMUNITY of eight octets', 'c02008 0000000100000001', 9],
];

for (const [what, wire, subcode, context = EXTERNAL] of WITHDRAWN) {
  test(`RFC 7606 ${what}: the routes are withdrawn`, (t) => {
    const fields = { attributes: `${REACH6} ${beside(wire)}`, announced: NET };
    const update = read({ ...fields, withdrawn: '08 0a' }, context);
    t.deepEqual(routesOf(update), ['- 10.0.0.0/8', '- 198.51.100.0/24', '- 2001:db8:1::/48']);
    t.is(update.attributes, undefined);
    t.like(update.faults, [{ approach: 'treatAsWithdraw', family: undefined }]);
    t.false(Object.hasOwn(update.faults[0] ?? {}, 'reset'));
  });
  test(`RFC 7606 ${what}, and no route announced: the session ends`, (t) => {
    const { error } = decode(wireUpdate({ withdrawn: '08 0a', attributes: wire }), context);
    t.like(error, { code: 3, subcode });
    const whole = hexOf(octets(wire));
    t.is(hexOf(error?.data ?? octets('')), subcode === 1 ? '' : whole);
  });
}

for (const [code, others] of Object.entries(REPLACED))
  test(`RFC 7606 §3 d: without attribute ${code} the routes are withdrawn`, (t) => {
    const update = read({ attributes: others, announced: NET });
    t.deepEqual(routesOf(update), ['- 198.51.100.0/24']);
    t.like(update.faults, [{ approach: 'treatAsWithdraw', attribute: Number(code) }]);
    t.true(update.faults[0]?.reason.endsWith('is missing'));
  });

test('RFC 7606 §3 d: prefixes in MP_REACH_NLRI need ORIGIN and AS_PATH, but no NEXT_HOP', (t) => {
  t.deepEqual(routesOf(read({ attributes: `${REACH6} ${AS_PATH}` })), ['- 2001:db8:1::/48']);
  t.deepEqual(routesOf(read({ attributes: `${REACH6} ${ORIGIN}` })), ['- 2001:db8:1::/48']);
  t.deepEqual(read({ attributes: `${REACH6} ${ORIGIN} ${AS_PATH}` }).faults, []);
});

test('RFC 7606 §3 c: MP attributes with wrong flags are read, and their routes withdrawn', (t) => {
  const reach = REACH6.replace('800e', 'c00e');
  const update = read({ attributes: `${reach} ${ORIGIN} ${AS_PATH}` });
  t.deepEqual(routesOf(update), ['- 2001:db8:1::/48']);
  const unreach = read({ attributes: UNREACH6.replace('800f', '400f') });
  t.deepEqual(routesOf(unreach), ['- 2001:db8:1::/48']);
  t.is(unreach.faults.length, 1);
});

/** The attribute is left out, and the route stays; with or without a route the session goes on. */
const DISCARDED: [section: string, wire: string, context?: CodecContext][] = [
  ['§7.5: LOCAL_PREF from another AS', '400504 00000001'],
  ['§7.5: a malformed LOCAL_PREF from another AS', '400501 00'],
  ['§7.6: ATOMIC_AGGREGATE of one octet', '400601 00'],
  ['§7.7: AGGREGATOR of six octets', 'c00706 0001 c0000209'],
  ['§7.7: AGGREGATOR of eight octets, with two for a number', 'c00708 00000001 c0000209', OLD],
  ['RFC 7607: AGGREGATOR with AS 0', 'c00708 00000000 c0000209'],
  ['§7.9: ORIGINATOR_ID from another AS', '800904 0a000001'],
  ['§7.10: CLUSTER_LIST from another AS', '800a04 00000001'],
  ['RFC 6793 §6: a malformed AS4_PATH', 'c01105 0201 000001', OLD],
  ['RFC 7607: AS4_PATH with AS 0', 'c01106 0201 00000000', OLD],
  ['RFC 6793 §4.1: AS4_PATH from a peer with four octets', 'c01106 0201 fbf00001'],
  ['RFC 6793 §6: a malformed AS4_AGGREGATOR', 'c01206 0001 c0000209', OLD],
  ['RFC 6793 §4.1: AS4_AGGREGATOR from a peer with four octets', 'c01208 00000001 c0000209'],
];

for (const [what, wire, context = EXTERNAL] of DISCARDED)
  test(`RFC 7606 ${what}: the attribute is left out`, (t) => {
    const path = context.fourOctetAs ? AS_PATH : '400204 0201 fbf4';
    const attributes = `${ORIGIN} ${path} ${NEXT_HOP}`;
    const plain = read({ attributes, announced: NET }, context);
    const update = read({ attributes: `${attributes} ${wire}`, announced: NET }, context);
    t.deepEqual(update, { ...plain, faults: update.faults });
    t.like(update.faults, [{ approach: 'attributeDiscard', attribute: octets(wire)[1] as number }]);
    t.is(decode(wireUpdate({ attributes: wire }), context).error, undefined);
  });

test('RFC 7606 §3 g: of attributes that come again the first counts, and one fault is noted', (t) => {
  const twice = 'c00804 00000001 c00804 00000002 c00803 000000';
  const update = read({ attributes: `${MANDATORY} ${twice}`, announced: NET });
  t.deepEqual(update.attributes?.communities, [1]);
  t.deepEqual(update.faults, [
    {
      approach: 'attributeDiscard',
      attribute: 8,
      family: undefined,
      reason: 'COMMUNITIES is there more than once',
    },
  ]);
});

test('RFC 7606 §3 h: of several faults the gravest counts', (t) => {
  const both = 'c00706 0001 c0000209 800403 000001';
  const update = read({ attributes: `${MANDATORY} ${both}`, announced: NET });
  t.deepEqual(
    update.faults.map(({ approach }) => approach),
    ['attributeDiscard', 'treatAsWithdraw'],
  );
  t.deepEqual(routesOf(update), ['- 198.51.100.0/24']);
});

/** Nothing of this family can be believed any more; the other one stays as it is (RFC 4760 §7). */
const DISABLED: [section: string, wire: string, family: number, context?: CodecContext][] = [
  ['§7.11: MP_REACH_NLRI without a next hop', '800e04 0002 01 00', 6],
  ['§7.11: an IPv6 next hop of 4 octets', '800e0a 0002 01 04 c0000201 00 00', 6],
  ['§7.11: an IPv6 next hop of 24 octets', `800e1d 0002 01 18 ${'00'.repeat(25)}`, 6],
  ['§7.11: a next hop longer than the attribute', '800e0a 0002 01 10 20010db80000', 6],
  ['§7.11: nothing behind the next hop', `800e14 0002 01 10 ${V6_HOP}`, 6],
  ['§7.11: an IPv6 next hop that was not agreed on', `800e16 0001 01 10 ${V6_HOP} 00 00`, 4],
  ['§7.11: an IPv4 next hop of 5 octets', '800e0b 0001 01 05 c000020100 00 00', 4, UNNUMBERED],
  ['§5.3: an IPv6 prefix of 129 bits', `800e26 0002 01 10 ${V6_HOP} 00 81 ${'20'.repeat(16)}`, 6],
  ['§5.3: an IPv6 prefix that is not whole', `800e18 0002 01 10 ${V6_HOP} 00 30 2001`, 6],
  ['§5.3: a withdrawn IPv6 prefix of 200 bits', '800f05 0002 01 c8 20', 6],
  ['§5.3: a withdrawn IPv4 prefix that is not whole', '800f06 0001 01 18 c633', 4],
];

for (const [what, wire, family, context = EXTERNAL] of DISABLED)
  test(`RFC 7606 ${what}: the family is disabled`, (t) => {
    const { update, error } = decode(
      wireUpdate({ attributes: `${wire} ${MANDATORY}`, withdrawn: '08 0a', announced: NET }),
      context,
    );
    t.is(error, undefined);
    t.like(update?.faults, [{ approach: 'disableFamily', family }]);
    t.deepEqual(routesOf(update as UpdateMessage), ['+ 198.51.100.0/24', '- 10.0.0.0/8']);
    const other = { ...context, families: [family === 4 ? 6 : 4] as const };
    t.deepEqual(read({ attributes: `${wire} ${MANDATORY}` }, other).faults, []);
  });

/** Nobody can tell which routes it is about. */
const RESET: [section: string, message: Uint8Array, error: string][] = [
  [
    'RFC 4271 §6.3: withdrawn routes longer than the message',
    wireMessage(2, '0003 08 0a 0000'),
    '3/1 ',
  ],
  [
    'RFC 4271 §6.3: withdrawn routes that leave no second length',
    wireMessage(2, '0002 08 0a'),
    '3/1 ',
  ],
  [
    'RFC 4271 §6.3: attributes longer than the message',
    wireMessage(2, '0000 0005 40010100'),
    '3/1 ',
  ],
  ['§3 i: a withdrawn prefix of 33 bits', wireUpdate({ withdrawn: '21 c633640000' }), '3/10 '],
  ['§3 i: a withdrawn prefix that is not whole', wireUpdate({ withdrawn: '18 c633' }), '3/10 '],
  [
    '§5.3: a prefix of 33 bits',
    wireUpdate({ attributes: MANDATORY, announced: '21 c633640000' }),
    '3/10 ',
  ],
  [
    '§5.3: a prefix that is not whole',
    wireUpdate({ attributes: MANDATORY, announced: '18 c633' }),
    '3/10 ',
  ],
  [
    '§3 g: MP_REACH_NLRI twice',
    wireUpdate({ attributes: `${REACH6} ${REACH6} ${ORIGIN} ${AS_PATH}` }),
    '3/1 ',
  ],
  ['§3 g: MP_UNREACH_NLRI twice', wireUpdate({ attributes: `${UNREACH6} ${UNREACH6}` }), '3/1 '],
  [
    '§5.3: MP_REACH_NLRI that names no family',
    wireUpdate({ attributes: `800e02 0002 ${MANDATORY}`, announced: NET }),
    '3/9 800e020002',
  ],
  [
    '§5.3: MP_UNREACH_NLRI that names no family',
    wireUpdate({ attributes: '800f02 0002' }),
    '3/9 800f020002',
  ],
  [
    'RFC 4271 §6.3: a well-known attribute that nobody knows',
    wireUpdate({ attributes: `${MANDATORY} 406301 ab`, announced: NET }),
    '3/2 406301ab',
  ],
];

for (const [what, message, expected] of RESET)
  test(`RFC 7606 ${what}: the session ends`, (t) => {
    const { error } = decode(message, EXTERNAL);
    t.is(error && `${error.code}/${error.subcode} ${hexOf(error.data)}`, expected);
  });

test('a fault names its attribute and what is wrong', (t) => {
  const update = read({ attributes: `${MANDATORY} 800403 000001`, announced: NET });
  t.is(update.faults[0]?.reason, 'MULTI_EXIT_DISC has 3 octets instead of 4');
});
