import test from 'ava';
import fc from 'fast-check';
import { ADMIT_ALL, type ForwardPlan } from '../../src/domain/forwarding.ts';
import { type CheckHealth, describeCheck } from '../../src/domain/health.ts';
import { KeyedMap } from '../../src/domain/keyed-map.ts';
import { AUTOSCALER_TAINT, EXCLUDE_LABEL } from '../../src/domain/node.ts';
import { parsePrefix } from '../../src/domain/prefix.ts';
import { EMPTY_SNAPSHOT, type Snapshot } from '../../src/domain/snapshot.ts';
import { planForward } from '../../src/plan/forward.ts';
import type { ForwardSettings } from '../../src/plan/forwarding/forward-settings.ts';
import { forwardSettings } from '../support/forward-settings.ts';
import {
  endpoint,
  endpointsOf,
  node,
  pod,
  service,
  servicePort,
  status,
  TCP_CHECK,
} from '../support/objects.ts';

const SETTINGS = forwardSettings();
const CHECKED: ForwardSettings = { ...SETTINGS, health: TCP_CHECK };
const NO_HEALTH = KeyedMap.empty<CheckHealth>();

const web = service('web');
const pods = endpointsOf('default/web', [endpoint('10.1.0.1'), endpoint('10.1.0.2')]);

function snapshot(fields: Partial<Snapshot> = {}): Snapshot {
  return {
    ...EMPTY_SNAPSHOT,
    revision: 1,
    services: KeyedMap.from([['default/web', web]]),
    statuses: KeyedMap.from([['default/web', status(['192.0.2.10'])]]),
    endpoints: KeyedMap.from([['default/web', pods]]),
    ...fields,
  };
}

const plan = (fields: Partial<Snapshot> = {}, settings = SETTINGS, health = NO_HEALTH) =>
  planForward(undefined, snapshot(fields), health, settings, 0);

/** `id=use` of the backends of the first server, for tables. */
function uses(planned: ForwardPlan, server = '192.0.2.10 TCP 80'): string {
  const backends = planned.servers.get(server)?.backends ?? [];
  return backends.map(({ id, use }) => `${id}=${use}`).join(', ');
}

function down(reason: string): CheckHealth {
  return { state: 'down', sinceMs: 0, reason };
}

test('planForward() gives each address and port a server with its ring', (t) => {
  const planned = plan();
  t.is(planned.servers.size, 1);
  t.is(uses(planned), '10.1.0.1 8080=active, 10.1.0.2 8080=active');
  const server = planned.servers.get('192.0.2.10 TCP 80');
  t.like(server, { scheduler: 'maglev', choice: 'rendezvous' });
  t.deepEqual([...(server?.ring ?? [])], [0, 1]);
  t.true(planned.services.get('default/web')?.servable);
});

test('planForward() leaves alone what is not ours, has no address or is no LoadBalancer', (t) => {
  for (const other of [
    service('web', { type: 'ClusterIP' }),
    service('web', { loadBalancerClass: 'example.com/other' }),
  ]) {
    t.is(plan({ services: KeyedMap.from([['default/web', other]]) }).services.size, 0);
  }
  t.is(plan({ statuses: KeyedMap.empty() }).services.size, 0);
  const classed = service('web', { loadBalancerClass: 'tidegate.io/tidegate' });
  t.is(plan({ services: KeyedMap.from([['default/web', classed]]) }).services.size, 1);
});

const gone = { ready: false, serving: true, terminating: true };
const readiness: [name: string, endpoints: Parameters<typeof endpoint>[1][], uses: string][] = [
  ['ready ones', [{}, {}], '10.1.0.1 8080=active, 10.1.0.2 8080=active'],
  [
    'an unready one',
    [{}, { ready: false, serving: false }],
    '10.1.0.1 8080=active, 10.1.0.2 8080=down',
  ],
  ['a terminating one', [{}, gone], '10.1.0.1 8080=active, 10.1.0.2 8080=draining'],
  ['only terminating ones (KEP-1669)', [gone, gone], '10.1.0.1 8080=active, 10.1.0.2 8080=active'],
  ['terminating, not serving', [{ ...gone, serving: false }], '10.1.0.1 8080=down'],
];
for (const [name, conditions, expected] of readiness) {
  test(`planForward() with ${name}: ${expected}`, (t) => {
    const list = conditions.map((fields, i) => endpoint(`10.1.0.${i + 1}`, fields));
    t.is(
      uses(plan({ endpoints: KeyedMap.from([['default/web', endpointsOf('default/web', list)]]) })),
      expected,
    );
  });
}

test('planForward() says noEndpoints and names the port when nobody is usable', (t) => {
  const planned = plan({ endpoints: KeyedMap.empty() }).services.get('default/web');
  t.like(planned, { servable: false, reason: 'noEndpoints' });
  t.regex(planned?.notes[0] ?? '', /No IPv4 endpoint for port 80\/TCP of default\/web/);
});

test('planForward() honours publishNotReadyAddresses', (t) => {
  const lenient = service('web', { publishNotReadyAddresses: true });
  const unready = endpointsOf('default/web', [
    endpoint('10.1.0.1', { ready: false, serving: false }),
  ]);
  const planned = plan({
    services: KeyedMap.from([['default/web', lenient]]),
    endpoints: KeyedMap.from([['default/web', unready]]),
  });
  t.is(uses(planned), '10.1.0.1 8080=active');
});

test('planForward() drains a Pod that is being deleted before its slice says so', (t) => {
  const of = (last: number) => endpoint(`10.1.0.${last}`, { pod: `default/p${last}` });
  const slices = endpointsOf('default/web', [of(1), of(2)]);
  const before = snapshot({
    endpoints: KeyedMap.from([['default/web', slices]]),
    pods: KeyedMap.from([
      ['default/p1', pod('p1')],
      ['default/p2', pod('p2')],
    ]),
  });
  const first = planForward(undefined, before, NO_HEALTH, SETTINGS, 0);
  t.is(uses(first), '10.1.0.1 8080=active, 10.1.0.2 8080=active');
  t.is(first.servers.get('192.0.2.10 TCP 80')?.backends[0]?.node, 'n1');
  const relabelled = { ...before, pods: before.pods.with('default/p1', pod('p1')) };
  t.is(planForward(first, relabelled, NO_HEALTH, SETTINGS, 0).planned, 0);
  const going = { ...before, pods: before.pods.with('default/p2', pod('p2', { deleting: true })) };
  const second = planForward(first, going, NO_HEALTH, SETTINGS, 0);
  t.is(second.planned, 1);
  t.is(uses(second), '10.1.0.1 8080=active, 10.1.0.2 8080=draining');
});

test('planForward() takes named ports from each slice, both families, and merges duplicates', (t) => {
  const dual = service('web', {
    families: [4, 6],
    ports: [
      servicePort({ name: 'http', targetPort: 'web' }),
      servicePort({ name: 'dns', protocol: 'UDP', port: 53 }),
    ],
  });
  const ports = (http: number) => [
    { name: 'http', protocol: 'TCP' as const, port: http },
    { name: 'dns', protocol: 'UDP' as const, port: 5353 },
  ];
  const a = endpointsOf('a', [endpoint('10.1.0.1'), endpoint('2001:db8:1::1')], ports(8080)).slices;
  const b = endpointsOf('b', [endpoint('10.1.0.2')], ports(9090)).slices;
  const again = endpointsOf('c', [endpoint('10.1.0.2', { ready: false })], ports(9090)).slices;
  const planned = plan({
    services: KeyedMap.from([['default/web', dual]]),
    statuses: KeyedMap.from([['default/web', status(['192.0.2.10', '2001:db8::10'])]]),
    endpoints: KeyedMap.from([
      ['default/web', { service: 'default/web', slices: [...a, ...b, ...again] }],
    ]),
  });
  t.is(uses(planned), '10.1.0.1 8080=active, 10.1.0.2 9090=active');
  t.is(uses(planned, '2001:db8::10 TCP 80'), '2001:db8:1::1 8080=active');
  t.is(uses(planned, '192.0.2.10 UDP 53'), '10.1.0.1 5353=active, 10.1.0.2 5353=active');
});

test('planForward() keeps SCTP and unmatched port names out, and says so', (t) => {
  const odd = service('web', {
    ports: [servicePort({ name: 'other' }), servicePort({ name: 's', protocol: 'SCTP', port: 9 })],
  });
  const planned = plan({ services: KeyedMap.from([['default/web', odd]]) }).services.get(
    'default/web',
  );
  t.is(planned?.servers.length, 1);
  t.regex(planned?.notes.join(' ') ?? '', /9\/SCTP is not forwarded.*port "other" 80\/TCP/);
});

const nodePorts = (fields: Parameters<typeof service>[1] = {}) =>
  service('web', { target: 'node', ports: [servicePort({ nodePort: 30080 })], ...fields });
const nodeCases: [
  name: string,
  second: Parameters<typeof node>[2],
  policy: 'Cluster' | 'Local',
  uses: string,
][] = [
  ['eligible', {}, 'Cluster', '10.0.0.1 30080=active, 10.0.0.2 30080=active'],
  ['not Ready', { ready: false }, 'Cluster', '10.0.0.1 30080=active, 10.0.0.2 30080=down'],
  [
    'without network',
    { networkUnavailable: true },
    'Cluster',
    '10.0.0.1 30080=active, 10.0.0.2 30080=down',
  ],
  [
    'excluded',
    { labels: { [EXCLUDE_LABEL]: '' } },
    'Cluster',
    '10.0.0.1 30080=active, 10.0.0.2 30080=draining',
  ],
  [
    'going',
    { taints: [AUTOSCALER_TAINT] },
    'Cluster',
    '10.0.0.1 30080=active, 10.0.0.2 30080=draining',
  ],
  [
    'being deleted',
    { deleting: true },
    'Cluster',
    '10.0.0.1 30080=active, 10.0.0.2 30080=draining',
  ],
  ['without endpoint, policy Local', {}, 'Local', '10.0.0.1 30080=active, 10.0.0.2 30080=draining'],
];
for (const [name, second, externalTrafficPolicy, expected] of nodeCases) {
  test(`planForward() with node targets, second node ${name}: ${expected}`, (t) => {
    const planned = plan({
      services: KeyedMap.from([['default/web', nodePorts({ externalTrafficPolicy })]]),
      nodes: KeyedMap.from([
        ['n1', node('n1', ['10.0.0.1'])],
        ['n2', node('n2', ['10.0.0.2'], second)],
      ]),
      endpoints: KeyedMap.from([
        ['default/web', endpointsOf('default/web', [endpoint('10.1.0.1', { nodeName: 'n1' })])],
      ]),
    });
    t.is(uses(planned), expected);
  });
}

test('planForward() with node targets asks healthCheckNodePort under policy Local', (t) => {
  const local = nodePorts({ externalTrafficPolicy: 'Local', healthCheckNodePort: 32000 });
  const fields = {
    services: KeyedMap.from([['default/web', local]]),
    nodes: KeyedMap.from([['n1', node('n1', ['10.0.0.1'])]]),
    endpoints: KeyedMap.from([
      ['default/web', endpointsOf('default/web', [endpoint('10.1.0.1', { nodeName: 'n1' })])],
    ]),
  };
  const [check] = [...plan(fields, CHECKED).checks.values()];
  t.like(check, { port: 32000, settings: { kind: 'http', path: '/healthz' } });
});

/** Two nodes behind two Services, their kube-proxy asked. */
function nodeWorld(second: Parameters<typeof node>[2] = {}): Snapshot {
  const names = ['web', 'shop'];
  return snapshot({
    services: KeyedMap.from(
      names.map((name) => [
        `default/${name}`,
        service(name, { target: 'node', ports: [servicePort({ nodePort: 30080 })] }),
      ]),
    ),
    statuses: KeyedMap.from(names.map((name, i) => [`default/${name}`, status([`192.0.2.1${i}`])])),
    endpoints: KeyedMap.from(
      names.map((name) => [
        `default/${name}`,
        endpointsOf(`default/${name}`, [endpoint('10.1.0.1')]),
      ]),
    ),
    nodes: KeyedMap.from([
      ['n1', node('n1', ['10.0.0.1'])],
      ['n2', node('n2', ['10.0.0.2'], second)],
    ]),
  });
}
const ASKED: ForwardSettings = { ...SETTINGS, nodeHealth: 'kube-proxy' };

test('planForward() shares one check a node between Services, and drains a node that says 503', (t) => {
  const world = nodeWorld();
  const first = planForward(undefined, world, NO_HEALTH, ASKED, 0);
  t.deepEqual([...first.checks.values()].map(describeCheck).sort(), [
    'http 10.0.0.1:10256',
    'http 10.0.0.2:10256',
  ]);
  const ids = [...first.checks.keys()].sort();
  const health = (second: CheckHealth) =>
    KeyedMap.from([
      [ids[0] ?? '', { state: 'up', sinceMs: 0, reason: '' }],
      [ids[1] ?? '', second],
    ] as const);
  const up = planForward(first, world, health({ state: 'up', sinceMs: 0, reason: '' }), ASKED, 0);
  t.is(up.planned, 2);
  const refusing = health({ ...down('status 503, expected 200'), status: 503 });
  const draining = planForward(up, world, refusing, ASKED, 0);
  t.is(uses(draining), '10.0.0.1 30080=active, 10.0.0.2 30080=draining');
  t.is(uses(draining, '192.0.2.11 TCP 80'), uses(draining));
  const dead = planForward(draining, world, health(down('connection refused')), ASKED, 0);
  t.is(uses(dead), '10.0.0.1 30080=active, 10.0.0.2 30080=down');
  t.regex(dead.servers.get('192.0.2.10 TCP 80')?.backends[1]?.reason ?? '', /kube-proxy's health/);
  const fewer = { ...world, services: world.services.without('default/shop') };
  t.is(planForward(dead, fewer, NO_HEALTH, ASKED, 0).checks.size, 2);
  const none = { ...fewer, services: fewer.services.without('default/web') };
  t.is(planForward(dead, none, NO_HEALTH, ASKED, 0).checks.size, 0);
});

test('planForward() takes a node out with the step that says NotReady, and back with the next', (t) => {
  let current = nodeWorld();
  let planned = planForward(undefined, current, NO_HEALTH, SETTINGS, 0);
  const before = planned.servers.get('192.0.2.10 TCP 80');
  for (let flaps = 0; flaps < 3; flaps++) {
    for (const ready of [false, true]) {
      const { nodes } = nodeWorld({ ready });
      current = { ...current, nodes };
      planned = planForward(planned, current, NO_HEALTH, SETTINGS, 0);
      t.is(uses(planned), `10.0.0.1 30080=active, 10.0.0.2 30080=${ready ? 'active' : 'down'}`);
    }
  }
  const after = planned.servers.get('192.0.2.10 TCP 80');
  t.deepEqual([after?.choice, after?.ring], [before?.choice, before?.ring]);
});

test('planForward() plans nothing for news of a node that concern nobody', (t) => {
  const world = nodeWorld();
  const first = planForward(undefined, world, NO_HEALTH, SETTINGS, 0);
  const plannedWith = (fields: Parameters<typeof node>[2], addresses = ['10.0.0.2']) => {
    const nodes = world.nodes.with('n2', node('n2', addresses, fields));
    return planForward(first, { ...world, nodes }, NO_HEALTH, SETTINGS, 0).planned;
  };
  t.is(plannedWith({}), 0);
  t.is(plannedWith({ labels: { a: 'b' }, taints: ['node.kubernetes.io/disk-pressure'] }), 0);
  for (const fields of [
    { ready: false },
    { networkUnavailable: true },
    { deleting: true },
    { taints: [AUTOSCALER_TAINT] },
    { labels: { [EXCLUDE_LABEL]: 'true' } },
    { weight: 3 },
  ]) {
    t.is(plannedWith(fields), 2, JSON.stringify(fields));
  }
  t.is(plannedWith({}, ['10.0.0.3']), 2);
  const fewer = { ...world, nodes: world.nodes.without('n2') };
  t.is(planForward(first, fewer, NO_HEALTH, SETTINGS, 0).planned, 2);
});

test('planForward() gives a zone its own Pods where hints are honoured, and only there', (t) => {
  const hinted = endpointsOf('default/web', [
    endpoint('10.1.0.1', { zoneHints: ['a'] }),
    endpoint('10.1.0.2', { zoneHints: ['b'] }),
  ]);
  const fields = { endpoints: KeyedMap.from([['default/web', hinted]]) };
  t.is(uses(plan(fields)), '10.1.0.1 8080=active, 10.1.0.2 8080=active');
  const honoured = plan(fields, { ...SETTINGS, place: { zone: 'a', node: 'edge' } });
  t.is(uses(honoured), '10.1.0.1 8080=active, 10.1.0.2 8080=draining');
  const elsewhere = plan(fields, { ...SETTINGS, place: { zone: 'c', node: 'edge' } });
  t.is(uses(elsewhere), '10.1.0.1 8080=active, 10.1.0.2 8080=active');
  t.regex(elsewhere.services.get('default/web')?.notes.join() ?? '', /meant for the zone "c"/);
});

test('planForward() with node targets needs a nodePort, an address of the family and an endpoint', (t) => {
  const notesOf = (fields: Partial<Snapshot>) =>
    plan(fields).services.get('default/web')?.notes.join(' ') ?? '';
  const services = KeyedMap.from([['default/web', nodePorts()]]);
  t.regex(
    notesOf({ services: KeyedMap.from([['default/web', service('web', { target: 'node' })]]) }),
    /has no nodePort/,
  );
  t.regex(
    notesOf({ services, nodes: KeyedMap.from([['n1', node('n1', ['2001:db8::1'])]]) }),
    /No node has an IPv4/,
  );
  t.regex(notesOf({ services, endpoints: KeyedMap.empty() }), /No IPv4 endpoint/);
});

test('planForward() turns checks by annotation and protocol', (t) => {
  const checkOf = (fields: Parameters<typeof service>[1]) => {
    const planned = plan(
      {
        services: KeyedMap.from([['default/web', service('web', fields)]]),
        endpoints: KeyedMap.from([
          [
            'default/web',
            endpointsOf(
              'default/web',
              [endpoint('10.1.0.1')],
              [{ name: '', protocol: fields?.ports?.[0]?.protocol ?? 'TCP', port: 8080 }],
            ),
          ],
        ]),
      },
      CHECKED,
    );
    return [...planned.checks.values()]
      .map(({ port, settings }) => `${settings.kind} ${port}`)
      .join();
  };
  t.is(checkOf({}), 'tcp 8080');
  t.is(checkOf({ healthCheck: { kind: 'http', port: 9000 } }), 'http 9000');
  t.is(checkOf({ healthCheck: { kind: 'none' } }), '');
  t.is(checkOf({ ports: [servicePort({ protocol: 'UDP' })] }), 'icmp 0');
  t.is(
    checkOf({ ports: [servicePort({ protocol: 'UDP' })], healthCheck: { port: 9000 } }),
    'tcp 9000',
  );
});

test('planForward() prefers healthy, then unchecked backends, then falls back as set', (t) => {
  const [first, second] = [...plan({}, CHECKED).checks.keys()].sort();
  const health = (a: CheckHealth['state'] | '', b: CheckHealth['state'] | '') => {
    const entries: [string, CheckHealth][] = [];
    for (const [id, state] of [
      [first, a],
      [second, b],
    ] as const) {
      if (state)
        entries.push([
          id ?? '',
          state === 'up' ? { state, sinceMs: 0, reason: '' } : down('connection refused'),
        ]);
    }
    return KeyedMap.from(entries);
  };
  const closed: ForwardSettings = { ...CHECKED, healthFallback: 'fail-closed' };
  t.is(uses(plan({}, CHECKED, health('', ''))), '10.1.0.1 8080=active, 10.1.0.2 8080=active');
  t.is(uses(plan({}, CHECKED, health('up', ''))), '10.1.0.1 8080=active, 10.1.0.2 8080=down');
  t.is(uses(plan({}, CHECKED, health('down', ''))), '10.1.0.1 8080=down, 10.1.0.2 8080=active');
  t.is(uses(plan({}, CHECKED, health('up', 'down'))), '10.1.0.1 8080=active, 10.1.0.2 8080=down');
  t.is(
    uses(plan({}, CHECKED, health('down', 'down'))),
    '10.1.0.1 8080=active, 10.1.0.2 8080=active',
  );
  t.is(uses(plan({}, closed, health('down', 'down'))), '10.1.0.1 8080=down, 10.1.0.2 8080=down');
  const closedPart = plan({}, closed, health('down', 'down')).services.get('default/web');
  t.like(closedPart, { servable: false, reason: 'backendsFailing' });
  t.regex(closedPart?.alarms[0] ?? '', /192\.0\.2\.10 TCP 80 fails; no backend.*fail-closed/);
  const openPart = plan({}, CHECKED, health('down', 'down')).services.get('default/web');
  t.regex(openPart?.alarms[0] ?? '', /fails; traffic goes to all 2 of its backends.*fail-open/);
  t.deepEqual(plan({}, CHECKED, health('up', 'down')).services.get('default/web')?.alarms, []);
  const open = plan({}, CHECKED, health('down', 'down')).servers.get('192.0.2.10 TCP 80');
  t.is(
    open?.backends[0]?.reason,
    'health check failed: connection refused; used because all fail (fail-open)',
  );
});

test('planForward() plans 1 of 10,000 Services when 1 endpoint, status or check changed', (t) => {
  const names = Array.from({ length: 10_000 }, (_, i) => `s${i}`);
  const backend = (i: number, last: number) => endpoint(`10.${i >> 8}.${i & 255}.${last}`);
  const big = snapshot({
    services: KeyedMap.from(names.map((name) => [`default/${name}`, service(name)])),
    statuses: KeyedMap.from(
      names.map((name, i) => [`default/${name}`, status([`172.16.${i >> 8}.${i & 255}`])]),
    ),
    endpoints: KeyedMap.from(
      names.map((name, i) => [`default/${name}`, endpointsOf(`default/${name}`, [backend(i, 1)])]),
    ),
  });
  const first = planForward(undefined, big, NO_HEALTH, CHECKED, 0);
  t.is(first.planned, 10_000);
  const again = planForward(first, { ...big, revision: 2 }, NO_HEALTH, CHECKED, 0);
  t.is(again.planned, 0);
  t.is(again.servers, first.servers);
  const changed = {
    ...big,
    endpoints: big.endpoints.with(
      'default/s7',
      endpointsOf('default/s7', [backend(7, 1), backend(7, 2)]),
    ),
  };
  const second = planForward(first, changed, NO_HEALTH, CHECKED, 0);
  t.is(second.planned, 1);
  t.deepEqual(second.servers.changedKeys(first.servers), ['172.16.0.7 TCP 80']);
  const [id] = second.checks.changedKeys(first.checks);
  const third = planForward(second, changed, KeyedMap.from([[id ?? '', down('x')]]), CHECKED, 0);
  t.is(third.planned, 1);
  t.is(
    planForward(
      third,
      { ...changed, nodes: KeyedMap.from([['n', node('n', [])]]) },
      NO_HEALTH,
      CHECKED,
      0,
    ).planned,
    1,
  );
});

const few = <T>(...values: T[]) => fc.constantFrom(...values);
const oneStep = fc.record({
  name: few('a', 'b', 'c'),
  vip: few('192.0.2.1', '192.0.2.2', '2001:db8::1', ''),
  target: few('pod' as const, 'node' as const),
  exists: fc.boolean(),
  slowStartSec: few(0, 10),
  scheduler: few('maglev' as const, 'round-robin' as const),
  weights: few(new Map(), new Map([['10.1.0.1', 3]]), new Map([['p2', 0]])),
  sourceRange: few('192.0.2.0/24', '2001:db8::/32', ''),
  endpoints: fc.array(
    fc.record({
      last: fc.integer({ min: 1, max: 4 }),
      ready: fc.boolean(),
      zoneHints: few([], ['a'], ['b']),
    }),
    { maxLength: 4 },
  ),
  podWeight: few(undefined, 0, 2),
  downs: fc.subarray(['10.1.0.1', '10.1.0.2', '10.1.0.3', '10256', ' 301']),
  unknowns: fc.subarray(['10.1.0.2', '10.1.0.4', '10256']),
  nodeReady: fc.boolean(),
  nodeWeight: few(undefined, 0, 5),
  waitMs: few(0, 0.4, 499.7, 3000, 20_000),
});

/** The snapshot after the step. */
function advance(
  current: Snapshot,
  step: typeof oneStep extends fc.Arbitrary<infer T> ? T : never,
) {
  const { name, vip, target, slowStartSec, scheduler, weights } = step;
  const key = `default/${name}`;
  // Different ports keep the three apart on a shared address, as allocation does.
  const port = 80 + name.charCodeAt(0);
  const range = parsePrefix(step.sourceRange);
  const object = service(name, {
    target,
    slowStartSec,
    scheduler,
    weights,
    sourceRanges: range ? [range] : [],
    ports: [servicePort({ port, nodePort: 30000 + port })],
  });
  const list = step.endpoints.map(({ last, ready, zoneHints }) => {
    const place = { pod: `default/p${last}`, nodeName: 'n1', zoneHints };
    return endpoint(`10.1.0.${last}`, { ready, serving: ready, ...place });
  });
  const { nodeReady: ready, nodeWeight: weight } = step;
  return {
    ...current,
    revision: current.revision + 1,
    services: current.services.withAll([[key, step.exists ? object : undefined]]),
    statuses: current.statuses.withAll([[key, vip === '' ? undefined : status([vip])]]),
    endpoints: current.endpoints.with(key, endpointsOf(key, list)),
    nodes: KeyedMap.from([['n1', node('n1', ['10.0.0.1'], { ready, weight })]]),
    pods: current.pods.with('default/p1', pod('p1', { weight: step.podWeight })),
  };
}

const sorted = <V>(map: KeyedMap<V>) => new Map([...map].sort());
const atFullShare = ({ servers }: ForwardPlan) =>
  [...sorted(servers).values()].map((server) => ({
    ...server,
    backends: server.backends.map((each) => ({ ...each, admit: ADMIT_ALL })),
  }));

test('planForward() step by step ends where planning anew with the same history ends', (t) => {
  fc.assert(
    fc.property(fc.array(oneStep, { minLength: 1, maxLength: 10 }), (steps) => {
      const settings: ForwardSettings = {
        ...CHECKED,
        nodeHealth: 'kube-proxy',
        place: { zone: 'a', node: 'edge' },
      };
      let current: Snapshot = EMPTY_SNAPSHOT;
      let nowMs = 1000;
      let planned = planForward(undefined, current, NO_HEALTH, settings, nowMs);
      for (const step of steps) {
        current = advance(current, step);
        nowMs += step.waitMs;
        const health = KeyedMap.from(
          [...planned.checks.values()]
            .filter(({ id }) => !step.unknowns.some((each) => id.includes(each)))
            .map(({ id }): [string, CheckHealth] => {
              const isDown = step.downs.some((each) => id.includes(each));
              return [id, isDown ? down('x') : { state: 'up', sinceMs: 0, reason: '' }];
            }),
        );
        // Other settings, though equal ones, let nothing of the plan before be kept.
        const anew = planForward(planned, current, health, { ...settings }, nowMs);
        planned = planForward(planned, current, health, settings, nowMs);
        t.deepEqual(sorted(planned.servers), sorted(anew.servers));
        t.deepEqual(sorted(planned.services), sorted(anew.services));
        t.deepEqual(sorted(planned.basis.history), sorted(anew.basis.history));
        t.is(planned.nextStepMs, anew.nextStepMs);
        t.true(planned.nextStepMs === undefined || planned.nextStepMs > nowMs);
        const nothing = planForward(undefined, current, health, settings, nowMs);
        t.deepEqual(atFullShare(planned), atFullShare(nothing));
        t.deepEqual([...planned.checks.keys()].sort(), [...nothing.checks.keys()].sort());
      }
    }),
    { numRuns: 200 },
  );
});
