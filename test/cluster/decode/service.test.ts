import test from 'ava';
import { decodeService } from '../../../src/cluster/decode/service.ts';
import { formatPrefix } from '../../../src/domain/prefix.ts';
import { objectMeta } from '../../support/objects.ts';

const METADATA = { name: 'web', namespace: 'shop' };
const PORTS = [{ port: 80 }];

function service(spec: unknown, metadata: unknown = METADATA) {
  return { apiVersion: 'v1', kind: 'Service', metadata, spec };
}

function good(spec: object) {
  const { value, problems } = decodeService(service({ ports: PORTS, ...spec }));
  if (value === undefined || problems.length > 0) throw new Error(JSON.stringify(problems));
  return value;
}

test('decodeService() reads a Service as the API server would complete it', (t) => {
  const { value, problems } = decodeService(service({ ports: PORTS }));
  t.deepEqual(problems, []);
  t.deepEqual(value, {
    ...objectMeta('shop', 'web'),
    type: 'ClusterIP',
    loadBalancerClass: undefined,
    headless: false,
    families: [4],
    ipFamilyPolicy: 'SingleStack',
    ports: [{ name: '', protocol: 'TCP', port: 80, targetPort: 80, nodePort: 0 }],
    selector: '',
    externalTrafficPolicy: 'Cluster',
    healthCheckNodePort: 0,
    affinityTimeoutSec: 0,
    publishNotReadyAddresses: false,
    sourceRanges: [],
    request: { kind: 'none' },
    poolRequest: undefined,
    sharingKey: '',
    deprecatedAnnotations: [],
    target: undefined,
    healthCheck: {},
    scheduler: undefined,
    slowStartSec: 0,
    weights: new Map(),
    newFlowsPerSec: 0,
    clientNewFlowsPerSec: undefined,
    deadBackend: undefined,
  });
});

test('decodeService() reads every field that it keeps', (t) => {
  const value = good({
    type: 'LoadBalancer',
    loadBalancerClass: 'tidegate.io/tidegate',
    clusterIPs: ['fd00::1', '10.96.0.1'],
    ipFamilyPolicy: 'RequireDualStack',
    selector: { b: '2', a: '1' },
    externalTrafficPolicy: 'Local',
    healthCheckNodePort: 30_100,
    sessionAffinity: 'ClientIP',
    sessionAffinityConfig: { clientIP: { timeoutSeconds: 60 } },
    publishNotReadyAddresses: true,
    loadBalancerSourceRanges: ['192.0.2.0/24', ' 2001:db8::/32 '],
    ports: [
      { name: 'http', port: 80, targetPort: 'web', nodePort: 30_080 },
      { name: 'dns', port: 53, targetPort: 5353, protocol: 'UDP' },
    ],
  });
  t.like(value, {
    type: 'LoadBalancer',
    loadBalancerClass: 'tidegate.io/tidegate',
    families: [6, 4],
    selector: 'a=1,b=2',
    externalTrafficPolicy: 'Local',
    healthCheckNodePort: 30_100,
    affinityTimeoutSec: 60,
    publishNotReadyAddresses: true,
  });
  t.deepEqual(value.sourceRanges.map(formatPrefix), ['192.0.2.0/24', '2001:db8::/32']);
  t.deepEqual(value.ports, [
    { name: 'http', protocol: 'TCP', port: 80, targetPort: 'web', nodePort: 30_080 },
    { name: 'dns', protocol: 'UDP', port: 53, targetPort: 5353, nodePort: 0 },
  ]);
});

for (const [what, spec, families, policy] of [
  ['nothing', {}, [4], 'SingleStack'],
  ['ipFamilies', { ipFamilies: ['IPv6'] }, [6], 'SingleStack'],
  ['two ipFamilies', { ipFamilies: ['IPv6', 'IPv4'] }, [6, 4], 'RequireDualStack'],
  ['a policy alone', { ipFamilyPolicy: 'PreferDualStack' }, [4, 6], 'PreferDualStack'],
  [
    'a policy and a family',
    { ipFamilyPolicy: 'RequireDualStack', ipFamilies: ['IPv6'] },
    [6, 4],
    'RequireDualStack',
  ],
  [
    'one cluster IP under Prefer',
    { ipFamilyPolicy: 'PreferDualStack', clusterIPs: ['10.0.0.1'], ipFamilies: ['IPv4'] },
    [4],
    'PreferDualStack',
  ],
  ['clusterIP alone', { clusterIP: 'fd00::1' }, [6], 'SingleStack'],
  ['an empty clusterIP', { clusterIP: '' }, [4], 'SingleStack'],
] as const) {
  test(`decodeService() takes the families from ${what}`, (t) => {
    const value = good(spec);
    t.deepEqual(value.families, families);
    t.is(value.ipFamilyPolicy, policy);
  });
}

test('decodeService() knows headless Services, which may have no ports', (t) => {
  t.true(good({ clusterIP: 'None', ports: [] }).headless);
  t.true(good({ clusterIPs: ['None'], ports: undefined }).headless);
  t.false(good({ clusterIP: '10.0.0.1' }).headless);
});

test('decodeService() reads metadata', (t) => {
  const { value } = decodeService(
    service(
      { ports: PORTS },
      {
        name: 'web',
        uid: 'u',
        labels: { app: 'x', 'example.org/y': '' },
        creationTimestamp: '2026-01-31T12:00:00Z',
        deletionTimestamp: '2026-01-31T13:00:00Z',
      },
    ),
  );
  t.like(value, {
    key: 'default/web',
    uid: 'u',
    createdMs: Date.UTC(2026, 0, 31, 12),
    labels: { app: 'x', 'example.org/y': '' },
    deleting: true,
  });
});

const TWO_PORTS = [
  { name: 'a', port: 80 },
  { name: 'b', port: 81 },
];

for (const [what, input, field] of [
  ['no object', 'text', undefined],
  ['no metadata', { spec: { ports: PORTS } }, 'metadata.name'],
  ['metadata that is a list', service({ ports: PORTS }, []), 'metadata'],
  ['an empty name', service({ ports: PORTS }, { name: '' }), 'metadata.name'],
  ['a name with dots', service({ ports: PORTS }, { name: 'a.b' }), 'metadata.name'],
  ['a name of upper case', service({ ports: PORTS }, { name: 'Web' }), 'metadata.name'],
  ['a long name', service({ ports: PORTS }, { name: 'a'.repeat(64) }), 'metadata.name'],
  ['a number as name', service({ ports: PORTS }, { name: 7 }), 'metadata.name'],
  [
    'a bad namespace',
    service({ ports: PORTS }, { name: 'a', namespace: '-' }),
    'metadata.namespace',
  ],
  ['a bad label', service({ ports: PORTS }, { name: 'a', labels: { a: 1 } }), 'metadata.labels.a'],
  [
    'a bad label name',
    service({ ports: PORTS }, { name: 'a', labels: { 'a b': '' } }),
    'metadata.labels["a b"]',
  ],
  [
    'a label of spaces',
    service({ ports: PORTS }, { name: 'a', labels: { a: 'x y' } }),
    'metadata.labels.a',
  ],
  ['no spec', service(undefined), 'spec'],
  ['a spec that is text', service('x'), 'spec'],
  ['an unknown type', service({ type: 'Loadbalancer', ports: PORTS }), 'spec.type'],
  ['no ports', service({}), 'spec.ports'],
  ['empty ports', service({ ports: [] }), 'spec.ports'],
  ['ports that are no list', service({ ports: { port: 80 } }), 'spec.ports'],
  ['too many ports', service({ ports: Array(1001).fill({ port: 1 }) }), 'spec.ports'],
  ['a port that is no object', service({ ports: [80] }), 'spec.ports[0].port'],
  ['port 0', service({ ports: [{ port: 0 }] }), 'spec.ports[0].port'],
  ['port 65536', service({ ports: [{ port: 65536 }] }), 'spec.ports[0].port'],
  ['a port in quotes', service({ ports: [{ port: '80' }] }), 'spec.ports[0].port'],
  ['half a port', service({ ports: [{ port: 80.5 }] }), 'spec.ports[0].port'],
  [
    'a target port in quotes',
    service({ ports: [{ port: 80, targetPort: '80' }] }),
    'spec.ports[0].targetPort',
  ],
  [
    'target port 70000',
    service({ ports: [{ port: 80, targetPort: 70000 }] }),
    'spec.ports[0].targetPort',
  ],
  [
    'a long target port',
    service({ ports: [{ port: 80, targetPort: 'a'.repeat(16) }] }),
    'spec.ports[0].targetPort',
  ],
  ['a bad node port', service({ ports: [{ port: 80, nodePort: -1 }] }), 'spec.ports[0].nodePort'],
  ['a bad protocol', service({ ports: [{ port: 80, protocol: 'tcp' }] }), 'spec.ports[0].protocol'],
  ['a bad port name', service({ ports: [{ port: 80, name: 'A' }] }), 'spec.ports[0].name'],
  [
    'two ports without names',
    service({ ports: [{ port: 80 }, { name: 'b', port: 81 }] }),
    'spec.ports[0].name',
  ],
  [
    'a port name twice',
    service({ ports: [TWO_PORTS[0], { name: 'a', port: 81 }] }),
    'spec.ports[1].name',
  ],
  [
    'a port twice',
    service({ ports: [TWO_PORTS[0], { name: 'b', port: 80 }] }),
    'spec.ports[1].port',
  ],
  [
    'a node port twice',
    service({ ports: TWO_PORTS.map((port) => ({ ...port, nodePort: 30_000 })) }),
    'spec.ports[1].nodePort',
  ],
  [
    'a bad policy',
    service({ ports: PORTS, externalTrafficPolicy: 'local' }),
    'spec.externalTrafficPolicy',
  ],
  ['a bad affinity', service({ ports: PORTS, sessionAffinity: 'Cookie' }), 'spec.sessionAffinity'],
  [
    'a bad affinity timeout',
    service({ ports: PORTS, sessionAffinityConfig: { clientIP: { timeoutSeconds: 0 } } }),
    'spec.sessionAffinityConfig.clientIP.timeoutSeconds',
  ],
  [
    'a flag in quotes',
    service({ ports: PORTS, publishNotReadyAddresses: 'true' }),
    'spec.publishNotReadyAddresses',
  ],
  ['a bad cluster IP', service({ ports: PORTS, clusterIP: '010.0.0.1' }), 'spec.clusterIP'],
  [
    'cluster IPs of one family',
    service({ ports: PORTS, clusterIPs: ['10.0.0.1', '10.0.0.2'] }),
    'spec.clusterIPs',
  ],
  ['a bad family', service({ ports: PORTS, ipFamilies: ['ipv4'] }), 'spec.ipFamilies[0]'],
  ['a family twice', service({ ports: PORTS, ipFamilies: ['IPv4', 'IPv4'] }), 'spec.ipFamilies'],
  [
    'two families for one stack',
    service({ ports: PORTS, ipFamilies: ['IPv4', 'IPv6'], ipFamilyPolicy: 'SingleStack' }),
    'spec.ipFamilyPolicy',
  ],
  [
    'a bad source range',
    service({ ports: PORTS, loadBalancerSourceRanges: ['192.0.2.1'] }),
    'spec.loadBalancerSourceRanges[0]',
  ],
  [
    'a class that is no text',
    service({ ports: PORTS, loadBalancerClass: 1 }),
    'spec.loadBalancerClass',
  ],
] as const) {
  test(`decodeService() refuses ${what}`, (t) => {
    const { value, problems } = decodeService(input);
    t.is(value, undefined);
    t.is(problems[0]?.field, field);
    t.is(problems[0]?.severity, 'error');
    t.not(problems[0]?.remedy, '');
  });
}

test('decodeService() names the object and where the field stands', (t) => {
  const { problems } = decodeService(service({ ports: [{ port: 'x' }] }), (path) => ({
    file: path.join('/'),
    line: 7,
  }));
  t.deepEqual(problems, [
    {
      severity: 'error',
      object: { kind: 'Service', key: 'shop/web' },
      position: { file: 'spec/ports/0/port', line: 7 },
      field: 'spec.ports[0].port',
      message: '"x" is not an integer from 1 to 65535',
      remedy: 'Write a number from 1 to 65535, unquoted',
    },
  ]);
});

test('decodeService() tells all problems at once, up to a limit', (t) => {
  const ports = Array.from({ length: 30 }, (_, index) => ({ name: `p${index}`, port: 0 }));
  const { problems } = decodeService(service({ type: 'x', ports }));
  t.is(problems.length, 20);
});

test('decodeService() tolerates what it does not know', (t) => {
  const { value, problems } = decodeService({
    ...service({ ports: PORTS, trafficDistribution: 'PreferClose' }),
    status: { loadBalancer: { ingress: [{ ip: '192.0.2.1' }] } },
    future: {},
  });
  t.truthy(value);
  t.deepEqual(problems, []);
});
