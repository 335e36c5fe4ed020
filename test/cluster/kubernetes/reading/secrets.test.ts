import test from 'ava';
import type { ClusterObject } from '../../../../src/cluster/decode/cluster-object.ts';
import { createSecrets, MAX_SECRETS } from '../../../../src/cluster/kubernetes/reading/secrets.ts';
import { ApiError } from '../../../../src/cluster/kubernetes/transport/api-error.ts';
import type { ApiRequest } from '../../../../src/cluster/kubernetes/transport/api-request.ts';
import { createStore } from '../../../../src/cluster/store.ts';
import { bgpPeer } from '../../../support/bgp-objects.ts';
import { fakeClock } from '../../../support/fake-clock.ts';
import { recordingLog } from '../../../support/recording-log.ts';
import { settled } from '../box/fake-connection.ts';

function peer(name: string, secret: string | undefined, bfdPasswordSecret?: string): ClusterObject {
  const password =
    secret === undefined
      ? ({ kind: 'none' } as const)
      : ({ kind: 'secret', name: secret } as const);
  return { kind: 'BGPPeer', value: bgpPeer(name, '192.0.2.1', { password, bfdPasswordSecret }) };
}

/** A server that has a Secret of each name, but refuses those that the test says. */
function scene(...refused: readonly string[]) {
  const clock = fakeClock();
  const store = createStore();
  const watched = new Set<string>();

  async function* answer(request: ApiRequest): AsyncGenerator<Uint8Array> {
    const name = (request.query?.['fieldSelector'] ?? '').replace('metadata.name=', '');
    if (request.query?.['watch'] === undefined) {
      const data = { password: Buffer.from(`password of ${name}`).toString('base64') };
      const place = { name, namespace: 'metallb-system', uid: `u-${name}`, resourceVersion: '7' };
      const metadata = { resourceVersion: '9' };
      const items = [{ metadata: place, type: 'kubernetes.io/basic-auth', data }];
      yield Buffer.from(JSON.stringify({ kind: 'SecretList', apiVersion: 'v1', metadata, items }));
      return;
    }
    watched.add(name);
    await new Promise((resolve) => request.signal?.addEventListener('abort', resolve));
    watched.delete(name);
    throw request.signal?.reason;
  }

  const secrets = createSecrets({
    ...{ namespace: 'metallb-system', store, clock, idleTimeoutMs: 60_000, log: recordingLog() },
    connection: {
      request: () => Promise.reject(new Error('Not asked for')),
      async stream(request) {
        const name = request.query?.['fieldSelector'] ?? '';
        if (refused.some((one) => name.endsWith(`=${one}`)))
          throw new ApiError('Not allowed', { status: 403, reason: 'Forbidden' });
        return answer(request);
      },
      server: 'https://10.0.0.1:6443',
      close: async () => undefined,
    },
    breathe: () => undefined,
    confirm: async () => undefined,
    onRestored: () => undefined,
    join: () => () => undefined,
    onState: () => undefined,
    random: () => 0.5,
  });
  const known = () => [...store.publish().secrets.keys()].map((key) => key.split('/')[1]).sort();
  return { secrets, store, watched, known };
}

test('createSecrets() reads what peers refer to, by name, as long as any does', async (t) => {
  const { secrets, known, watched } = scene();
  const [one, two] = [peer('one', 'a', 'b'), peer('two', 'a')];
  t.true(secrets.isSettled());
  t.is(secrets.state(), undefined);
  secrets.note(undefined, one);
  secrets.note(undefined, two);
  t.false(secrets.isSettled());
  await settled();
  t.true(secrets.isSettled());
  t.deepEqual(known(), ['a', 'b']);
  t.deepEqual([...watched].sort(), ['a', 'b']);
  t.like(secrets.state(), { kind: 'Secret', objects: 2, synced: true });
  secrets.note(one, peer('one', undefined));
  await settled();
  t.deepEqual(known(), ['a']);
  t.deepEqual([...watched], ['a']);
  secrets.note(two, undefined);
  await settled();
  t.deepEqual(known(), []);
  t.is(watched.size, 0);
  await secrets.stop();
});

test('createSecrets() says of one that it may not read what to do, and reads the others', async (t) => {
  const { secrets, store, known } = scene('hidden');
  const one = peer('one', 'hidden');
  secrets.note(undefined, one);
  secrets.note(undefined, peer('two', 'a'));
  await settled();
  t.true(secrets.isSettled());
  t.deepEqual(known(), ['a']);
  t.deepEqual(secrets.troubles(), []);
  const [problem, ...more] = store.current().problems;
  t.deepEqual(more, []);
  t.like(problem, { severity: 'error', object: { kind: 'Secret', key: 'metallb-system/hidden' } });
  t.is(
    problem?.remedy,
    'Add hidden to resourceNames of the Role tidegate-speaker-secrets in metallb-system',
  );
  secrets.note(one, undefined);
  t.deepEqual(store.publish().problems, []);
  await secrets.stop();
});

test('createSecrets() reads no more than its limit, and says which it does not', async (t) => {
  const { secrets, store, watched } = scene();
  const peers = Array.from({ length: MAX_SECRETS + 2 }, (_, i) => peer(`p${i}`, `s${i}`));
  for (const each of peers) secrets.note(undefined, each);
  await settled();
  t.is(watched.size, MAX_SECRETS);
  const last = `s${MAX_SECRETS}, s${MAX_SECRETS + 1}`;
  t.true(store.publish().problems[0]?.message.endsWith(`not read: ${last}`));
  secrets.note(peers[0], undefined);
  secrets.note(peers[1], undefined);
  await settled();
  t.is(watched.size, MAX_SECRETS);
  t.deepEqual(store.publish().problems, []);
  await secrets.stop();
});
