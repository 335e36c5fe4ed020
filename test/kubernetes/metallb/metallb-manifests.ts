/** Manifests of MetalLB's kinds, as people write them, and broken in every way that one object shows. */
export interface Sample {
  /** Name of the object, too. */
  readonly name: string;
  readonly kind: string;
  readonly spec: object;
}

export interface BrokenSample extends Sample {
  /** What the refusal must say: the field, and what is wrong with it. */
  readonly says: RegExp;
  /** MetalLB takes it, and Tidegate does not: why. */
  readonly onlyHere?: string;
}

const webServers = { matchLabels: { app: 'web' } };
const rack = { matchExpressions: [{ key: 'rack', operator: 'In', values: ['a', 'b'] }] };
const peer = { myASN: 64500, peerASN: 64501, peerAddress: '10.0.0.1' };

function samples(kind: string, specs: Readonly<Record<string, object>>): readonly Sample[] {
  return Object.entries(specs).map(([name, spec]) => ({ name, kind, spec }));
}

function broken(
  kind: string,
  specs: Readonly<Record<string, readonly [object, RegExp, string?]>>,
): readonly BrokenSample[] {
  return Object.entries(specs).map(([name, [spec, says, onlyHere]]) => ({
    name,
    kind,
    spec,
    says,
    ...(onlyHere === undefined ? {} : { onlyHere }),
  }));
}

const pool = (...addresses: string[]) => ({ addresses });
const allocatedTo = (serviceAllocation: object) => ({ ...pool('10.0.0.0/24'), serviceAllocation });

export const VALID: readonly Sample[] = [
  ...samples('IPAddressPool', {
    'one-prefix': pool('192.168.10.0/24'),
    'one-range': pool('192.168.9.1-192.168.9.5'),
    'one-address': pool('192.0.2.7/32'),
    'range-of-one-address': pool('192.0.2.7-192.0.2.7'),
    'range-with-spaces': pool('192.168.9.1 - 192.168.10.5'),
    'range-over-all-octets': pool('9.255.255.255-10.0.0.0'),
    'host-bits': pool('192.168.10.17/24'),
    'both-families': pool('192.168.10.0/24', 'fc00:f853:0ccd:e799::/124'),
    'ipv6-range': pool('2001:db8::9-2001:db8::10'),
    'ipv6-range-upper-case': pool('2001:DB8::A-2001:db8::ff'),
    'ipv6-range-with-zeros': pool('2001:db8::000a-2001:db8::b'),
    'ipv6-range-from-zero': pool('2001:db8::-2001:db8::f'),
    'ipv6-range-over-groups': pool('2001:db8:0:1::-2001:db8:0:2::ffff'),
    'ipv4-inside-ipv6': pool('::ffff:10.0.0.1-::ffff:10.0.0.9'),
    several: pool('192.168.10.0/24', '192.168.9.1-192.168.9.5', '172.16.0.0/30'),
    reserved: { ...pool('10.0.0.0/24'), autoAssign: false },
    'without-buggy-addresses': { ...pool('10.0.0.0/22'), avoidBuggyIPs: true },
    'for-namespaces': allocatedTo({ priority: 50, namespaces: ['web', 'api'] }),
    'for-labelled-namespaces': allocatedTo({ namespaceSelectors: [rack, webServers] }),
    'for-services': allocatedTo({ priority: 1, serviceSelectors: [webServers] }),
    'for-all-first': allocatedTo({ priority: 10 }),
    'for-all': allocatedTo({}),
    'four-hundred-addresses': pool(
      ...Array.from({ length: 400 }, (_, i) => `10.1.${i >> 8}.${i & 255}/32`),
    ),
  }),
  ...samples('L2Advertisement', {
    everything: {},
    'two-pools': { ipAddressPools: ['first', 'second'] },
    'labelled-pools': { ipAddressPoolSelectors: [webServers, { matchLabels: { zone: 'a' } }] },
    'some-boxes': { ipAddressPools: ['first'], nodeSelectors: [rack, webServers] },
    'no-expressions': { nodeSelectors: [{}] },
    'some-interfaces': { ipAddressPools: ['first'], interfaces: ['eth0', 'bond0.100'] },
    'some-services': {
      serviceSelectors: [{ matchExpressions: [{ key: 'public', operator: 'Exists' }] }],
    },
    'preferred-boxes': {
      preferredNodeSelectors: [
        { weight: 100, preference: rack },
        { weight: 1, preference: webServers },
      ],
    },
    'all-operators': {
      nodeSelectors: [
        {
          matchLabels: { 'kubernetes.io/os': 'linux', empty: '' },
          matchExpressions: [
            { key: 'topology.kubernetes.io/zone', operator: 'NotIn', values: ['a', 'b'] },
            { key: 'gone', operator: 'DoesNotExist' },
            { key: 'there', operator: 'Exists', values: [] },
          ],
        },
      ],
    },
  }),
  ...samples('BGPAdvertisement', {
    everything: {},
    aggregated: {
      ipAddressPools: ['first'],
      aggregationLength: 24,
      aggregationLengthV6: 64,
      localPref: 100,
      communities: ['64512:100', 'no-advertise-outside', 'large:64512:1:2'],
    },
    'largest-numbers': {
      localPref: 2147483647,
      communities: ['65535:65535', 'large:4294967295:4294967295:4294967295'],
    },
    'some-peers': { peers: ['tor-a', 'tor-b'], nodeSelectors: [rack] },
    'some-services': {
      serviceSelectors: [webServers],
      aggregationLength: 32,
      aggregationLengthV6: 128,
    },
    'labelled-pools': { ipAddressPoolSelectors: [webServers] },
  }),
  ...samples('BGPPeer', {
    external: peer,
    internal: { ...peer, peerASN: 64500 },
    'large-as-numbers': { ...peer, myASN: 4294967295, peerASN: 4200000000, localASN: 4200000001 },
    'any-external': { myASN: 64500, dynamicASN: 'external', peerAddress: '10.0.0.1' },
    'any-internal': { myASN: 64500, peerASN: 0, dynamicASN: 'internal', peerAddress: 'fc00::1' },
    unnumbered: { myASN: 64500, dynamicASN: 'external', interface: 'eth1' },
    'several-hops': { ...peer, ebgpMultiHop: true, peerPort: 1179 },
    'own-address': { ...peer, sourceAddress: '10.0.0.2', routerID: '10.10.10.10' },
    timers: { ...peer, holdTime: '90s', keepaliveTime: '30s', connectTime: '1m30s' },
    'no-hold-time': { ...peer, holdTime: '0s' },
    'converted-from-an-old-version': { ...peer, holdTime: '1m30s', keepaliveTime: '0s' },
    'hold-time-alone': { ...peer, holdTime: '3s' },
    'keepalive-alone': { ...peer, keepaliveTime: '1s' },
    password: { ...peer, password: 'open sesame' },
    'password-in-a-secret': {
      ...peer,
      passwordSecret: { name: 'tor-a', namespace: 'metallb-system' },
    },
    everything: {
      ...peer,
      vrf: 'red',
      bfdProfile: 'fast',
      enableGracefulRestart: true,
      dualStackAddressFamily: true,
      disableMP: true,
      nodeSelectors: [rack],
    },
  }),
  ...samples('BFDProfile', {
    'all-defaults': {},
    fast: { receiveInterval: 50, transmitInterval: 50, detectMultiplier: 3 },
    least: {
      receiveInterval: 10,
      transmitInterval: 10,
      detectMultiplier: 2,
      echoInterval: 10,
      minimumTtl: 1,
    },
    most: {
      receiveInterval: 60000,
      transmitInterval: 60000,
      detectMultiplier: 255,
      echoInterval: 60000,
      echoMode: true,
      passiveMode: true,
      minimumTtl: 254,
    },
  }),
  ...samples('Community', {
    names: {
      communities: [
        { name: 'blackhole', value: '65535:666' },
        { name: 'region', value: 'large:64500:1:2' },
      ],
    },
    none: { communities: [] },
    'one-value-two-names': {
      communities: [
        { name: 'a', value: '64500:1' },
        { name: 'b', value: '64500:1' },
      ],
    },
  }),
];

const NEITHER = /spec\.addresses\[0\].*neither a CIDR prefix nor a range/;
const AFTER_END = /spec\.addresses\[0\].*starts after its end/;
const MIXED = /spec\.addresses\[0\].*mixes IPv4 and IPv6/;
const TWICE = 'stands in the list twice';

export const BROKEN: readonly BrokenSample[] = [
  ...broken('IPAddressPool', {
    'without-addresses': [{}, /spec\.addresses: Required/],
    'empty-list': [pool(), /spec\.addresses.*at least 1/],
    'bare-address': [pool('192.0.2.1'), NEITHER],
    'bare-ipv6-address': [pool('2001:db8::1'), NEITHER],
    'not-an-address': [pool('web servers'), NEITHER],
    'empty-text': [pool(''), NEITHER],
    'too-long-prefix': [pool('10.0.0.0/33'), NEITHER],
    'prefix-with-space': [pool(' 10.0.0.0/24'), NEITHER],
    'leading-zeros': [pool('010.0.0.0/24'), NEITHER],
    'three-octets': [pool('10.0.0/24'), NEITHER],
    'half-a-range': [pool('10.0.0.1-'), NEITHER],
    'last-octet-only': [pool('10.0.0.1-9'), NEITHER],
    'three-ends': [pool('10.0.0.1-10.0.0.2-10.0.0.3'), NEITHER],
    'with-a-zone': [pool('fe80::1%eth0/128'), NEITHER],
    'ipv4-inside-ipv6': [
      pool('::ffff:10.0.0.0/120'),
      NEITHER,
      'Tidegate reads such addresses in ranges only',
    ],
    'ends-before-it-starts': [pool('192.168.9.10-192.168.9.9'), AFTER_END],
    'ends-in-an-earlier-network': [pool('10.0.1.1-10.0.0.200'), AFTER_END],
    'ipv6-ends-before-it-starts': [pool('2001:db8::20 - 2001:db8::10'), AFTER_END],
    'ipv6-shorter-group-is-less': [pool('2001:db8::10-2001:db8::9'), AFTER_END],
    'ipv6-to-ipv4': [pool('2001:db8::1-10.0.0.1'), MIXED],
    'ipv4-to-ipv6': [
      pool('10.0.0.1-2001:db8::1'),
      MIXED,
      'MetalLB takes it and finds no address in it',
    ],
    'same-prefix-twice': [
      pool('10.0.0.0/24', '10.0.1.0/24', '10.0.0.0/24'),
      /spec\.addresses.*stand in the list twice/,
    ],
    'same-namespace-twice': [
      allocatedTo({ namespaces: ['web', 'api', 'web'] }),
      new RegExp(`spec\\.serviceAllocation\\.namespaces.*${TWICE}`),
    ],
    'same-selector-twice': [
      allocatedTo({ serviceSelectors: [webServers, rack, webServers] }),
      new RegExp(`spec\\.serviceAllocation\\.serviceSelectors.*${TWICE}`),
    ],
    'unknown-operator': [
      allocatedTo({
        namespaceSelectors: [
          { matchExpressions: [{ key: 'rack', operator: 'Is', values: ['a'] }] },
        ],
      }),
      /namespaceSelectors\[0\]\.matchExpressions\[0\]\.operator.*supported values/,
    ],
    'negative-priority': [
      allocatedTo({ priority: -1 }),
      /spec\.serviceAllocation\.priority.*greater than or equal to 0/,
      'nobody can say what it means: 0 comes last',
    ],
  }),
  ...broken('L2Advertisement', {
    'same-pool-twice': [
      { ipAddressPools: ['first', 'first'] },
      new RegExp(`spec\\.ipAddressPools.*${TWICE}`),
    ],
    'same-selector-twice': [
      { nodeSelectors: [rack, rack] },
      new RegExp(`spec\\.nodeSelectors.*${TWICE}`),
    ],
    'same-pool-selector-twice': [
      { ipAddressPoolSelectors: [{}, {}] },
      new RegExp(`spec\\.ipAddressPoolSelectors.*${TWICE}`),
    ],
    'in-without-values': [
      { nodeSelectors: [{ matchExpressions: [{ key: 'rack', operator: 'In' }] }] },
      /spec\.nodeSelectors\[0\]\.matchExpressions\[0\].*In and NotIn need values/,
    ],
    'exists-with-values': [
      {
        serviceSelectors: [{ matchExpressions: [{ key: 'a', operator: 'Exists', values: ['b'] }] }],
      },
      /spec\.serviceSelectors\[0\]\.matchExpressions\[0\].*Exists and DoesNotExist take none/,
    ],
    'same-value-twice': [
      { nodeSelectors: [{ matchExpressions: [{ key: 'a', operator: 'In', values: ['b', 'b'] }] }] },
      /spec\.nodeSelectors\[0\]\.matchExpressions\[0\]\.values\[1\]: Duplicate value/,
    ],
    'same-expression-twice': [
      {
        nodeSelectors: [
          {
            matchExpressions: [
              { key: 'a', operator: 'Exists' },
              { key: 'a', operator: 'Exists' },
            ],
          },
        ],
      },
      /spec\.nodeSelectors\[0\]\.matchExpressions.*stands in the list twice/,
    ],
    'bad-label-name': [
      { nodeSelectors: [{ matchLabels: { 'not a name': 'a' } }] },
      /spec\.nodeSelectors\[0\]\.matchLabels.*not a label's name/,
    ],
    'bad-label-value': [
      { nodeSelectors: [{ matchLabels: { a: 'not a value' } }] },
      /spec\.nodeSelectors\[0\]\.matchLabels\.a/,
    ],
    'bad-expression-key': [
      { nodeSelectors: [{ matchExpressions: [{ key: '/a', operator: 'Exists' }] }] },
      /spec\.nodeSelectors\[0\]\.matchExpressions\[0\]\.key/,
    ],
    'weight-zero': [
      { preferredNodeSelectors: [{ weight: 0, preference: rack }] },
      /spec\.preferredNodeSelectors\[0\]\.weight.*greater than or equal to 1/,
    ],
    'weight-too-large': [
      { preferredNodeSelectors: [{ weight: 101, preference: rack }] },
      /spec\.preferredNodeSelectors\[0\]\.weight.*less than or equal to 100/,
    ],
    'weight-of-nothing': [
      { preferredNodeSelectors: [{ weight: 1 }] },
      /spec\.preferredNodeSelectors\[0\]\.preference: Required/,
    ],
  }),
  ...broken('BGPAdvertisement', {
    'aggregation-too-long': [
      { aggregationLength: 33 },
      /spec\.aggregationLength:.*less than or equal to 32/,
    ],
    'aggregation-zero': [
      { aggregationLength: 0 },
      /spec\.aggregationLength:.*greater than or equal to 1/,
    ],
    'aggregation-v6-too-long': [
      { aggregationLengthV6: 129 },
      /spec\.aggregationLengthV6.*less than or equal to 128/,
    ],
    'aggregation-v6-zero': [
      { aggregationLengthV6: 0 },
      /spec\.aggregationLengthV6.*greater than or equal to 1/,
      'MetalLB sets a least length for IPv4 only',
    ],
    'services-and-aggregation': [
      { serviceSelectors: [webServers], aggregationLength: 24 },
      /spec: .*serviceSelectors need single addresses/,
    ],
    'services-and-aggregation-v6': [
      { serviceSelectors: [webServers], aggregationLengthV6: 64 },
      /spec: .*serviceSelectors need single addresses/,
    ],
    'local-preference-negative': [{ localPref: -1 }, /spec\.localPref.*greater than or equal to 0/],
    'community-too-large': [
      { communities: ['64500:65536'] },
      /spec\.communities\[0\].*two numbers up to 65535/,
    ],
    'community-with-a-word': [
      { communities: ['64500:high'] },
      /spec\.communities\[0\].*two numbers up to 65535/,
    ],
    'large-community-too-large': [
      { communities: ['large:1:2:4294967296'] },
      /spec\.communities\[0\].*three numbers up to 4294967295/,
    ],
    'large-community-without-its-word': [
      { communities: ['64500:1:2:3'] },
      /spec\.communities\[0\].*the word large/,
    ],
    'same-community-twice': [
      { communities: ['64500:1', '64500:1'] },
      new RegExp(`spec\\.communities.*${TWICE}`),
    ],
    'same-peer-twice': [{ peers: ['a', 'a'] }, new RegExp(`spec\\.peers.*${TWICE}`)],
    'same-pool-twice': [
      { ipAddressPools: ['a', 'a'] },
      new RegExp(`spec\\.ipAddressPools.*${TWICE}`),
    ],
  }),
  ...broken('BGPPeer', {
    'no-as-of-its-own': [{ peerASN: 64501, peerAddress: '10.0.0.1' }, /spec\.myASN: Required/],
    'as-zero': [{ ...peer, myASN: 0 }, /spec\.myASN.*greater than or equal to 1/],
    'as-too-large': [{ ...peer, peerASN: 4294967296 }, /spec\.peerASN.*less than or equal to/],
    'no-as-of-the-peer': [
      { myASN: 64500, peerAddress: '10.0.0.1' },
      /spec: .*one of peerASN and dynamicASN/,
    ],
    'two-ways-to-know-the-as': [
      { ...peer, dynamicASN: 'external' },
      /spec: .*one of peerASN and dynamicASN/,
    ],
    'unknown-dynamic-as': [
      { myASN: 64500, dynamicASN: 'any', peerAddress: '10.0.0.1' },
      /spec\.dynamicASN.*supported values/,
    ],
    nowhere: [{ myASN: 64500, peerASN: 64501 }, /spec: .*one of peerAddress and interface/],
    'at-two-places': [{ ...peer, interface: 'eth0' }, /spec: .*one of peerAddress and interface/],
    'address-is-a-name': [
      { ...peer, peerAddress: 'tor-a' },
      /spec\.peerAddress.*Not an IP address/,
    ],
    'address-too-large': [
      { ...peer, peerAddress: '10.0.0.400' },
      /spec\.peerAddress.*Not an IP address/,
    ],
    'source-is-a-prefix': [
      { ...peer, sourceAddress: '10.0.0.2/24' },
      /spec\.sourceAddress.*Not an IP address/,
    ],
    'router-id-is-a-number': [
      { ...peer, routerID: '7' },
      /spec\.routerID.*Not written as an IPv4 address/,
    ],
    'router-id-in-ipv6': [
      { ...peer, routerID: 'fc00::1' },
      /spec\.routerID.*Not written as an IPv4 address/,
      'a router ID has 32 bits',
    ],
    'port-zero': [{ ...peer, peerPort: 0 }, /spec\.peerPort.*greater than or equal to 1/],
    'port-too-large': [{ ...peer, peerPort: 16385 }, /spec\.peerPort.*less than or equal to 16384/],
    'hold-time-too-short': [{ ...peer, holdTime: '2s' }, /spec\.holdTime.*0 or at least 3s/],
    'hold-time-too-long': [
      { ...peer, holdTime: '65536s' },
      /spec\.holdTime.*at most 65535s/,
      'an OPEN carries 16 bits',
    ],
    'password-too-long': [
      { ...peer, password: 'x'.repeat(81) },
      /spec\.password.*more than 80 bytes/,
      'the kernel takes 80 bytes',
    ],
    'hold-time-is-a-number': [{ ...peer, holdTime: 'ninety' }, /spec\.holdTime/],
    'keepalive-longer-than-hold-time': [
      { ...peer, holdTime: '30s', keepaliveTime: '31s' },
      /spec\.keepaliveTime.*not be longer than holdTime/,
    ],
    'keepalive-without-hold-time': [
      { ...peer, holdTime: '0s', keepaliveTime: '1s' },
      /spec\.keepaliveTime.*not be longer than holdTime/,
    ],
    'keepalive-too-short': [
      { ...peer, keepaliveTime: '500ms' },
      /spec\.keepaliveTime.*three times keepaliveTime/,
    ],
    'connect-time-zero': [{ ...peer, connectTime: '0s' }, /spec\.connectTime.*whole seconds/],
    'connect-time-half': [{ ...peer, connectTime: '1500ms' }, /spec\.connectTime.*whole seconds/],
    'connect-time-too-long': [{ ...peer, connectTime: '65536s' }, /spec\.connectTime.*65535s/],
    'hops-to-the-same-as': [
      { ...peer, peerASN: 64500, ebgpMultiHop: true },
      /spec\.ebgpMultiHop.*peerASN is myASN/,
    ],
    'two-passwords': [
      { ...peer, password: 'a', passwordSecret: { name: 'b' } },
      /spec\.password.*one of password and passwordSecret/,
    ],
    'same-selector-twice': [
      { ...peer, nodeSelectors: [rack, rack] },
      new RegExp(`spec\\.nodeSelectors.*${TWICE}`),
    ],
  }),
  ...broken('BFDProfile', {
    'too-fast': [{ receiveInterval: 9 }, /spec\.receiveInterval.*greater than or equal to 10/],
    'too-slow': [
      { transmitInterval: 60001 },
      /spec\.transmitInterval.*less than or equal to 60000/,
    ],
    'multiplier-one': [
      { detectMultiplier: 1 },
      /spec\.detectMultiplier.*greater than or equal to 2/,
    ],
    'multiplier-too-large': [
      { detectMultiplier: 256 },
      /spec\.detectMultiplier.*less than or equal/,
    ],
    'echo-too-fast': [{ echoInterval: 9 }, /spec\.echoInterval.*greater than or equal to 10/],
    'ttl-zero': [{ minimumTtl: 0 }, /spec\.minimumTtl.*greater than or equal to 1/],
    'ttl-255': [{ minimumTtl: 255 }, /spec\.minimumTtl.*less than or equal to 254/],
  }),
  ...broken('Community', {
    'not-a-community': [
      { communities: [{ name: 'a', value: 'no-export' }] },
      /spec\.communities\[0\]\.value.*Neither two numbers/,
    ],
    'number-too-large': [
      { communities: [{ name: 'a', value: '65536:1' }] },
      /spec\.communities\[0\]\.value.*Neither two numbers/,
    ],
    'large-without-its-word': [
      { communities: [{ name: 'a', value: '1:2:3:4' }] },
      /spec\.communities\[0\]\.value.*Neither two numbers/,
    ],
    'name-without-value': [
      { communities: [{ name: 'a' }] },
      /spec\.communities\[0\]\.value: Required/,
    ],
    'same-name-twice': [
      {
        communities: [
          { name: 'a', value: '64500:1' },
          { name: 'a', value: '64500:2' },
        ],
      },
      /spec\.communities: .*the same name/,
    ],
  }),
];
