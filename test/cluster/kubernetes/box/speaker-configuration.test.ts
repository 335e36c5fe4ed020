import test from 'ava';
import { createSpeakerConfiguration } from '../../../../src/cluster/kubernetes/box/speaker-configuration.ts';
import type { ApiRequest } from '../../../../src/cluster/kubernetes/transport/api-request.ts';
import {
  CONFIGURATION_CHECK_MS,
  CONFIGURATION_SETTLE_MS,
} from '../../../../src/cluster/kubernetes/write/configuration-reporter.ts';
import { KeyedMap } from '../../../../src/domain/keyed-map.ts';
import type { ObjectMeta } from '../../../../src/domain/object.ts';
import { EMPTY_SNAPSHOT, type Snapshot } from '../../../../src/domain/snapshot.ts';
import { bfdProfile, bgpPeer } from '../../../support/bgp-objects.ts';
import { fakeClock } from '../../../support/fake-clock.ts';
import { recordingLog } from '../../../support/recording-log.ts';
import { fakeConnection, refuse, settled } from './fake-connection.ts';

const OWNER = { kind: 'EdgeNode', name: 'edge-1' };

// biome-ignore lint/suspicious/noExplicitAny: JSON as it was written
type Stored = any;

function byKey<T extends ObjectMeta>(...objects: readonly T[]): KeyedMap<T> {
  return KeyedMap.from(objects.map((object) => [object.key, object]));
}

function scene() {
  const clock = fakeClock();
  const connection = fakeConnection();
  let object: Stored;
  let refusal: number | undefined;
  connection.answer = ({ method, body }: ApiRequest) => {
    if (refusal !== undefined) refuse(refusal);
    if (method === 'POST') object = body;
    if (object === undefined) refuse(404, 'NotFound');
    if (method === 'PATCH') object = { ...object, status: (body as Stored).status };
    return object;
  };
  const log = recordingLog();
  const configuration = createSpeakerConfiguration({
    ...{ connection, namespace: 'metallb-system', box: 'edge-1', clock, log },
    owner: () => OWNER,
  });
  let snapshot: Snapshot = { ...EMPTY_SNAPSHOT, revision: 1 };
  const labels = { rack: 'a' };
  const pass = async (ms = 2 * CONFIGURATION_SETTLE_MS) => {
    for (let at = 0; at < ms; at += CONFIGURATION_SETTLE_MS) {
      clock.advance(CONFIGURATION_SETTLE_MS);
      await settled();
    }
  };
  return {
    ...{ connection, log, pass, stop: configuration.stop },
    state: () => object,
    remove() {
      object = undefined;
    },
    refuse(status: number | undefined) {
      refusal = status;
    },
    async set(fields: Partial<Snapshot>) {
      snapshot = { ...snapshot, ...fields, revision: snapshot.revision + 1 };
      configuration.look(snapshot, labels);
      await pass();
    },
  };
}

const inRack = (value: string) => [[{ key: 'rack', operator: 'In' as const, values: [value] }]];

test('a box says that nothing is wrong, and what is wrong with what chooses it', async (t) => {
  const { set, state } = scene();
  await set({});
  t.deepEqual(state().metadata, {
    name: 'speaker-edge-1',
    labels: { 'metallb.io/component-type': 'speaker', 'metallb.io/node-name': 'edge-1' },
    ownerReferences: [OWNER],
  });
  t.like(state().status, { result: 'Valid', errorSummary: '' });
  t.is(state().status.conditions[0].type, 'configReconcilerValid');
  const elsewhere = bgpPeer('b', '192.0.2.2', { bfdProfile: 'none', nodeSelectors: inRack('b') });
  await set({ bgpPeers: byKey(elsewhere) });
  t.is(state().status.result, 'Valid');
  const here = bgpPeer('a', '192.0.2.1', { bfdProfile: 'fast', nodeSelectors: inRack('a') });
  await set({ bgpPeers: byKey(elsewhere, here) });
  t.is(state().status.result, 'Invalid');
  t.regex(state().status.errorSummary, /BGPPeer metallb-system\/a spec.bfdProfile: .*"fast"/);
  t.notRegex(state().status.errorSummary, /metallb-system\/b/);
  await set({ bfdProfiles: byKey(bfdProfile('fast')) });
  t.like(state().status, { result: 'Valid', errorSummary: '' });
});

test('a box says what objects of the configuration cannot be used, and nothing of Services', async (t) => {
  const { set, state } = scene();
  const problem = (kind: string) => ({
    severity: 'error' as const,
    object: { kind, key: 'some/one' },
    message: `This ${kind} is bad`,
    remedy: 'Mend it',
  });
  await set({ problems: [problem('Service'), problem('BGPPeer'), problem('Secret')] });
  t.deepEqual(state().status.errorSummary.split('\n'), [
    'BGPPeer some/one: This BGPPeer is bad. Mend it',
    'Secret some/one: This Secret is bad. Mend it',
  ]);
});

test('a box asks and writes nothing while nothing changes, but makes again what is deleted', async (t) => {
  const { set, state, remove, pass, connection } = scene();
  await set({});
  const asked = connection.asked.length;
  await set({ services: KeyedMap.empty() });
  t.is(connection.asked.length, asked);
  remove();
  await pass(CONFIGURATION_CHECK_MS + CONFIGURATION_SETTLE_MS);
  t.is(state()?.status.result, 'Valid');
});

test('a failure is told, and tried again; a missing kind is none; memories say nothing', async (t) => {
  const { set, state, refuse: fail, pass, log, connection, stop } = scene();
  await set({ remembered: true });
  t.deepEqual(connection.asked, []);
  fail(404);
  await set({ remembered: false });
  t.deepEqual(log.lines, []);
  fail(403);
  await pass(CONFIGURATION_CHECK_MS);
  t.is(log.lines[0]?.level, 'warn');
  fail(undefined);
  await pass(CONFIGURATION_CHECK_MS);
  t.is(state()?.status.result, 'Valid');
  t.is(log.lines.at(-1)?.level, 'info');
  await stop();
});
