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

test('all annotations about forwarding are read', (t) => {
  const { value, problems } = read({
    'tidegate.io/scheduler': 'least-connections',
    'tidegate.io/slow-start': '1500ms',
    'tidegate.io/weights': 'worker-1=3, 10.244.1.7=0,2001:0DB8::1=100,',
    'tidegate.io/new-flows-per-second': '5000',
    'tidegate.io/client-new-flows-per-second': '0',
    'tidegate.io/dead-backend': 'reset',
  });
  t.deepEqual(problems, []);
  t.like(value, {
    scheduler: 'least-connections',
    slowStartSec: 1.5,
    newFlowsPerSec: 5000,
    clientNewFlowsPerSec: 0,
    deadBackend: 'reset',
  });
  t.deepEqual(
    [...value.weights],
    [
      ['worker-1', 3],
      ['10.244.1.7', 0],
      ['2001:db8::1', 100],
    ],
  );
});

for (const [entry, message] of [
  ['worker-1', /"worker-1" does not name a Node, a Pod or an address/],
  ['worker-1=101', /"worker-1=101" has no weight from 0 to 100/],
  ['worker-1=', /has no weight/],
  ['worker-1=-1', /has no weight/],
  ['worker-1=0x10', /has no weight/],
  ['Worker_1=2', /does not name/],
  ['=2', /"=2" does not name/],
  ['p1=2', /"p1=2" names what an earlier entry names/],
] as const) {
  test(`a weight ${JSON.stringify(entry)} is a warning, and the others hold`, (t) => {
    const { value, problems } = read({ 'tidegate.io/weights': `p1=5,${entry},p2=7` });
    t.is(value.weights.get('p1'), 5);
    t.is(value.weights.get('p2'), 7);
    t.is(value.weights.size, 2);
    t.is(problems.length, 1);
    t.like(problems[0], {
      severity: 'warning',
      field: 'metadata.annotations["tidegate.io/weights"]',
    });
    t.regex(problems[0]?.message ?? '', message);
  });
}

test('more weights than anybody writes are a warning, and count as not given', (t) => {
  const many = Array.from({ length: 1001 }, (_, index) => `p${index}=2`).join(',');
  const { value, problems } = read({ 'tidegate.io/weights': many });
  t.is(value.weights.size, 0);
  t.regex(problems[0]?.message ?? '', /1001 weights, the limit is 1000/);
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
  ['scheduler', 'wrr'],
  ['slow-start', '500ms'],
  ['slow-start', '16m'],
  ['slow-start', '30'],
  ['weights', 3],
  ['new-flows-per-second', '-1'],
  ['new-flows-per-second', '10000001'],
  ['client-new-flows-per-second', '1k'],
  ['dead-backend', 'kill'],
] as const) {
  test(`tidegate.io/${name}: ${JSON.stringify(value)} is a warning and counts as not given`, (t) => {
    const { value: service, problems } = read({ [`tidegate.io/${name}`]: value });
    t.is(service.target, undefined);
    t.deepEqual(service.healthCheck, {});
    t.like(service, {
      scheduler: undefined,
      slowStartSec: 0,
      newFlowsPerSec: 0,
      clientNewFlowsPerSec: undefined,
      deadBackend: undefined,
    });
    t.is(service.weights.size, 0);
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
