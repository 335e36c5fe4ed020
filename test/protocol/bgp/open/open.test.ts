import test from 'ava';
import fc from 'fast-check';
import { INITIAL_CONTEXT } from '../../../../src/protocol/bgp/codec-context.ts';
import { decodeMessage } from '../../../../src/protocol/bgp/decode-message.ts';
import type { Capability, OpenMessage } from '../../../../src/protocol/bgp/message.ts';
import { encodeOpen } from '../../../../src/protocol/bgp/open/open.ts';
import { openMessage } from '../../../support/bgp-messages.ts';
import { hexOf, octets, wireMessage } from '../../../support/bgp-wire.ts';

const FIXED = { kind: 'open', version: 4, holdTimeSec: 90, routerId: 0x0a000001 } as const;

function read(body: string) {
  return decodeMessage(wireMessage(1, body), INITIAL_CONTEXT);
}

/** Version 4, AS 64500, 90 s, 10.0.0.1; then the optional parameters. */
function withParameters(hex: string) {
  return read(`04 fbf4 005a 0a000001 ${hex}`);
}

/** Each as its RFC draws it. */
const CAPABILITIES: [what: string, wire: string, capability: Capability][] = [
  ['multiprotocol (RFC 4760)', '0104 0002 00 01', { kind: 'multiprotocol', afi: 2, safi: 1 }],
  ['route refresh (RFC 2918)', '0200', { kind: 'routeRefresh' }],
  ['extended message (RFC 8654)', '0600', { kind: 'extendedMessage' }],
  ['enhanced route refresh (RFC 7313)', '4600', { kind: 'enhancedRouteRefresh' }],
  ['4-octet AS (RFC 6793)', '4104 fbf00001', { kind: 'fourOctetAs', asn: 0xfbf00001 }],
  [
    'extended next hop (RFC 8950)',
    '050c 0001 0001 0002 0001 0080 0002',
    {
      kind: 'extendedNextHop',
      entries: [
        { afi: 1, safi: 1, nextHopAfi: 2 },
        { afi: 1, safi: 128, nextHopAfi: 2 },
      ],
    },
  ],
  [
    'graceful restart (RFC 4724, RFC 8538)',
    '400a c078 0001 01 80 0002 01 00',
    {
      kind: 'gracefulRestart',
      restarting: true,
      notification: true,
      restartTimeSec: 120,
      families: [
        { afi: 1, safi: 1, forwarding: true },
        { afi: 2, safi: 1, forwarding: false },
      ],
    },
  ],
  [
    'graceful restart without families',
    '4002 0fff',
    {
      kind: 'gracefulRestart',
      restarting: false,
      notification: false,
      restartTimeSec: 4095,
      families: [],
    },
  ],
  [
    'ADD-PATH, unknown here (RFC 7911)',
    '4504 0001 01 03',
    { kind: 'unknown', code: 69, bytes: octets('00010103') },
  ],
  [
    'host name, unknown here',
    '4903 0161 00',
    { kind: 'unknown', code: 73, bytes: octets('016100') },
  ],
];

for (const [what, wire, capability] of CAPABILITIES)
  test(`OPEN carries ${what}`, (t) => {
    const size = octets(wire).length;
    const u8 = (value: number) => value.toString(16).padStart(2, '0');
    const body = `04 fbf4 005a 0a000001 ${u8(size + 2)} 02 ${u8(size)} ${wire}`;
    const asn = capability.kind === 'fourOctetAs' ? capability.asn : 64500;
    const message: OpenMessage = { ...FIXED, asn, capabilities: [capability] };
    t.deepEqual(read(body), { value: message });
    const shown = asn === 64500 ? body : body.replace('fbf4', '5ba0');
    t.is(hexOf(encodeOpen(message)), hexOf(wireMessage(1, shown)));
  });

/** A length that the RFC of the code does not allow: the peer is taken as not having it. */
const MISSHAPEN = [
  '0103 000201',
  '0201 00',
  '0601 00',
  '4601 00',
  '4103 00fbf4',
  '0505 0001000100',
];

for (const wire of [...MISSHAPEN, '4001 00', '4005 0078 000101'])
  test(`OPEN keeps capability ${wire} as unknown`, (t) => {
    const bytes = octets(wire);
    const size = bytes.length;
    const { value } = withParameters(`${hexOf(Uint8Array.of(size + 2, 2, size))}${wire}`);
    t.deepEqual(value?.kind === 'open' && value.capabilities, [
      { kind: 'unknown', code: bytes[0] as number, bytes: bytes.subarray(2) },
    ]);
  });

test('decodeOpen() reads an OPEN without parameters', (t) => {
  t.deepEqual(withParameters('00'), { value: { ...FIXED, asn: 64500, capabilities: [] } });
});

test('decodeOpen() reads capabilities from several parameters, as old speakers send them', (t) => {
  const { value } = withParameters('0c 0202 0200 0206 4104 000000c8');
  t.like(value, {
    asn: 200,
    capabilities: [{ kind: 'routeRefresh' }, { kind: 'fourOctetAs', asn: 200 }],
  });
});

test('decodeOpen() reads extended optional parameters, whatever the old length says (RFC 9072)', (t) => {
  for (const old of ['ff', '01'])
    t.like(withParameters(`${old} ff 0005 02 0002 0200`).value, {
      capabilities: [{ kind: 'routeRefresh' }],
    });
});

test('encodeOpen() uses extended optional parameters when 255 octets do not do', (t) => {
  const capability: Capability = { kind: 'unknown', code: 200, bytes: new Uint8Array(150) };
  const message: OpenMessage = { ...FIXED, asn: 1, capabilities: [capability, capability] };
  const bytes = encodeOpen(message);
  t.is(hexOf(bytes.subarray(28, 35)), 'ffff0133020130');
  t.deepEqual(decodeMessage(bytes, INITIAL_CONTEXT), { value: message });
});

test('encodeOpen() refuses a capability that is too long', (t) => {
  const capabilities: Capability[] = [{ kind: 'unknown', code: 9, bytes: new Uint8Array(256) }];
  t.throws(() => encodeOpen({ ...FIXED, asn: 1, capabilities }), {
    instanceOf: RangeError,
    message: 'Capability 9 has 256 octets, and 255 are the most',
  });
});

/** RFC 4271 §6.2, RFC 5492, RFC 6286, RFC 7607. */
const REFUSED: [what: string, body: string, error: string][] = [
  ['another version', '03 fbf4 005a 0a000001 00', '2/1 0004'],
  ['AS 0', '04 0000 005a 0a000001 00', '2/2 '],
  ['AS 0 in the capability', '04 5ba0 005a 0a000001 08 0206 4104 00000000', '2/2 '],
  ['router ID 0', '04 fbf4 005a 00000000 00', '2/3 '],
  ['a hold time of 1 s', '04 fbf4 0001 0a000001 00', '2/6 '],
  ['a hold time of 2 s', '04 fbf4 0002 0a000001 00', '2/6 '],
  ['an authentication parameter', '04 fbf4 005a 0a000001 03 0101 00', '2/4 '],
  ['parameters longer than the message', '04 fbf4 005a 0a000001 05 0202 0200', '2/0 '],
  ['parameters shorter than the message', '04 fbf4 005a 0a000001 04 0202 0200 00', '2/0 '],
  ['half a parameter', '04 fbf4 005a 0a000001 01 02', '2/0 '],
  ['a parameter longer than all', '04 fbf4 005a 0a000001 04 0203 0200', '2/0 '],
  ['half a capability', '04 fbf4 005a 0a000001 03 0201 02', '2/0 '],
  ['a capability longer than its parameter', '04 fbf4 005a 0a000001 04 0202 0201', '2/0 '],
  ['half an extended length', '04 fbf4 005a 0a000001 ff ff 00', '2/0 '],
  ['an extended length that is wrong', '04 fbf4 005a 0a000001 ff ff 0006 02 0002 0200', '2/0 '],
  ['half an extended parameter', '04 fbf4 005a 0a000001 ff ff 0002 02 00', '2/0 '],
];

for (const [what, body, expected] of REFUSED)
  test(`decodeOpen() refuses ${what}`, (t) => {
    const { error } = read(body);
    t.is(error && `${error.code}/${error.subcode} ${hexOf(error.data)}`, expected);
  });

test('an OPEN comes back as it went', (t) => {
  fc.assert(
    fc.property(openMessage, (message) => {
      t.deepEqual(decodeMessage(encodeOpen(message), INITIAL_CONTEXT), { value: message });
    }),
  );
});
