import test from 'ava';
import { startBoxPublisher } from '../../../../src/cluster/kubernetes/box/box-publisher.ts';
import type { BoxState } from '../../../../src/domain/box.ts';
import { EMPTY_SNAPSHOT } from '../../../../src/domain/snapshot.ts';
import { fakeClock } from '../../../support/fake-clock.ts';
import { recordingLog } from '../../../support/recording-log.ts';
import { fakeConnection, refuse, settled } from './fake-connection.ts';

const STATE: BoxState = {
  name: 'edge-1',
  version: 'test',
  labels: {},
  roles: ['speaker'],
  readiness: { ready: true, reason: '' },
  interfaces: [],
  capacity: { flows: 1, servers: 1, backends: 1 },
  vips: [],
};

function scene() {
  const fake = fakeConnection();
  const clock = fakeClock();
  const log = recordingLog();
  const publisher = startBoxPublisher({
    connection: {
      request: (request) => fake.request(request),
      stream: () => Promise.reject(new Error('Nothing is watched')),
      server: 'https://10.0.0.1:6443',
      close: async () => undefined,
    },
    source: { current: () => EMPTY_SNAPSHOT, subscribe: () => () => undefined },
    box: 'edge-1',
    identity: 'me',
    namespace: 'tidegate-system',
    metallbNamespace: 'metallb-system',
    heartbeat: { intervalMs: 2000, lifetimeMs: 10_000 },
    clock,
    log,
  });
  const pass = async (seconds: number) => {
    for (let second = 0; second < seconds; second += 1) {
      clock.advance(1000);
      await settled();
    }
  };
  const said = () => log.lines.map(({ level, message }) => `${level} ${message}`);
  return { fake, publisher, pass, said };
}

test('an API server that is away is told of once, then once a minute, and its end', async (t) => {
  const { fake, publisher, pass, said } = scene();
  let isAway = true;
  const edgeNode = { metadata: { name: 'edge-1', uid: 'u', resourceVersion: '1' } };
  fake.answer = () => (isAway ? refuse(503, 'ServiceUnavailable') : edgeNode);
  publisher.publish(STATE);
  await pass(150);
  const failed = 'warn Cannot write the EdgeNode of this box; trying again';
  t.deepEqual(said(), [failed, failed, failed]);
  isAway = false;
  await pass(30);
  t.is(said()[3], 'info The EdgeNode of this box can be written again');
  await publisher.stop();
});

test('what the server refuses is a problem with a remedy; that it is away is none', async (t) => {
  const { fake, publisher, pass } = scene();
  const edgeNode = { metadata: { name: 'edge-1', uid: 'u', resourceVersion: '1' } };
  let refusals: Readonly<Record<string, number>> = { edgenodes: 404 };
  fake.answer = ({ path }) => {
    const [, status] = Object.entries(refusals).find(([part]) => path.includes(part)) ?? [];
    return status === undefined ? edgeNode : refuse(status);
  };
  const told = () =>
    publisher.problems().map(({ object, remedy }) => `${object?.kind} ${object?.key}: ${remedy}`);
  publisher.publish(STATE);
  await pass(2);
  t.deepEqual(told(), ['EdgeNode edge-1: Install the definition: kubectl apply -k config/crds']);
  refusals = { edgenodes: 503 };
  await pass(30);
  t.deepEqual(told(), []);
  refusals = { leases: 403, servicebgpstatuses: 403, configurationstates: 403 };
  await pass(40);
  const remedy = 'Apply config/deploy/rbac/speaker, or make the login anew';
  t.deepEqual(told(), [
    `Lease tidegate-system/edgenode-edge-1: ${remedy}`,
    `ServiceBGPStatus edge-1: ${remedy}`,
    `ConfigurationState speaker-edge-1: ${remedy}`,
  ]);
  refusals = {};
  await pass(120);
  t.deepEqual(told(), []);
  await publisher.stop();
});
