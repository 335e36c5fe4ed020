import test from 'ava';
import fc from 'fast-check';
import { buildApi, type Guard } from '../../src/admin/build.ts';
import { metricFamilies } from '../../src/admin/metrics.ts';
import type { RoleName } from '../../src/domain/role.ts';
import { realClock } from '../../src/system/real-clock.ts';
import { createMetrics } from '../../src/telemetry/metrics.ts';
import { fakeAdminView } from '../support/fake-admin-view.ts';
import { recordingLog } from '../support/recording-log.ts';

const ALL: readonly RoleName[] = ['controller', 'speaker', 'forwarder'];

async function api(roles: readonly RoleName[] = ALL, guard?: Guard, broken = false) {
  const view = fakeAdminView(roles);
  const metrics = createMetrics();
  for (const family of metricFamilies(view, realClock)) metrics.register(family);
  if (broken)
    Object.assign(view, {
      snapshot: () => {
        throw new Error('secret detail');
      },
    });
  return buildApi({ view, metrics, log: recordingLog(), ...(guard && { guard }) });
}

test('/v1/services lists Services of type LoadBalancer with what every role knows', async (t) => {
  const { items } = (await (await api()).inject('/v1/services')).json();
  t.deepEqual(
    items.map((item: { service: string }) => item.service),
    ['shop/api', 'shop/late', 'shop/web'],
  );
  t.deepEqual(items[2], {
    service: 'shop/web',
    ours: true,
    addresses: ['192.0.2.1'],
    pool: 'public',
    servable: true,
    reason: '',
    backends: { usable: 1, total: 2 },
    announcements: [
      {
        address: '192.0.2.1',
        announced: true,
        interfaces: ['eth0'],
        peers: ['tor-a'],
        reason: '',
        since: '2026-01-02T03:04:05.000Z',
        owner: 'edge-1',
        advertisements: ['metallb-system/lan', 'metallb-system/routers'],
        bgp: { peers: ['tor-a', 'tor-b'], prefixes: ['192.0.2.1/32'], reason: '' },
      },
    ],
  });
  t.is(items[1].refusal.reason, 'AllocationFailed');
});

test('/v1/services leaves out what the process does not know', async (t) => {
  const { items } = (await (await api(['controller'])).inject('/v1/services')).json();
  t.deepEqual(items[2], {
    service: 'shop/web',
    ours: true,
    addresses: ['192.0.2.1'],
    pool: 'public',
  });
});

test('lists are read in pages that neither repeat nor lose an item', async (t) => {
  const app = await api();
  for (const path of ['/v1/services', '/v1/vips', '/v1/backends']) {
    const whole = (await app.inject(path)).json().items;
    const paged: unknown[] = [];
    let query = '?limit=1';
    for (let pages = 0; pages < 10; pages++) {
      const { items, next } = (await app.inject(path + query)).json();
      paged.push(...items);
      if (next === undefined) break;
      query = `?limit=1&after=${encodeURIComponent(next)}`;
    }
    t.deepEqual(paged, whole, path);
    t.true(whole.length > 1);
  }
});

test('/v1/services/:namespace/:name tells the whole chain', async (t) => {
  const detail = (await (await api()).inject('/v1/services/shop/web')).json();
  t.is(detail.spec.affinitySeconds, 60);
  t.is(detail.statusEvents[0].reason, 'IPAllocated');
  t.is(detail.servers[0].installed.state, 'done');
  t.is(detail.servers[0].traffic.newFlows, 1234);
  t.like(detail.servers[0], {
    scheduler: 'round-robin',
    slowStartSeconds: 30,
    sourceRanges: 2,
    newFlowsPerSecond: 5000,
    clientNewFlowsPerSecond: 50,
    resetDead: true,
  });
  t.like(detail.servers[0].backends[0], { weight: 3, sharePercent: 45 });
  t.deepEqual(detail.servers[0].backends[1], {
    id: '10.0.0.2 8080',
    address: '10.0.0.2',
    port: 8080,
    weight: 1,
    use: 'draining',
    reason: 'the Pod is terminating',
    node: 'worker-1',
    pod: 'shop/pod-2',
    health: { state: 'up', since: '2026-01-02T03:04:05.000Z', reason: '' },
    nextHop: { state: 'resolved', reason: '' },
    traffic: {
      newFlows: 1234,
      inPackets: 5000,
      inBytes: 400_000,
      outPackets: 6000,
      outBytes: 9_000_000,
    },
  });
  t.is(detail.problems[0].line, 7);
});

test('/v1/services/:namespace/:name answers 404 with a remedy', async (t) => {
  const response = await (await api()).inject('/v1/services/shop/none');
  t.is(response.statusCode, 404);
  t.is(response.json().message, 'There is no Service "shop/none"');
});

test('/v1/pools writes counts as decimal text', async (t) => {
  const { items } = (await (await api()).inject('/v1/pools')).json();
  t.is(items[0].usage.availableIPv4, '14');
  const speaker = (await (await api(['speaker'])).inject('/v1/pools')).json();
  t.false('usage' in speaker.items[0]);
});

test('/v1/vips joins serving, announcement and traffic', async (t) => {
  const { items } = (await (await api()).inject('/v1/vips')).json();
  t.deepEqual(items[0].serving, { servable: true, reason: '', usable: 1, total: 2 });
  t.is(items[0].traffic.inBytes, 400_000);
  t.is(items[1].announcement.reason, 'noEndpoints');
  t.is(items[1].serving.reason, 'noEndpoints');
});

test('/v1/flows filters, limits and says when there are more', async (t) => {
  const app = await api();
  const some = (await app.inject('/v1/flows?limit=2')).json();
  t.is(some.items.length, 2);
  t.true(some.truncated);
  const one = (await app.inject('/v1/flows?client=198.51.100.3')).json();
  t.deepEqual(one.items[0].clientPort, 40_003);
  t.false(one.truncated);
});

test('the forwarder’s routes answer 404 where no forwarder runs', async (t) => {
  const app = await api(['speaker']);
  for (const path of ['/v1/flows', '/v1/backends', '/v1/counters']) {
    const response = await app.inject(path);
    t.is(response.statusCode, 404);
    t.is(response.json().error, 'role_absent');
  }
});

test('/v1/status counts, and leaves out zero drops', async (t) => {
  const status = (await (await api()).inject('/v1/status')).json();
  t.is(status.revision, 42);
  t.deepEqual(status.services, { ours: 3, withAddress: 2, refused: 1 });
  t.deepEqual(status.drops, { no_port: 7 });
  t.deepEqual(status.flows, { used: 17, limit: 1024 });
});

test('/v1/events filters by object', async (t) => {
  const app = await api();
  t.is((await app.inject('/v1/events')).json().items[0].object, 'Service shop/api');
  t.deepEqual((await app.inject('/v1/events?object=shop/web')).json().items, []);
});

test('/readyz answers 503 with the reason while a role is not ready', async (t) => {
  const view = fakeAdminView(['speaker']);
  const roles = [{ role: 'speaker' as const, ready: false, reason: 'no interface is up' }];
  const app = await buildApi({
    view: { ...view, roles: () => roles },
    metrics: createMetrics(),
    log: recordingLog(),
  });
  const response = await app.inject('/readyz');
  t.is(response.statusCode, 503);
  t.is(response.json().roles[0].reason, 'no interface is up');
  t.is((await (await api()).inject('/readyz')).statusCode, 200);
  t.is((await app.inject('/healthz')).body, 'ok');
});

test('/metrics tells of roles, pools, VIPs, backends and drops', async (t) => {
  const text = (await (await api()).inject('/metrics')).body;
  for (const line of [
    'tidegate_role_ready{role="speaker"} 1',
    'tidegate_snapshot_revision 42',
    'tidegate_problems{severity="error"} 1',
    'tidegate_services{state="without_address"} 1',
    'tidegate_services_refused{reason="AllocationFailed"} 1',
    'tidegate_pool_addresses{pool="public",state="available",family="IPv4"} 14',
    'tidegate_vip_announced{vip="192.0.2.1"} 1',
    'tidegate_vip_gratuitous_sent_total{vip="192.0.2.1"} 5',
    'tidegate_vip_backends{vip="192.0.2.1",state="usable"} 1',
    'tidegate_packets_total{result="drop_no_port"} 7',
    'tidegate_flows 17',
    'tidegate_server_bytes_total{service="shop/web",vip="192.0.2.1",protocol="TCP",port="80",direction="out"} 9000000',
    'tidegate_backend_active{service="shop/api",vip="192.0.2.2",protocol="TCP",port="443",backend="10.0.0.9 8443"} 0',
  ]) {
    t.true(text.includes(`${line}\n`), line);
  }
});

test('/metrics has only the families of the roles here', async (t) => {
  const text = (await (await api(['controller'])).inject('/metrics')).body;
  t.notRegex(text, /tidegate_(vip|packets|flows)/);
});

test('/openapi.json describes every route and every answer', async (t) => {
  const app = await api();
  const document = (await app.inject('/openapi.json')).json();
  t.is(document.openapi, '3.1.0');
  t.deepEqual(Object.keys(document.paths).sort(), [
    '/healthz',
    '/metrics',
    '/openapi.json',
    '/readyz',
    '/v1/backends',
    '/v1/bfd/sessions',
    '/v1/bgp/received',
    '/v1/bgp/routes',
    '/v1/bgp/sessions',
    '/v1/capture',
    '/v1/counters',
    '/v1/events',
    '/v1/flows',
    '/v1/pools',
    '/v1/services',
    '/v1/services/{namespace}/{name}',
    '/v1/status',
    '/v1/top',
    '/v1/trace',
    '/v1/trace/capture',
    '/v1/vips',
  ]);
  interface Operation {
    readonly summary: string;
    readonly responses: object;
  }
  for (const [path, item] of Object.entries<Record<string, Operation>>(document.paths)) {
    for (const operation of Object.values(item)) {
      t.truthy(operation.summary, path);
      t.true('200' in operation.responses, path);
    }
  }
  const parameters = document.paths['/v1/flows'].get.parameters;
  t.deepEqual(
    parameters.map(
      (parameter: { name: string; in: string }) => `${parameter.in} ${parameter.name}`,
    ),
    [
      'vip',
      'vipPort',
      'client',
      'backend',
      'backendPort',
      'protocol',
      'state',
      'idleMoreThan',
      'limit',
    ].map((name) => `query ${name}`),
  );
  const flows = document.paths['/v1/flows'].get.responses['200'].content['application/json'];
  t.is(flows.schema.properties.items.items.properties.natPort.type, 'integer');
});

for (const query of [
  'limit=-1',
  'limit=x',
  'state=open',
  'vipPort=0',
  'client=192.0.2.0/33',
  'limit=1e9',
  'limit=1&limit=2',
  'vip=192.0.2',
  'vip=192.0.2.1&vip=192.0.2.2',
  'vip=010.0.0.1',
  'client=::1%25eth0',
  'unknown=1',
  '__proto__=1',
  'backend=',
]) {
  test(`/v1/flows refuses "${query}"`, async (t) => {
    const response = await (await api()).inject(`/v1/flows?${query}`);
    t.is(response.statusCode, 400);
    t.truthy(response.json().message);
    t.truthy(response.json().remedy);
  });
}

test('no query string makes a route fail inside or answer without a body', async (t) => {
  const app = await api();
  const name = fc.constantFrom(
    'limit',
    'after',
    'vip',
    'object',
    'client',
    'a[b]',
    '__proto__',
    '',
  );
  const path = fc.constantFrom('/v1/services', '/v1/vips', '/v1/flows', '/v1/events', '/v1/status');
  const pairs = fc.array(fc.tuple(name, fc.string()), { maxLength: 4 });
  await fc.assert(
    fc.asyncProperty(path, pairs, fc.boolean(), async (target, list, isRaw) => {
      const query = list.map(
        ([key, value]) =>
          `${key}=${isRaw ? encodeURI(value.toWellFormed()) : encodeURIComponent(value.toWellFormed())}`,
      );
      const response = await app.inject(`${target}?${query.join('&')}`);
      t.true(response.statusCode === 200 || response.statusCode === 400);
      t.is(typeof response.json(), 'object');
    }),
    { numRuns: 300 },
  );
});

test('an unknown route, method or an oversized body is refused with a remedy', async (t) => {
  const app = await api();
  t.is((await app.inject('/nope')).json().error, 'no_route');
  t.is((await app.inject({ method: 'DELETE', url: '/v1/services' })).statusCode, 404);
  t.is((await app.inject(`/v1/services/a/${'b'.repeat(254)}`)).statusCode, 414);
  const big = { method: 'POST', url: '/v1/services', payload: 'x'.repeat(4096) } as const;
  t.true([404, 413, 415].includes((await app.inject(big)).statusCode));
});

test('a failure inside is not told to the client', async (t) => {
  const response = await (await api(ALL, undefined, true)).inject('/v1/services');
  t.is(response.statusCode, 500);
  t.notRegex(response.body, /secret detail/);
});

test('a guard with a token lets in only who shows it', async (t) => {
  const token = 'correct-horse-battery';
  const app = await api(ALL, { token });
  const ask = async (authorization?: string) =>
    (
      await app.inject({
        url: '/v1/status',
        headers: authorization === undefined ? {} : { authorization },
      })
    ).statusCode;
  t.is(await ask(), 401);
  t.is(await ask(token), 401);
  t.is(await ask('Bearer'), 401);
  t.is(await ask(`Bearer ${token}x`), 401);
  t.is(await ask(`Basic ${token}`), 401);
  t.is(await ask(`Bearer ${token}`), 200);
  t.is(await ask(`bearer ${token}`), 200);
  t.is((await app.inject('/healthz')).statusCode, 200);
  t.is((await app.inject('/openapi.json')).statusCode, 401);
});

test('a guard without token refuses requests by name, which a web page can lure here', async (t) => {
  const app = await api(ALL, { hostsOnly: true });
  const ask = async (host: string) =>
    (await app.inject({ url: '/v1/status', headers: { host } })).statusCode;
  t.is(await ask('evil.example:9640'), 403);
  t.is(await ask('127.0.0.1:9640'), 200);
  t.is(await ask('localhost:9640'), 200);
  t.is(await ask('[::1]:9640'), 200);
});
