import test from 'ava';
import { describeCheck } from '../../../src/domain/health.ts';
import { checkOf, nodeCheckOf } from '../../../src/plan/forwarding/check-of.ts';
import { address, node, service, TCP_CHECK } from '../../support/objects.ts';

const OFF = { health: TCP_CHECK, nodeHealth: 'off' } as const;
const KUBE_PROXY = { health: TCP_CHECK, nodeHealth: 'kube-proxy' } as const;
const BACKEND = { address: address('10.0.0.1'), port: 30080 };
const LOCAL = { externalTrafficPolicy: 'Local', healthCheckNodePort: 32000 } as const;
const dual = node('n1', ['10.0.0.1', 'fd00::1']);

const said = (check: ReturnType<typeof checkOf>) => (check ? describeCheck(check) : '');

for (const [what, fields, settings, own, ofNode] of [
  ['off, Cluster', {}, OFF, 'tcp 10.0.0.1:30080', ''],
  ['off, Local', LOCAL, OFF, 'http 10.0.0.1:32000', ''],
  ['on, Cluster', {}, KUBE_PROXY, 'tcp 10.0.0.1:30080', 'http 10.0.0.1:10256'],
  ['on, Local', LOCAL, KUBE_PROXY, 'tcp 10.0.0.1:30080', 'http 10.0.0.1:32000'],
  [
    'on, Local without a port of its own',
    { externalTrafficPolicy: 'Local' },
    KUBE_PROXY,
    'tcp 10.0.0.1:30080',
    'http 10.0.0.1:10256',
  ],
  [
    'on, Cluster with a port left over from Local',
    { healthCheckNodePort: 32000 },
    KUBE_PROXY,
    'tcp 10.0.0.1:30080',
    'http 10.0.0.1:10256',
  ],
  [
    'on, a Service that wants no checks',
    { healthCheck: { kind: 'none' } },
    KUBE_PROXY,
    '',
    'http 10.0.0.1:10256',
  ],
] as const) {
  test(`node targets with checks of nodes ${what}: "${own}" and "${ofNode}"`, (t) => {
    const web = service('web', fields);
    t.is(said(checkOf(web, BACKEND, 'TCP', true, settings)), own);
    t.is(said(nodeCheckOf(web, dual, settings)), ofNode);
  });
}

test('nodeCheckOf() gives all Services one check a node, whatever they say', (t) => {
  const checks = [
    service('a'),
    service('b', { families: [6], healthCheck: { kind: 'https', path: '/x', intervalMs: 9000 } }),
    service('c', { healthCheckNodePort: 32000 }),
  ].map((each) => nodeCheckOf(each, dual, KUBE_PROXY));
  t.is(new Set(checks.map((check) => check?.id)).size, 1);
  t.like(checks[1]?.settings, {
    kind: 'http',
    path: '/healthz',
    host: '',
    expectedStatus: [[200, 200]],
    intervalMs: TCP_CHECK.intervalMs,
  });
});

test('nodeCheckOf() asks nobody where there is no node or no address of it', (t) => {
  t.is(nodeCheckOf(service('a'), undefined, KUBE_PROXY), undefined);
  t.is(nodeCheckOf(service('a'), node('n', []), KUBE_PROXY), undefined);
});
