import { inspect } from 'node:util';
import test from 'ava';
import { decodeBgpPeer } from '../../../src/cluster/decode/bgp-peer.ts';
import { parseAddress } from '../../../src/domain/address.ts';
import { objectMeta } from '../../support/objects.ts';

const MINIMAL = { myASN: 64_500, peerASN: 64_501, peerAddress: '192.0.2.1' };
/** A field that is to be absent. */
const NO = undefined;

function read(spec: object, annotations: object = {}) {
  const metadata = { name: 'tor', namespace: 'metallb-system', annotations };
  return decodeBgpPeer({ metadata, spec: { ...MINIMAL, ...spec } });
}

function complaints(spec: object, annotations: object = {}): string[] {
  const { value, problems } = read(spec, annotations);
  return value ? [] : problems.map(({ field, message }) => `${field}: ${message}`);
}

test('decodeBgpPeer() takes what FRR has where a peer is silent', (t) => {
  const { value, problems } = read({});
  t.deepEqual(problems, []);
  t.deepEqual(value, {
    ...objectMeta('metallb-system', 'tor'),
    myAsn: 64_500,
    localAsn: undefined,
    peerAsn: 64_501,
    remote: { kind: 'address', address: parseAddress('192.0.2.1') as never },
    sourceAddress: undefined,
    port: 179,
    routerId: undefined,
    holdTimeMs: 180_000,
    keepaliveMs: 60_000,
    connectRetryMs: 120_000,
    multihop: false,
    vrf: undefined,
    nodeSelectors: [],
    password: { kind: 'none' },
    bfdProfile: undefined,
    gracefulRestart: false,
    bothFamilies: false,
    passive: false,
    ttlSecurityHops: undefined,
    bfdPasswordSecret: undefined,
  });
});

test('decodeBgpPeer() reads all that can be said', (t) => {
  const { value, problems } = read(
    {
      peerASN: NO,
      dynamicASN: 'internal',
      localASN: 4_200_000_000,
      peerAddress: '2001:db8::1',
      sourceAddress: '2001:db8::2',
      peerPort: 1179,
      routerID: '10.0.0.255',
      holdTime: '9s',
      keepaliveTime: '3s',
      connectTime: '1m5s',
      ebgpMultiHop: true,
      vrf: 'red',
      nodeSelectors: [{ matchLabels: { rack: 'a' } }],
      passwordSecret: { name: 'tor-password' },
      bfdProfile: 'fast',
      enableGracefulRestart: true,
      disableMP: true,
      dualStackAddressFamily: true,
    },
    {
      'tidegate.io/passive': 'true',
      'tidegate.io/ttl-security': '2',
      'tidegate.io/bfd-password': 'bfd-key',
      'other.io/note': 'left alone',
    },
  );
  t.deepEqual(problems, []);
  t.like(value, {
    peerAsn: 'internal',
    localAsn: 4_200_000_000,
    remote: { kind: 'address', address: parseAddress('2001:db8::1') },
    sourceAddress: parseAddress('2001:db8::2'),
    port: 1179,
    routerId: 0x0a00_00ff,
    holdTimeMs: 9000,
    keepaliveMs: 3000,
    connectRetryMs: 65_000,
    multihop: true,
    vrf: 'red',
    nodeSelectors: [[{ key: 'rack', operator: 'In', values: ['a'] }]],
    password: { kind: 'secret', name: 'tor-password' },
    bfdProfile: 'fast',
    gracefulRestart: true,
    bothFamilies: true,
    passive: true,
    ttlSecurityHops: 2,
    bfdPasswordSecret: 'bfd-key',
  } as never);
  t.deepEqual(read({ peerAddress: NO, interface: 'eth1' }).value?.remote, {
    kind: 'interface',
    name: 'eth1',
  });
});

test('decodeBgpPeer() derives each of hold time and keepalive from the other', (t) => {
  const timers = (spec: object) => {
    const { value } = read(spec);
    return value && [value.holdTimeMs, value.keepaliveMs];
  };
  t.deepEqual(timers({ holdTime: '90s' }), [90_000, 30_000]);
  t.deepEqual(timers({ keepaliveTime: '1s' }), [3000, 1000]);
  t.deepEqual(timers({ holdTime: '0s' }), [0, 0]);
  t.deepEqual(timers({ holdTime: '0s', keepaliveTime: '0s' }), [0, 0]);
  // What conversions from old versions of MetalLB have left behind.
  t.deepEqual(timers({ holdTime: '1m30s', keepaliveTime: '0s' }), [90_000, 30_000]);
  t.deepEqual(timers({ holdTime: '3.9s', keepaliveTime: '1500ms' }), [3000, 1500]);
});

test('decodeBgpPeer() refuses timers that cannot be', (t) => {
  for (const holdTime of ['1s', '2.9s', '65536s', '-3s', '90', 90, '3x', 's', '']) {
    t.regex(complaints({ holdTime }).join(), /^spec\.holdTime: /, String(holdTime));
  }
  for (const keepaliveTime of ['999ms', '10h'])
    t.regex(complaints({ keepaliveTime }).join(), /^spec\.keepaliveTime: The hold time would be/);
  t.deepEqual(complaints({ holdTime: '9s', keepaliveTime: '10s' }), [
    'spec.keepaliveTime: "10s" is longer than holdTime',
  ]);
  for (const connectTime of ['0s', '500ms', '1.5s', '65536s'])
    t.regex(complaints({ connectTime }).join(), /connectTime: .* is not a time between attempts/);
});

test('decodeBgpPeer() refuses what MetalLB refuses', (t) => {
  t.deepEqual(complaints({ myASN: NO }), ['spec.myASN: The peer has no AS of this side']);
  t.deepEqual(complaints({ peerASN: NO }), ['spec.peerASN: The peer has no AS']);
  t.deepEqual(complaints({ peerASN: 0 }), ['spec.peerASN: The peer has no AS']);
  t.deepEqual(complaints({ dynamicASN: 'internal' }), [
    'spec.dynamicASN: Both peerASN and dynamicASN are set',
  ]);
  t.regex(complaints({ peerASN: NO, dynamicASN: 'any' }).join(), /"any" is not known here/);
  t.regex(complaints({ peerAddress: NO }).join(), /has neither address nor interface/);
  t.regex(complaints({ interface: 'eth0' }).join(), /Both peerAddress and interface are set/);
  t.regex(complaints({ peerAddress: '192.0.2.256' }).join(), /"192.0.2.256" is not an IP address/);
  t.regex(complaints({ sourceAddress: 'here' }).join(), /sourceAddress: "here" is not/);
  for (const routerID of ['2001:db8::1', '0.0.0.0', '1'])
    t.regex(complaints({ routerID }).join(), /routerID: .* is not a router ID/);
  t.deepEqual(complaints({ peerASN: 64_500, ebgpMultiHop: true }), [
    'spec.ebgpMultiHop: The peer is of the same AS',
  ]);
  t.deepEqual(complaints({ password: 'one', passwordSecret: { name: 'two' } }), [
    'spec.password: Both password and passwordSecret are set',
  ]);
  for (const [field, value] of [
    ['myASN', 0],
    ['myASN', 4_294_967_296],
    ['localASN', 0],
    ['peerPort', 0],
    ['peerPort', 16_385],
  ] as const)
    t.regex(complaints({ [field]: value }).join(), /is not an integer from/, field);
});

test('decodeBgpPeer() refuses what can never become a session', (t) => {
  t.regex(complaints({ peerAddress: 'fe80::1' }).join(), /is of one link only/);
  t.regex(
    complaints({ sourceAddress: '2001:db8::2' }).join(),
    /of another family than peerAddress/,
  );
  t.regex(complaints({ password: 'x'.repeat(81) }).join(), /has 81 bytes, TCP MD5 takes 80/);
});

test('decodeBgpPeer() keeps an inline password behind a function and out of messages', (t) => {
  const { value } = read({ password: 'hunter2' });
  t.is(value?.password.kind, 'inline');
  t.is(
    value?.password.kind === 'inline' && Buffer.from(value.password.value()).toString(),
    'hunter2',
  );
  t.notRegex(inspect(value, { depth: null }), /hunter2/);
  for (const spec of [
    { password: 12_345 },
    { password: `12345${'x'.repeat(80)}` },
    { password: '12345', passwordSecret: { name: 'a' } },
  ])
    t.notRegex(JSON.stringify(read(spec).problems), /12345/);
});

test('decodeBgpPeer() looks for a Secret where the peer is, and says so', (t) => {
  const { value, problems } = read({ passwordSecret: { name: 'tor', namespace: 'default' } });
  t.deepEqual(value?.password, { kind: 'secret', name: 'tor' });
  t.is(problems[0]?.severity, 'warning');
  t.is(problems[0]?.remedy, 'Put the Secret into metallb-system');
  t.deepEqual(read({ passwordSecret: { namespace: 'default' } }).value?.password, { kind: 'none' });
});

test('decodeBgpPeer() refuses annotations of ours that say nothing clear', (t) => {
  for (const [name, text] of [
    ['passive', 'yes'],
    ['ttl-security', '0'],
    ['ttl-security', '255'],
    ['bfd-password', 'Not a name'],
  ])
    t.is(complaints({}, { [`tidegate.io/${name}`]: text }).length, 1, name);
  t.is(complaints({}, { 'tidegate.io/passive': true }).length, 1);
  t.false(read({}, { 'tidegate.io/passive': 'false' }).value?.passive);
  const { value, problems } = read({}, { 'tidegate.io/pasive': 'true' });
  t.false(value?.passive);
  t.regex(problems[0]?.message ?? '', /"tidegate.io\/pasive" is not known/);
});
