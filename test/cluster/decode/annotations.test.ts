import test from 'ava';
import { decodeService } from '../../../src/cluster/decode/service.ts';
import { formatAddress } from '../../../src/domain/address.ts';

function read(annotations: unknown, spec: object = {}) {
  const { value, problems } = decodeService({
    metadata: { name: 'web', annotations },
    spec: { ports: [{ port: 80 }], ...spec },
  });
  if (value === undefined) throw new Error(JSON.stringify(problems));
  return { value, problems };
}

test('a request is read from the annotation, with spaces', (t) => {
  const { value, problems } = read({ 'metallb.io/loadBalancerIPs': '192.0.2.10, 2001:db8::1' });
  t.deepEqual(problems, []);
  t.is(value.request.kind, 'addresses');
  if (value.request.kind !== 'addresses') return;
  t.deepEqual(value.request.addresses.map(formatAddress), ['192.0.2.10', '2001:db8::1']);
  t.is(value.request.field, 'metallb.io/loadBalancerIPs');
});

test('a request is read from spec.loadBalancerIP', (t) => {
  const { value } = read({}, { loadBalancerIP: '192.0.2.10' });
  t.like(value.request, { kind: 'addresses', field: 'spec.loadBalancerIP' });
});

for (const [what, annotations, spec, message] of [
  [
    'both places at once',
    { 'metallb.io/loadBalancerIPs': '192.0.2.1' },
    { loadBalancerIP: '192.0.2.1' },
    /spec\.loadBalancerIP/,
  ],
  ['no address', { 'metallb.io/loadBalancerIPs': 'x' }, {}, /"x" is not an IP address/],
  ['leading zeros', { 'metallb.io/loadBalancerIPs': '192.0.2.010' }, {}, /not an IP address/],
  ['an empty part', { 'metallb.io/loadBalancerIPs': '192.0.2.1,' }, {}, /"" is not/],
  [
    'two of one family',
    { 'metallb.io/loadBalancerIPs': '192.0.2.1,192.0.2.2' },
    {},
    /at most one a family/,
  ],
  ['three', { 'metallb.io/loadBalancerIPs': '192.0.2.1,::2,::3' }, {}, /at most one a family/],
  ['no text', { 'metallb.io/loadBalancerIPs': 7 }, {}, /not text/],
  ['spaces in the spec', {}, { loadBalancerIP: ' 192.0.2.1' }, /not an IP address/],
] as const) {
  test(`a request of ${what} is invalid, and the Service stays usable`, (t) => {
    const { value, problems } = read(annotations, spec);
    t.is(value.request.kind, 'invalid');
    t.regex(value.request.kind === 'invalid' ? value.request.message : '', message);
    t.is(problems[0]?.severity, 'warning');
  });
}

test('the old names are read and noted', (t) => {
  const { value } = read({
    'metallb.universe.tf/loadBalancerIPs': '192.0.2.1',
    'metallb.universe.tf/address-pool': 'main',
    'metallb.universe.tf/allow-shared-ip': 'key',
  });
  t.is(value.request.kind, 'addresses');
  t.is(value.poolRequest, 'main');
  t.is(value.sharingKey, 'key');
  t.deepEqual(value.deprecatedAnnotations, [
    'metallb.universe.tf/loadBalancerIPs',
    'metallb.universe.tf/address-pool',
    'metallb.universe.tf/allow-shared-ip',
  ]);
});

for (const empty of ['', null]) {
  test(`the new name wins when it is ${JSON.stringify(empty)}`, (t) => {
    const { value } = read({
      'metallb.io/loadBalancerIPs': empty,
      'metallb.universe.tf/loadBalancerIPs': '192.0.2.1',
      'metallb.io/address-pool': empty,
      'metallb.universe.tf/address-pool': 'main',
    });
    t.deepEqual(value.request, { kind: 'none' });
    t.is(value.poolRequest, undefined);
    t.deepEqual(value.deprecatedAnnotations, []);
  });
}

test('all health check annotations are read', (t) => {
  const { value, problems } = read({
    'tidegate.io/target': 'node',
    'tidegate.io/health-check': 'http',
    'tidegate.io/health-check-port': '8081',
    'tidegate.io/health-check-path': '/healthz?full=1',
    'tidegate.io/health-check-host': 'www.example.org',
    'tidegate.io/health-check-expected-status': '200-299, 404',
    'tidegate.io/health-check-interval': '500ms',
    'tidegate.io/health-check-timeout': '1s',
    'tidegate.io/health-check-rise': '2',
    'tidegate.io/health-check-fall': '3',
  });
  t.deepEqual(problems, []);
  t.is(value.target, 'node');
  t.deepEqual(value.healthCheck, {
    kind: 'http',
    port: 8081,
    path: '/healthz?full=1',
    host: 'www.example.org',
    expectedStatus: [
      [200, 299],
      [404, 404],
    ],
    intervalMs: 500,
    timeoutMs: 1000,
    rise: 2,
    fall: 3,
  });
});

test('only what is annotated is set', (t) => {
  t.deepEqual(read({ 'tidegate.io/health-check-interval': '1m' }).value.healthCheck, {
    intervalMs: 60_000,
  });
});

for (const [name, value] of [
  ['target', 'pods'],
  ['health-check', 'HTTP'],
  ['health-check-port', '0'],
  ['health-check-port', '65536'],
  ['health-check-port', '80x'],
  ['health-check-path', 'healthz'],
  ['health-check-path', '/a b'],
  ['health-check-path', '/a\r\nHost: x'],
  ['health-check-host', 'a b'],
  ['health-check-expected-status', ''],
  ['health-check-expected-status', '600'],
  ['health-check-expected-status', '300-200'],
  ['health-check-interval', '5'],
  ['health-check-interval', '1ms'],
  ['health-check-interval', '2h'],
  ['health-check-timeout', '-1s'],
  ['health-check-rise', '0'],
  ['health-check-fall', '1.5'],
  ['health-check-fall', 3],
  ['helth-check', 'tcp'],
] as const) {
  test(`tidegate.io/${name}: ${JSON.stringify(value)} is a warning and counts as not given`, (t) => {
    const { value: service, problems } = read({ [`tidegate.io/${name}`]: value });
    t.is(service.target, undefined);
    t.deepEqual(service.healthCheck, {});
    t.deepEqual(
      problems.map(({ severity, field }) => [severity, field]),
      [['warning', `metadata.annotations["tidegate.io/${name}"]`]],
    );
  });
}

test('annotations of others are left alone', (t) => {
  t.deepEqual(read({ 'example.org/x': 7, other: {} }).problems, []);
  t.deepEqual(read('nonsense').problems, []);
});
