import test from 'ava';
import { buildApi } from '../../../src/admin/build.ts';
import type { AdminView } from '../../../src/admin/view.ts';
import type { RoleName } from '../../../src/domain/role.ts';
import { createMetrics } from '../../../src/telemetry/metrics.ts';
import { fakeAdminView } from '../../support/fake-admin-view.ts';
import { recordingLog } from '../../support/recording-log.ts';

async function get(
  url: string,
  roles: readonly RoleName[] = ['speaker'],
  view: AdminView = fakeAdminView(roles),
) {
  const app = await buildApi({ view, metrics: createMetrics(), log: recordingLog() });
  const answer = await app.inject(url);
  return { status: answer.statusCode, body: answer.json() };
}

test('/v1/bgp/sessions tells how each session stands, and no password', async (t) => {
  const { status, body } = await get('/v1/bgp/sessions');
  t.is(status, 200);
  t.like(body.items[0], {
    peer: 'metallb-system/tor-a',
    state: 'Established',
    since: '2026-01-02T03:04:05.000Z',
    remoteAddress: '192.0.2.254',
    localRouterId: '192.0.2.11',
    peerAsn: 64501,
    capabilities: ['IPv4 unicast', 'route refresh', '4-octet AS'],
    lastError: {},
    prefixes: { announced: 1, pending: 1, received: 2, receivedMore: true },
  });
  t.is(body.items[0].bfd.detectionTimeMs, 150);
  t.is(body.items[1].peerAsn, 'external');
  t.false('localAddress' in body.items[1]);
  t.is(body.items[1].lastError.transport.text, 'Connection refused');
});

test('/v1/bgp/routes tells of each prefix who was told what, and who is to be', async (t) => {
  const { body } = await get('/v1/bgp/routes');
  t.deepEqual(
    body.items.map(({ prefix }: { prefix: string }) => prefix),
    ['192.0.2.1/32', '192.0.2.3/32', '192.0.2.9/32'],
  );
  t.deepEqual(body.items[0].peers, [
    {
      peer: 'metallb-system/tor-a',
      wanted: true,
      told: true,
      path: {
        origin: 'igp',
        asPath: '64500 64500',
        nextHops: ['192.0.2.11'],
        med: 10,
        communities: ['65535:65281', '64500:1', 'large:64500:1:2'],
      },
    },
    { peer: 'metallb-system/tor-b', wanted: true, told: false },
  ]);
  t.like(body.items[1].peers[0], { wanted: true, told: false });
  t.like(body.items[2].peers, [{ wanted: false, told: true }]);
  const one = await get('/v1/bgp/routes?peer=tor-b');
  t.is(one.body.items.length, 2);
});

test('/v1/bgp/routes wants nothing any more where a box has withdrawn what is planned', async (t) => {
  const view = fakeAdminView(['speaker']);
  const { announcing } = view;
  if (!announcing) return t.fail();
  const left = { ...announcing, bgp: { ...announcing.bgp, hasLeft: () => true } };
  const { body } = await get('/v1/bgp/routes', ['speaker'], { ...view, announcing: left });
  const peers = body.items.flatMap((each: { peers: object[] }) => each.peers);
  t.true(peers.length > 0);
  t.true(peers.every(({ wanted }: { wanted: boolean }) => !wanted));
});

test('/v1/bgp/received tells what peers announce, in pages', async (t) => {
  const { body } = await get('/v1/bgp/received');
  t.deepEqual(
    body.items.map(({ path }: { path: object }) => path),
    [
      {
        origin: 'igp',
        asPath: '64501 3320 {1,2}',
        nextHops: ['192.0.2.254'],
        communities: [],
      },
      {
        origin: 'igp',
        asPath: '64501 3320 {1,2}',
        nextHops: ['2001:db8::fe', 'fe80::1'],
        communities: [],
      },
    ],
  );
  const first = await get('/v1/bgp/received?limit=1');
  t.is(first.body.next, 'metallb-system/tor-a 0.0.0.0/0');
  const after = encodeURIComponent(first.body.next);
  const second = await get(`/v1/bgp/received?limit=1&after=${after}`);
  t.deepEqual(second.body.items, [body.items[1]]);
  t.false('next' in second.body);
});

test('/v1/bgp/routes is read in pages that neither repeat nor lose a prefix', async (t) => {
  const prefixes: string[] = [];
  let after = '';
  for (let page = 0; page < 5; page++) {
    const { body } = await get(`/v1/bgp/routes?limit=1${after}`);
    for (const { prefix } of body.items) prefixes.push(prefix);
    if (!body.next) break;
    after = `&after=${encodeURIComponent(body.next)}`;
  }
  t.deepEqual(prefixes, ['192.0.2.1/32', '192.0.2.3/32', '192.0.2.9/32']);
  t.is((await get('/v1/bgp/routes?after=nonsense')).body.items.length, 3);
});

test('/v1/bfd/sessions tells how each path stands', async (t) => {
  const { body } = await get('/v1/bfd/sessions');
  t.like(body.items, [{ peer: 'metallb-system/tor-a', state: 'Up', transmitIntervalMs: 50 }]);
  t.false('interface' in body.items[0]);
  t.deepEqual(body.drops, { ttl: 2, length: 0 });
});

test('the routes of BGP refuse a peer that is not there, and processes without speaker', async (t) => {
  for (const path of ['bgp/sessions', 'bgp/routes', 'bgp/received', 'bfd/sessions']) {
    const unknown = await get(`/v1/${path}?peer=tor-c`);
    t.is(unknown.status, 400);
    t.is(unknown.body.error, 'no_peer');
    t.is(unknown.body.remedy, 'There are tor-a, tor-b');
    t.is((await get(`/v1/${path}`, ['forwarder'])).body.error, 'role_absent');
  }
});

test('/v1/vips tells by which peers and prefixes an address is announced, and why by none', async (t) => {
  const { body } = await get('/v1/vips');
  t.deepEqual(
    body.items.map(({ announcement }: { announcement: object }) => announcement),
    [
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
      {
        address: '192.0.2.2',
        announced: false,
        interfaces: [],
        peers: [],
        reason: 'noEndpoints',
        since: '2026-01-02T03:04:05.000Z',
        owner: 'edge-1',
        advertisements: ['metallb-system/lan', 'metallb-system/routers'],
        bgp: { peers: [], prefixes: [], reason: 'noEndpoints' },
      },
    ],
  );
});

test('/v1/status counts sessions', async (t) => {
  t.deepEqual((await get('/v1/status')).body.bgp, { sessions: 2, established: 1 });
});
