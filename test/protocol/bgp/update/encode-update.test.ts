import test from 'ava';
import fc from 'fast-check';
import { type Prefix, parsePrefix } from '../../../../src/domain/prefix.ts';
import type { CodecContext } from '../../../../src/protocol/bgp/codec-context.ts';
import { decodeMessage } from '../../../../src/protocol/bgp/decode-message.ts';
import type { PathAttributes, UpdateMessage } from '../../../../src/protocol/bgp/message.ts';
import { encodeUpdate } from '../../../../src/protocol/bgp/update/encode-update.ts';
import { ownPath, path, prefixOf } from '../../../support/bgp-messages.ts';
import {
  EXTERNAL,
  hexOf,
  INTERNAL,
  OLD,
  octets,
  UNNUMBERED,
  wireUpdate,
} from '../../../support/bgp-wire.ts';
import { address } from '../../../support/objects.ts';

const V4 = parsePrefix('198.51.100.0/24') as Prefix;
const V6 = parsePrefix('2001:db8:1::/48') as Prefix;
const GLOBAL = { global: address('2001:db8::1'), linkLocal: undefined };
const BOTH = { ...GLOBAL, linkLocal: address('fe80::1') };
const V6_HOP = '20010db8000000000000000000000001';
const LINK_LOCAL = 'fe800000000000000000000000000001';

function update(fields: Partial<UpdateMessage>): UpdateMessage {
  return {
    kind: 'update',
    withdrawn: [],
    announced: [],
    attributes: undefined,
    endOfRib: undefined,
    faults: [],
    ...fields,
  };
}

/** What the attributes are on the wire beside ORIGIN and an empty AS_PATH. */
const ATTRIBUTES: [fields: Partial<PathAttributes>, wire: string, context?: CodecContext][] = [
  [{}, '400101 00 400200'],
  [{ origin: 'egp' }, '400101 01 400200'],
  [{ origin: 'incomplete' }, '400101 02 400200'],
  [
    { asPath: [{ kind: 'sequence', asns: [0xfbf00001, 1] }] },
    '400101 00 40020a 0202 fbf00001 00000001',
  ],
  [
    { asPath: [{ kind: 'sequence', asns: [0xfbf00001, 1] }] },
    '400101 00 400206 0202 5ba0 0001 c0110a 0202 fbf00001 00000001',
    OLD,
  ],
  [{ asPath: [{ kind: 'sequence', asns: [64500] }] }, '400101 00 400204 0201 fbf4', OLD],
  [{ nextHop: address('192.0.2.1') }, '400101 00 400200'],
  [{ med: 7 }, '400101 00 400200 800404 00000007'],
  [{ localPref: 200 }, '400101 00 400200 400504 000000c8', INTERNAL],
  [{ localPref: 200, originatorId: 1, clusterList: [2] }, '400101 00 400200', EXTERNAL],
  [
    { originatorId: 1, clusterList: [2, 3] },
    '400101 00 400200 800904 00000001 800a08 00000002 00000003',
    INTERNAL,
  ],
  [{ atomicAggregate: true }, '400101 00 400200 400600'],
  [
    { aggregator: { asn: 0xfbf00001, address: address('192.0.2.9') } },
    '400101 00 400200 c00708 fbf00001 c0000209',
  ],
  [
    { aggregator: { asn: 0xfbf00001, address: address('192.0.2.9') } },
    '400101 00 400200 c00706 5ba0 c0000209 c01208 fbf00001 c0000209',
    OLD,
  ],
  [
    { aggregator: { asn: 7, address: address('192.0.2.9') } },
    '400101 00 400200 c00706 0007 c0000209',
    OLD,
  ],
  [{ communities: [0xffff0000, 1] }, '400101 00 400200 c00808 ffff0000 00000001'],
  [{ extendedCommunities: [0x0002fbf400000001n] }, '400101 00 400200 c01008 0002fbf400000001'],
  [
    { largeCommunities: [{ global: 0xffffffff, local1: 2, local2: 3 }] },
    '400101 00 400200 c0200c ffffffff 00000002 00000003',
  ],
  [
    {
      communities: [1],
      unknown: [
        { code: 7, transitive: true, partial: true, bytes: octets('ab') },
        { code: 99, transitive: false, partial: false, bytes: octets('') },
      ],
    },
    '400101 00 400200 e00701 ab c00804 00000001 806300',
  ],
];

for (const [fields, wire, context = EXTERNAL] of ATTRIBUTES)
  test(`encodeUpdate() writes ${Object.keys(fields)} as ${wire}`, (t) => {
    const message = update({
      announced: [V6],
      attributes: ownPath({ mpNextHop: GLOBAL, ...fields }),
    });
    const reach = `800e1c 0002 01 10 ${V6_HOP} 00 30 20010db80001`;
    const expected = wireUpdate({ attributes: `${reach} ${wire}` });
    t.is(hexOf(encodeUpdate(message, context)), hexOf(expected));
  });

test('encodeUpdate() puts IPv4 prefixes into the fields of the message', (t) => {
  const attributes = ownPath({ nextHop: address('192.0.2.1'), mpNextHop: GLOBAL });
  const message = update({ announced: [V4], withdrawn: [V4], attributes });
  const expected = wireUpdate({
    withdrawn: '18 c63364',
    attributes: '400101 00 400200 400304 c0000201',
    announced: '18 c63364',
  });
  t.is(hexOf(encodeUpdate(message, EXTERNAL)), hexOf(expected));
});

test('encodeUpdate() announces IPv4 prefixes by an IPv6 next hop where agreed on (RFC 8950)', (t) => {
  const message = update({ announced: [V4], attributes: ownPath({ mpNextHop: BOTH }) });
  const expected = wireUpdate({
    attributes: `800e29 0001 01 20 ${V6_HOP} ${LINK_LOCAL} 00 18 c63364 400101 00 400200`,
  });
  t.is(hexOf(encodeUpdate(message, UNNUMBERED)), hexOf(expected));
  t.throws(() => encodeUpdate(message, EXTERNAL), {
    instanceOf: RangeError,
    message: 'Cannot announce 198.51.100.0/24 without a next hop',
  });
});

test('encodeUpdate() withdraws IPv6 prefixes, and IPv4 ones beside IPv6 next hops, by attribute', (t) => {
  const v6 = encodeUpdate(update({ withdrawn: [V6] }), EXTERNAL);
  t.is(hexOf(v6), hexOf(wireUpdate({ attributes: '800f0a 0002 01 30 20010db80001' })));
  const v4 = encodeUpdate(update({ withdrawn: [V4] }), UNNUMBERED);
  t.is(hexOf(v4), hexOf(wireUpdate({ attributes: '800f07 0001 01 18 c63364' })));
});

test('encodeUpdate() writes End-of-RIB of both families (RFC 4724)', (t) => {
  for (const context of [EXTERNAL, UNNUMBERED]) {
    t.is(hexOf(encodeUpdate(update({ endOfRib: 4 }), context)), hexOf(wireUpdate({})));
    const v6 = wireUpdate({ attributes: '800f03 0002 01' });
    t.is(hexOf(encodeUpdate(update({ endOfRib: 6 }), context)), hexOf(v6));
  }
});

test('encodeUpdate() refuses what one message cannot say', (t) => {
  const cases: [Partial<UpdateMessage>, string][] = [
    [{ announced: [V4] }, 'Cannot announce prefixes without attributes'],
    [
      { announced: [V6], attributes: ownPath({ nextHop: address('192.0.2.1') }) },
      'Cannot announce 2001:db8:1::/48 without a next hop',
    ],
    [
      { announced: [V4, V6], attributes: ownPath({ mpNextHop: GLOBAL }) },
      'IPv4 and IPv6 prefixes do not fit one attribute: send two messages',
    ],
    [
      {
        announced: [V6],
        attributes: ownPath({ mpNextHop: GLOBAL, asPath: [{ kind: 'sequence', asns: [] }] }),
      },
      'A segment of an AS path has 1 to 255 numbers, not 0',
    ],
    [
      {
        announced: [V6],
        attributes: ownPath({ mpNextHop: GLOBAL, communities: Array(20_000).fill(1) }),
      },
      'COMMUNITIES of 80000 octets fits no message',
    ],
  ];
  for (const [fields, message] of cases)
    t.throws(() => encodeUpdate(update(fields), UNNUMBERED), { instanceOf: RangeError, message });
});

test('an UPDATE comes back as it went', (t) => {
  const context: CodecContext = { ...INTERNAL, extendedMessage: true };
  const some = (family: 4 | 6) => fc.array(prefixOf(family), { maxLength: 12 });
  fc.assert(
    fc.property(path, some(4), some(6), some(4), some(6), (attributes, a, b, c, d) => {
      const announced = [...a, ...b];
      fc.pre(announced.length + c.length + d.length > 0);
      const message = update({
        announced,
        withdrawn: [...c, ...d],
        attributes:
          announced.length === 0
            ? undefined
            : {
                ...attributes,
                nextHop: a.length > 0 ? attributes.nextHop : undefined,
                mpNextHop: b.length > 0 ? attributes.mpNextHop : undefined,
              },
      });
      t.deepEqual(decodeMessage(encodeUpdate(message, context), context), { value: message });
    }),
  );
});

test('an AS path of four octets comes through a peer that knows two (RFC 6793)', (t) => {
  const context: CodecContext = { ...OLD, internal: true };
  fc.assert(
    fc.property(path, prefixOf(4), (attributes, prefix) => {
      const message = update({ announced: [prefix], attributes });
      const { value } = decodeMessage(encodeUpdate(message, context), context);
      const expected = { asPath: attributes.asPath, aggregator: attributes.aggregator };
      t.like(value, { attributes: expected });
    }),
  );
});
