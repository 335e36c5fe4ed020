import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { inspect } from 'node:util';
import test from 'ava';
import type { Snapshot } from '../../src/domain/snapshot.ts';
import { isRead, type SourceWorld, settle, startSourceWorld } from './source-world.ts';

/** The right to read passwords is given name by name; what is wrong with one disturbs nothing else. */
const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const SECRETS = '/api/v1/namespaces/metallb-system/secrets';
const PEERS = '/apis/metallb.io/v1beta2/namespaces/metallb-system/bgppeers';
const PASSWORD = 'correct horse';

let world: SourceWorld;

test.before(async () => {
  world = await startSourceWorld();
  const { plane } = world;
  await plane.kubectl(['apply', '--server-side', '-k', `${ROOT}config/deploy/metallb-kinds`]);
  await plane.kubectl(['apply', '--server-side', '-k', `${ROOT}config/deploy/overlays/edge-boxes`]);
  for (const name of ['tidegate-bgp-password', 'hidden']) await makeSecret(name, PASSWORD);
});

test.after.always(() => world?.stop());

async function makeSecret(name: string, password: string) {
  const metadata = { name, namespace: 'metallb-system' };
  const type = 'kubernetes.io/basic-auth';
  await world.plane.apply({
    ...{ apiVersion: 'v1', kind: 'Secret', metadata, type },
    stringData: { password },
  });
}

async function makePeer(name: string, spec: object) {
  const metadata = { name, namespace: 'metallb-system' };
  await world.plane.apply({
    ...{ apiVersion: 'metallb.io/v1beta2', kind: 'BGPPeer', metadata },
    spec: { myASN: 64_500, peerASN: 64_501, peerAddress: '192.0.2.254', ...spec },
  });
}

function secretsOf({ secrets }: Snapshot): Record<string, string> {
  return Object.fromEntries(
    [...secrets.values()].map(({ name, value }) => [
      name,
      Buffer.from(value('password') ?? []).toString(),
    ]),
  );
}

test.serial(
  'a speaker has the Secrets that peers refer to, as far as it may read them',
  async (t) => {
    const { plane } = world;
    await makePeer('one', { passwordSecret: { name: 'tidegate-bgp-password' } });
    await makePeer('two', { passwordSecret: { name: 'hidden' } });
    const serviceAccount = { namespace: 'tidegate-system', name: 'tidegate-speaker' };
    const kubeconfig = await world.proxy.kubeconfigFor({ serviceAccount });
    const memoryFile = `${plane.folder}/speaker-memory`;
    const { source, until, log } = await world.open(t, {
      roles: ['speaker'],
      kubeconfig,
      memoryFile,
    });
    const first = await until(isRead);
    t.deepEqual(secretsOf(first), { 'tidegate-bgp-password': PASSWORD }, 'from the beginning');
    const [problem, ...others] = first.problems;
    t.deepEqual(others, []);
    t.deepEqual(problem?.object, { kind: 'Secret', key: 'metallb-system/hidden' });
    t.regex(problem?.message ?? '', /BGPPeer metallb-system\/two needs it/);
    t.regex(
      problem?.remedy ?? '',
      /Add hidden to resourceNames of the Role tidegate-speaker-secrets/,
    );
    // The API server is all right, once it has made room for kinds that were defined a moment ago.
    await settle(() => source.state().problems.length === 0, log);

    // Given the right, it reads.
    const path = '/apis/rbac.authorization.k8s.io/v1/namespaces/metallb-system/roles';
    const add = [{ op: 'add', path: '/rules/0/resourceNames/-', value: 'hidden' }];
    const role = `${path}/tidegate-speaker-secrets`;
    await plane.must('PATCH', role, add, 'application/json-patch+json');
    const both = await until((now) => now.secrets.size === 2 && now.problems.length === 0 && now);
    t.deepEqual(secretsOf(both), { 'tidegate-bgp-password': PASSWORD, hidden: PASSWORD });

    // A change comes through; what nobody refers to goes.
    await makeSecret('tidegate-bgp-password', 'new');
    await until((now) => secretsOf(now)['tidegate-bgp-password'] === 'new');
    await plane.must('DELETE', `${PEERS}/two`);
    await until((now) => now.secrets.size === 1);
    await plane.must('DELETE', `${SECRETS}/tidegate-bgp-password`);
    await until((now) => now.secrets.size === 0);
    t.is(source.state().kinds.find(({ kind }) => kind === 'Secret')?.objects, 0);
    await makeSecret('tidegate-bgp-password', PASSWORD);
    await until((now) => now.secrets.size === 1);

    await source.stop();
    t.notRegex(inspect(log.lines, { depth: null }), new RegExp(PASSWORD));
    t.notRegex(inspect(first, { depth: null }), new RegExp(PASSWORD));
  },
);

test.serial('with the rights of a version without BGP all else goes on', async (t) => {
  const { plane, proxy } = world;
  const role =
    '/apis/rbac.authorization.k8s.io/v1/namespaces/metallb-system/roles/tidegate-speaker';
  const { rules } = await plane.must('GET', role);
  const isOld = (resource: string) => !/bgp|bfd|communit/.test(resource);
  const setRules = (all: readonly object[]) =>
    plane.must('PATCH', role, { rules: all }, 'application/merge-patch+json');
  t.teardown(() => setRules(rules));
  await setRules(
    rules.map((rule: { resources: string[] }) => ({
      ...rule,
      resources: rule.resources.filter(isOld),
    })),
  );
  const serviceAccount = { namespace: 'tidegate-system', name: 'tidegate-speaker' };
  const kubeconfig = await proxy.kubeconfigFor({ serviceAccount });
  const { source, until } = await world.open(t, { roles: ['speaker'], kubeconfig });
  const snapshot = await until(isRead);
  t.true(snapshot.services.has('default/web'));
  t.is(snapshot.bgpPeers.size, 0);
  const told = source.state().problems.map(({ message }) => message.split(' cannot')[0]);
  t.deepEqual(told.sort(), [
    'BFDProfile',
    'BGPAdvertisement',
    'BGPPeer',
    'Community',
    'ServiceBGPStatus',
  ]);
  await setRules(rules);
  await until((now) => now.bgpPeers.size > 0);
  await until(() => source.state().problems.length === 0);
});

test.serial('no password stands on the disk: without the API server there is none', async (t) => {
  const { plane } = world;
  await makePeer('inline', { password: PASSWORD });
  const memoryFile = `${plane.folder}/memory-of-passwords`;
  const before = await world.open(t, { roles: ['speaker'], memoryFile });
  await before.until((now) => now.bgpPeers.size === 2 && now.secrets.size === 1);
  await before.source.stop();
  t.notRegex(readFileSync(memoryFile, 'latin1'), new RegExp(PASSWORD));
  t.notRegex(readFileSync(memoryFile, 'latin1'), /Secret metallb-system/);

  const comeBack = await world.goAway(t);
  const after = await world.open(t, { roles: ['speaker'], memoryFile });
  const snapshot = await after.until(({ remembered }) => remembered);
  t.deepEqual(snapshot.bgpPeers.get('metallb-system/inline')?.password, { kind: 'forgotten' });
  t.is(snapshot.secrets.size, 0);
  await comeBack();
  const read = await after.until((now) => isRead(now) && now.secrets.size === 1);
  t.is(read.bgpPeers.get('metallb-system/inline')?.password.kind, 'inline');
});
