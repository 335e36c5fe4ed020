import test from 'ava';
import { startHeartbeat } from '../../../../src/cluster/kubernetes/box/heartbeat.ts';
import { fakeClock } from '../../../support/fake-clock.ts';
import { recordingLog } from '../../../support/recording-log.ts';
import { fakeConnection, refuse, settled } from './fake-connection.ts';

const lease = (version: number, holder = 'me') => ({
  metadata: { name: 'edgenode-edge-1', uid: 'u', resourceVersion: `${version}` },
  spec: { holderIdentity: holder },
});

function scene() {
  const connection = fakeConnection();
  const clock = fakeClock();
  const log = recordingLog();
  let version = 1;
  connection.answer = () => lease(version++);
  const begin = () =>
    startHeartbeat({
      connection,
      namespace: 'tidegate-system',
      box: 'edge-1',
      identity: 'me',
      owner: () => 'edge-uid',
      intervalMs: 2000,
      lifetimeMs: 10_000,
      clock,
      log,
    });
  return { connection, clock, log, begin };
}

test('a heartbeat is one small request an interval, each on what the last one left', async (t) => {
  const { connection, clock, begin } = scene();
  begin();
  await settled();
  for (let i = 0; i < 2; i++) {
    clock.advance(2000);
    await settled();
  }
  t.deepEqual(connection.asked, [
    'GET leases/edgenode-edge-1',
    'PATCH leases/edgenode-edge-1',
    'PATCH leases/edgenode-edge-1',
    'PATCH leases/edgenode-edge-1',
  ]);
  const versions = connection.requests.map(
    ({ body }) => (body as ReturnType<typeof lease> | undefined)?.metadata.resourceVersion,
  );
  t.deepEqual(versions, [undefined, '1', '2', '3']);
});

test('a slow server gets no second request before the first is answered', async (t) => {
  const { connection, clock, begin } = scene();
  let answer = () => {};
  connection.answer = () =>
    new Promise((resolve) => {
      answer = () => resolve(lease(1));
    });
  begin();
  clock.advance(60_000);
  await settled();
  t.is(connection.asked.length, 1);
  answer();
  await settled();
  t.is(connection.asked.length, 2, 'the beat that was under way goes on');
});

test('a beat that fails is tried again at the next interval, or when the server says', async (t) => {
  const { connection, clock, log, begin } = scene();
  connection.answer = () => refuse(429, 'TooManyRequests', 3000);
  begin();
  await settled();
  clock.advance(2999);
  await settled();
  t.is(connection.asked.length, 1);
  connection.answer = () => refuse(500, 'InternalError');
  clock.advance(1);
  await settled();
  clock.advance(2000);
  await settled();
  t.is(connection.asked.length, 3);
  t.is(log.lines.length, 1, 'told once a minute');
});

test('a server that wants to be left alone for long is asked before this box counts as dead', async (t) => {
  const { connection, clock, begin } = scene();
  connection.answer = () => refuse(503, 'ServiceUnavailable', 60_000);
  begin();
  await settled();
  clock.advance(5000);
  await settled();
  t.is(connection.asked.length, 2);
});

test('a Lease that was deleted is made again, and an edit is taken as it is', async (t) => {
  const { connection, clock, log, begin } = scene();
  begin();
  await settled();
  connection.answer = ({ method }) => (method === 'POST' ? lease(9) : refuse(404, 'NotFound'));
  clock.advance(2000);
  await settled();
  clock.advance(2000);
  await settled();
  t.deepEqual(connection.asked.slice(-3), [
    'PATCH leases/edgenode-edge-1',
    'GET leases/edgenode-edge-1',
    'POST leases',
  ]);
  connection.answer = ({ method }) => (method === 'GET' ? lease(20) : refuse(409, 'Conflict'));
  clock.advance(60_000);
  await settled();
  t.deepEqual(
    log.lines.filter(({ level, message }) => level === 'error' && /this box$/.test(message)),
    [],
  );
});

test('another process that holds the Lease is told of, and the Lease is taken back', async (t) => {
  const { connection, clock, log, begin } = scene();
  begin();
  await settled();
  connection.answer = ({ method }) =>
    method === 'GET' ? lease(20, 'other') : refuse(409, 'Conflict');
  clock.advance(2000);
  await settled();
  t.like(log.lines.at(-1), { level: 'error', message: 'Another process says that it is this box' });
  connection.answer = () => lease(21);
  clock.advance(2000);
  await settled();
  t.deepEqual(connection.asked.slice(-2), [
    'GET leases/edgenode-edge-1',
    'PATCH leases/edgenode-edge-1',
  ]);
});

test('stop() gives the Lease back, once', async (t) => {
  const { connection, clock, begin } = scene();
  const heartbeat = begin();
  await settled();
  await heartbeat.stop(1000);
  const { body } = connection.requests.at(-1) ?? {};
  t.is((body as ReturnType<typeof lease>).spec.holderIdentity, '');
  const count = connection.asked.length;
  clock.advance(60_000);
  await settled();
  t.is(connection.asked.length, count);
});
