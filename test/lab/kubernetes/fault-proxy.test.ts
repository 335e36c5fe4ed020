import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { request as send } from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { type ApiAnswer, createApiClient } from '../../../lab/kubernetes/api-client.ts';
import { startControlPlane } from '../../../lab/kubernetes/control-plane.ts';
import { startFaultProxy } from '../../../lab/kubernetes/fault-proxy.ts';
import {
  answer,
  answerLost,
  cutAfter,
  delayed,
  dropEvents,
  halfLine,
  hang,
  loginPage,
  noise,
  otherKind,
  refusal,
  refuse,
  toServer,
} from '../../../lab/kubernetes/faults.ts';

const QUIET_MS = 150;
const MAPS = '/api/v1/namespaces/default/configmaps';

const plane = await startControlPlane();
const proxy = await startFaultProxy(plane);
const { ca, adminToken: token } = plane;
const client = createApiClient({ url: proxy.url, ca, token });

test.afterEach(() => {
  proxy.clear();
  proxy.thaw();
});

test.after.always(async () => {
  client.close();
  await proxy.stop();
  await plane.stop();
});

function addMap(name: string): Promise<ApiAnswer> {
  return plane.request('POST', MAPS, { metadata: { name } });
}

/** Opens a watch through the proxy, and collects what comes. */
async function openWatch(name: string) {
  const { resourceVersion } = (await plane.must('GET', MAPS)).metadata;
  const path = `${MAPS}?watch=1&resourceVersion=${resourceVersion}&fieldSelector=metadata.name=${name}`;
  const headers = { authorization: `Bearer ${token}` };
  const sent = send(`${proxy.url}${path}`, { ca, headers, agent: false });
  sent.on('error', () => {});
  sent.end();
  const [incoming] = (await once(sent, 'response')) as [IncomingMessage];
  let text = '';
  incoming.setEncoding('utf8').on('data', (piece: string) => {
    text += piece;
  });
  const ended = new Promise<string>((resolve) => {
    incoming.once('end', () => resolve('end'));
    incoming.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? ''));
  });
  const until = async (pattern: RegExp) => {
    for (let waited = 0; !pattern.test(text); waited += 5) {
      if (waited > 5000) throw new Error(`No ${pattern} in: ${text}`);
      await sleep(5);
    }
  };
  return { text: () => text, until, ended, close: () => sent.destroy() };
}

test.serial('what no rule is for passes with the identity of the client', async (t) => {
  const [given] = await client.apply({
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata: { name: 'nobody', namespace: 'default' },
  });
  t.is(given.metadata.name, 'nobody');
  const nobody = createApiClient({
    url: proxy.url,
    ca,
    token: await plane.tokenFor('default', 'nobody'),
  });
  t.teardown(nobody.close);
  const refused = await nobody.request('GET', MAPS);
  t.is(refused.status, 403);
  t.regex(refused.body.message, /system:serviceaccount:default:nobody/);
  t.is(proxy.seen(/^GET .*configmaps$/).length, 1);
});

test.serial('kubeconfigs lead kubectl through the proxy', async (t) => {
  const before = proxy.seen(/configmaps/).length;
  await plane.kubectl(['--kubeconfig', proxy.kubeconfig, 'get', 'configmaps']);
  t.true(proxy.seen(/configmaps/).length > before);
});

test.serial('answer(), refusal() and garbage stand in for the server', async (t) => {
  const cases = [
    [answer(500, 'oops'), 500, 'oops'],
    [refusal(429, 'TooManyRequests', { 'retry-after': '1' }), 429, /"code":429/],
    [loginPage, 200, /<title>/],
    [noise, 200, /./s],
    [otherKind, 200, /PodTemplateList/],
  ] as const;
  for (const [behaviour, status, body] of cases) {
    const takeBack = proxy.rule(/configmaps/, behaviour);
    const answered = await client.request('GET', MAPS);
    takeBack();
    t.is(answered.status, status);
    const text = typeof answered.body === 'string' ? answered.body : JSON.stringify(answered.body);
    if (typeof body === 'string') t.is(text, body);
    else t.regex(text, body);
  }
  t.is((await client.request('GET', MAPS)).body.kind, 'ConfigMapList');
});

test.serial('rules count by path, the last first, until they are taken back', async (t) => {
  proxy.rule(/configmaps/, answer(500));
  const takeBack = proxy.rule(/^POST /, answer(403));
  t.is((await client.request('POST', MAPS, {})).status, 403);
  t.is((await client.request('GET', MAPS)).status, 500);
  t.is((await client.request('GET', '/api/v1/services')).status, 200);
  takeBack();
  t.is((await client.request('POST', MAPS, {})).status, 500);
});

test.serial('hang() never answers; refuse() and cutAfter() break the connection', async (t) => {
  const takeBack = proxy.rule(/configmaps/, hang);
  const hanging = client.request('GET', MAPS).catch((error) => error.code);
  t.is(await Promise.race([hanging, sleep(QUIET_MS, 'nothing')]), 'nothing');
  takeBack();
  await proxy.down();
  t.is(await hanging, 'ECONNRESET');
  await t.throwsAsync(client.request('GET', MAPS), { code: 'ECONNREFUSED' });
  await proxy.up();
  proxy.rule(/configmaps/, refuse);
  await t.throwsAsync(client.request('GET', MAPS), { code: 'ECONNRESET' });
  proxy.rule(/configmaps/, cutAfter(10));
  await t.throwsAsync(client.request('GET', MAPS), { code: 'ECONNRESET' });
});

test.serial('delayed() and toServer() change when and who', async (t) => {
  const snapshot = await plane.snapshotEtcd();
  await addMap('later');
  const older = await plane.secondApiServer(snapshot);
  t.teardown(older.stop);
  proxy.rule(/configmaps/, delayed(QUIET_MS, toServer(older.url)));
  const start = performance.now();
  t.is((await client.request('GET', `${MAPS}/later`)).status, 404);
  t.true(performance.now() - start >= QUIET_MS - 1);
  proxy.clear();
  t.is((await client.request('GET', `${MAPS}/later`)).status, 200);
});

test.serial('answerLost() lets the server do what the client never hears of', async (t) => {
  proxy.rule(/^POST /, answerLost);
  const lost = client.request('POST', MAPS, { metadata: { name: 'done-unheard' } });
  await t.throwsAsync(lost, { code: 'ECONNRESET' });
  t.is((await plane.request('GET', `${MAPS}/done-unheard`)).status, 200);
});

test.serial('freeze() holds a watch without ending it, and thaw() loses nothing', async (t) => {
  const watch = await openWatch('frozen');
  t.teardown(watch.close);
  t.is(proxy.open(/watch=1/).length, 1);
  proxy.freeze(/watch=1/);
  await addMap('frozen');
  t.is(await Promise.race([watch.ended, sleep(QUIET_MS, 'still open')]), 'still open');
  t.is(watch.text(), '');
  proxy.thaw();
  await watch.until(/ADDED.*frozen/);
  proxy.reset(/watch=1/);
  t.is(await watch.ended, 'ECONNRESET');
  while (proxy.open(/watch=1/).length > 0) await sleep(1);
});

test.serial('dropEvents() loses one event of a watch, and keeps the next', async (t) => {
  proxy.rule(
    /watch=1/,
    dropEvents(({ type }) => type === 'ADDED'),
  );
  const watch = await openWatch('dropped');
  t.teardown(watch.close);
  await addMap('dropped');
  await plane.must('DELETE', `${MAPS}/dropped`);
  await watch.until(/DELETED.*\n/);
  t.notRegex(watch.text(), /ADDED/);
});

test.serial('halfLine() ends a watch in the middle of an event', async (t) => {
  proxy.rule(/watch=1/, halfLine);
  const watch = await openWatch('half');
  t.teardown(watch.close);
  await addMap('half');
  t.is(await watch.ended, 'end');
  t.regex(watch.text(), /^\{"type":"ADDED"[^\n]+$/);
  t.throws(() => JSON.parse(watch.text()), { instanceOf: SyntaxError });
});
