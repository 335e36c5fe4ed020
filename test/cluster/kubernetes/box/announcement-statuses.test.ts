import test from 'ava';
import { BGP_FORM, L2_FORM } from '../../../../src/cluster/kubernetes/box/announcement-form.ts';
import {
  createAnnouncementStatuses,
  GONE_SETTLE_MS,
  RELIST_MS,
} from '../../../../src/cluster/kubernetes/box/announcement-statuses.ts';
import type { ApiRequest } from '../../../../src/cluster/kubernetes/transport/api-request.ts';
import { fakeClock } from '../../../support/fake-clock.ts';
import { recordingLog } from '../../../support/recording-log.ts';
import { fakeConnection, refuse, settled } from './fake-connection.ts';

// biome-ignore lint/suspicious/noExplicitAny: JSON as it was written
type Stored = any;

/** Keeps objects as the API server does: a status comes in a second request. */
function server() {
  const connection = fakeConnection();
  const objects = new Map<string, Stored>();
  let installed = true;
  let inFlight = 0;
  let most = 0;
  const handle = ({ method, path, body }: ApiRequest) => {
    if (!installed) refuse(404, 'NotFound');
    const [, name = ''] = /service(?:l2|bgp)statuses\/([^/]+)/.exec(path) ?? [];
    const known = objects.get(name);
    if (method === 'GET') return { metadata: {}, items: [...objects.values()] };
    if (method === 'POST') {
      const made = body as Stored;
      if (objects.has(made.metadata.name)) refuse(409, 'AlreadyExists');
      objects.set(made.metadata.name, made);
      return made;
    }
    if (!known) refuse(404, 'NotFound');
    if (method === 'DELETE') objects.delete(name);
    else objects.set(name, { ...known, status: (body as Stored).status });
    return {};
  };
  const answer = async (request: ApiRequest) => {
    inFlight += 1;
    most = Math.max(most, inFlight);
    await new Promise((resolve) => setImmediate(resolve));
    inFlight -= 1;
    return handle(request);
  };
  connection.answer = answer;
  return {
    connection,
    objects,
    handle,
    most: () => most,
    install: (is: boolean) => {
      installed = is;
    },
  };
}

function scene(api = server(), form = L2_FORM) {
  const clock = fakeClock();
  const log = recordingLog();
  const begun: string[] = [];
  const statuses = createAnnouncementStatuses({
    form,
    connection: api.connection,
    namespace: 'metallb-system',
    box: 'edge-1',
    owner: () => 'edge-uid',
    onBegin: (service) => begun.push(service),
    clock,
    log,
  });
  const want = async (...services: readonly string[]) => {
    statuses.want(new Map(services.map((key) => [key, ['eth0']])));
    await statuses.idle();
  };
  const writes = () => api.connection.asked.filter((text) => !text.startsWith('GET'));
  const stored = () =>
    [...api.objects.values()]
      .map(({ status }) => `${status?.serviceNamespace}/${status?.serviceName}`)
      .sort();
  return { ...api, clock, log, begun, statuses, want, writes, stored };
}

test('what is announced is written, what is not any more is removed', async (t) => {
  const { want, stored, begun, objects } = scene();
  await want('shop/a', 'shop/b');
  t.deepEqual(stored(), ['shop/a', 'shop/b']);
  const [object] = objects.values();
  t.like(object.metadata.labels, { 'metallb.io/node': 'edge-1' });
  t.is(object.metadata.ownerReferences[0].uid, 'edge-uid');
  await want('shop/b');
  t.deepEqual(stored(), ['shop/b']);
  await want('shop/a', 'shop/b');
  t.deepEqual(begun, ['shop/a', 'shop/b', 'shop/a']);
});

test('what is announced by BGP names peers, and is of a kind of its own', async (t) => {
  const { want, objects, writes } = scene(server(), BGP_FORM);
  await want('shop/a');
  const [object] = objects.values();
  t.is(object.kind, 'ServiceBGPStatus');
  t.regex(object.metadata.name, /^bgp-/);
  t.deepEqual(object.status.peers, ['eth0']);
  t.is(object.status.interfaces, undefined);
  t.true(writes().every((text) => text.includes('servicebgpstatuses')));
  await want();
  t.is(objects.size, 0);
});

test('a process that finds what an earlier one wrote writes nothing, and nothing is new', async (t) => {
  const api = server();
  await scene(api).want('shop/a', 'shop/b');
  const next = scene(api);
  const before = next.writes().length;
  await next.want('shop/a', 'shop/b');
  t.is(next.writes().length, before);
  t.deepEqual(next.begun, []);
});

test('an object whose status was never written gets it; a second one about a Service goes', async (t) => {
  const api = server();
  await scene(api).want('shop/a');
  const [[name, object] = []] = api.objects;
  const { status: _, ...unfinished } = object;
  api.objects.set(name ?? '', unfinished);
  api.objects.set('l2-zzz', { ...object, metadata: { ...object.metadata, name: 'l2-zzz' } });
  const next = scene(api);
  await next.want('shop/a');
  t.deepEqual(next.stored(), ['shop/a']);
  t.deepEqual([...api.objects.keys()], [name]);
});

test('what an earlier EdgeNode or a Pod of MetalLB owns is replaced, without being news', async (t) => {
  const api = server();
  await scene(api).want('shop/a');
  const [[name, object] = []] = api.objects;
  const ownerReferences = [{ apiVersion: 'v1', kind: 'Pod', name: 'speaker-x', uid: 'pod-uid' }];
  api.objects.delete(name ?? '');
  api.objects.set('l2-abcde', {
    ...object,
    metadata: { ...object.metadata, name: 'l2-abcde', ownerReferences },
  });
  const next = scene(api);
  await next.want('shop/a');
  t.deepEqual([...api.objects.keys()], [name]);
  t.deepEqual(next.stored(), ['shop/a']);
  t.deepEqual(next.begun, []);
});

test('a write whose answer was lost is not done twice', async (t) => {
  const api = server();
  const { connection, handle } = api;
  const { answer } = connection;
  connection.answer = (request) => {
    const given = handle(request);
    if (request.method === 'POST') refuse(0, 'Timeout');
    return given;
  };
  const { want, clock, statuses, stored, log } = scene(api);
  await want('shop/a');
  t.is(log.lines.at(-1)?.level, 'warn');
  connection.answer = answer;
  clock.advance(30_000);
  await settled();
  await statuses.idle();
  t.deepEqual(stored(), ['shop/a']);
  t.is(api.objects.size, 1);
});

test('failures are tried again after a pause; what changes meanwhile waits, too', async (t) => {
  const api = server();
  const { answer } = api.connection;
  api.connection.answer = () => refuse(503, 'ServiceUnavailable', 5000);
  const { want, clock, statuses, stored, connection } = scene(api);
  await want('shop/a');
  await want('shop/b');
  t.is(connection.asked.length, 1);
  connection.answer = answer;
  clock.advance(5000);
  await settled();
  await statuses.idle();
  t.deepEqual(stored(), ['shop/b']);
});

test('where the kind is not installed nothing is said, and it is looked for later', async (t) => {
  const api = server();
  api.install(false);
  const { want, log, begun, stored, clock, writes } = scene(api);
  await want('shop/a');
  await want('shop/a', 'shop/b');
  t.deepEqual(log.lines, []);
  t.deepEqual(writes(), []);
  t.deepEqual(begun, ['shop/b'], 'what was announced from the start is no news');
  api.install(true);
  clock.advance(RELIST_MS);
  await want('shop/a', 'shop/b');
  t.deepEqual(stored(), ['shop/a', 'shop/b']);
});

test('an object that somebody deleted is made again when its Service changes', async (t) => {
  const { want, objects, statuses, stored } = scene();
  await want('shop/a');
  objects.clear();
  statuses.want(new Map([['shop/a', ['eth0', 'eth1']]]));
  await statuses.idle();
  t.deepEqual(stored(), ['shop/a']);
});

test('objects that others removed are made again, all at once a moment later', async (t) => {
  const { want, objects, statuses, stored, clock, connection, begun } = scene();
  await want('shop/a', 'shop/b', 'shop/c');
  for (const name of [...objects.keys()].slice(1)) objects.delete(name);
  statuses.gone('shop/b');
  statuses.gone('shop/c');
  const before = connection.asked.length;
  clock.advance(GONE_SETTLE_MS);
  await settled();
  await statuses.idle();
  t.deepEqual(stored(), ['shop/a', 'shop/b', 'shop/c']);
  t.is(connection.asked.slice(before).filter((text) => text.startsWith('GET')).length, 1);
  t.is(begun.length, 3, 'it is no news');
});

test('an object that the box itself removed is not missed', async (t) => {
  const { want, statuses, clock, connection } = scene();
  await want('shop/a', 'shop/b');
  await want('shop/a');
  const before = connection.asked.length;
  statuses.gone('shop/b');
  clock.advance(GONE_SETTLE_MS);
  await settled();
  t.is(connection.asked.length, before);
});

test('a thousand are written some at a time', async (t) => {
  const { want, objects, most } = scene();
  await want(...Array.from({ length: 1000 }, (_, i) => `shop/s${i}`));
  t.is(objects.size, 1000);
  t.is(most(), 8);
});
