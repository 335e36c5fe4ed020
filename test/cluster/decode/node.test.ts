import test from 'ava';
import { decodeNode } from '../../../src/cluster/decode/node.ts';
import { formatAddress } from '../../../src/domain/address.ts';
import { formatPrefix } from '../../../src/domain/prefix.ts';

test('decodeNode() reads what matters at the edge', (t) => {
  const { value, problems } = decodeNode({
    metadata: { name: 'worker.example.org' },
    spec: { taints: [{ key: 'a', effect: 'NoSchedule' }] },
    status: {
      addresses: [
        { type: 'Hostname', address: 'worker' },
        { type: 'InternalIP', address: '10.0.0.1' },
        { type: 'InternalIP', address: 'fd00::1' },
        { type: 'ExternalIP', address: '192.0.2.1' },
      ],
      conditions: [
        { type: 'Ready', status: 'True' },
        { type: 'NetworkUnavailable', status: 'True' },
      ],
    },
  });
  t.deepEqual(problems, []);
  t.is(value?.key, 'worker.example.org');
  t.deepEqual(value?.internalAddresses.map(formatAddress), ['10.0.0.1', 'fd00::1']);
  t.like(value, { ready: true, networkUnavailable: true, namespace: '' });
  t.deepEqual(value?.taints, ['a']);
});

for (const [what, conditions, ready] of [
  ['no conditions', undefined, true],
  ['Ready False', [{ type: 'Ready', status: 'False' }], false],
  ['Ready Unknown', [{ type: 'Ready', status: 'Unknown' }], false],
  ['others only', [{ type: 'DiskPressure', status: 'False' }], false],
] as const) {
  test(`decodeNode() with ${what} is ${ready ? 'ready' : 'not ready'}`, (t) => {
    t.is(decodeNode({ metadata: { name: 'a' }, status: { conditions } }).value?.ready, ready);
  });
}

function podCIDRs(spec: object) {
  const addresses = [
    { type: 'InternalIP', address: '10.0.0.1' },
    { type: 'InternalIP', address: 'fd00::1' },
  ];
  const { value, problems } = decodeNode({ metadata: { name: 'a' }, spec, status: { addresses } });
  return {
    found: value?.podCIDRs.map(formatPrefix),
    problems: problems.map(({ severity, field, message }) => `${severity} ${field}: ${message}`),
  };
}

for (const [what, spec, found] of [
  ['both families', { podCIDRs: ['10.1.0.0/24', 'fd01::/64'] }, ['10.1.0.0/24', 'fd01::/64']],
  ['the older field', { podCIDR: '10.1.0.0/24' }, ['10.1.0.0/24']],
  ['the newer of both', { podCIDR: '10.1.0.0/24', podCIDRs: ['10.2.0.0/24'] }, ['10.2.0.0/24']],
  ['none', {}, []],
  ['nulls', { podCIDR: null, podCIDRs: null }, []],
] as const) {
  test(`decodeNode() reads Pod networks: ${what}`, (t) => {
    t.deepEqual(podCIDRs(spec), { found: [...found], problems: [] });
  });
}

for (const [what, written, message] of [
  ['text that is none', 'x', '"x" is not a network'],
  ['a bare address', '10.1.0.0', '"10.1.0.0" is not a network'],
  ['a number', 7, '7 is not a network'],
  ['the default route', '0.0.0.0/0', '"0.0.0.0/0" is wider than a /8'],
  ['half the world', '2000::/3', '"2000::/3" is wider than a /16'],
  ["the Node's own address", '10.0.0.0/24', /has the address of the Node itself in it$/],
  ["the Node's own IPv6 address", 'fd00::/64', /has the address of the Node itself in it$/],
  ['loopback', '127.0.0.0/8', /is a loopback, link-local/],
  ['link-local', 'fe80::/64', /is a loopback, link-local/],
] as const) {
  test(`decodeNode() leaves out a Pod network that is ${what}, and keeps the Node`, (t) => {
    const { found, problems } = podCIDRs({ podCIDRs: [written] });
    t.deepEqual(found, []);
    const [problem = ''] = problems;
    t.true(problem.startsWith('warning spec.podCIDRs[0]: '));
    t.regex(problem, message instanceof RegExp ? message : new RegExp(RegExp.escape(message)));
  });
}

test('decodeNode() leaves out a second Pod network of one family', (t) => {
  const { found, problems } = podCIDRs({ podCIDRs: ['10.1.0.0/24', '10.2.0.0/24'] });
  t.deepEqual(found, ['10.1.0.0/24']);
  t.regex(problems[0] ?? '', /podCIDRs\[1\].*second network of its family/);
});

for (const [what, fields, field] of [
  [
    'a bad address',
    { status: { addresses: [{ type: 'InternalIP', address: 'x' }] } },
    'status.addresses[0].address',
  ],
  ['Pod networks that are no list', { spec: { podCIDRs: 'x' } }, 'spec.podCIDRs'],
  [
    'too many Pod networks',
    { spec: { podCIDRs: ['10.1.0.0/24', '10.2.0.0/24', 'fd00::/64'] } },
    'spec.podCIDRs',
  ],
  ['taints that are no list', { spec: { taints: 'x' } }, 'spec.taints'],
  [
    'a condition that is no text',
    { status: { conditions: [{ type: 1 }] } },
    'status.conditions[0].type',
  ],
] as const) {
  test(`decodeNode() refuses ${what}`, (t) => {
    const { value, problems } = decodeNode({ metadata: { name: 'a' }, ...fields });
    t.is(value, undefined);
    t.is(problems[0]?.field, field);
  });
}
