import test from 'ava';
import { createClusterIdentity } from '../../../../src/cluster/kubernetes/reading/identity.ts';
import { ApiError } from '../../../../src/cluster/kubernetes/transport/api-error.ts';

function world() {
  const known: string[] = [];
  const w = { answer: namespace('u-1') as unknown, requests: 0, known };
  const connection = {
    server: 'https://10.0.0.1:6443',
    async request() {
      w.requests += 1;
      if (w.answer instanceof Error) throw w.answer;
      return w.answer;
    },
  };
  return { w, identity: createClusterIdentity(connection, (uid) => known.push(uid)) };
}

function namespace(uid: string) {
  return { metadata: { name: 'kube-system', uid, resourceVersion: '1' } };
}

test('confirm() resolves while the cluster is the one that was seen first', async (t) => {
  const { w, identity } = world();
  await identity.confirm();
  await identity.confirm();
  t.deepEqual(w.known, ['u-1']);
  t.is(w.requests, 2);
});

test('confirm() rejects when another cluster answers, and says what to do', async (t) => {
  const { w, identity } = world();
  await identity.confirm();
  w.answer = namespace('u-2');
  const error = await t.throwsAsync(identity.confirm(), { instanceOf: ApiError });
  t.is(error.reason, 'OtherCluster');
  t.regex(error.message, /another cluster .*u-2.*u-1.*restart/);
  w.answer = namespace('u-1');
  await identity.confirm();
  t.deepEqual(w.known, ['u-1']);
});

test('confirm() rejects when nobody answers, or without a uid; nothing is known then', async (t) => {
  const { w, identity } = world();
  w.answer = new ApiError('away', { status: 0, reason: 'ConnectionRefused' });
  await t.throwsAsync(identity.confirm(), { message: 'away' });
  w.answer = { metadata: { name: 'kube-system' } };
  await t.throwsAsync(identity.confirm(), { instanceOf: ApiError });
  t.deepEqual(w.known, []);
});

test('several who ask at once ask once', async (t) => {
  const { w, identity } = world();
  await Promise.all([identity.confirm(), identity.confirm(), identity.confirm()]);
  t.is(w.requests, 1);
});
