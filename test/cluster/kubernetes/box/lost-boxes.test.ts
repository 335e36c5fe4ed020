import test from 'ava';
import {
  AGAIN_MS,
  LOOK_MS,
  STATUS_LIFETIME_MS,
  watchLostBoxes,
} from '../../../../src/cluster/kubernetes/box/lost-boxes.ts';
import type { ApiRequest } from '../../../../src/cluster/kubernetes/transport/api-request.ts';
import type { EdgeNode } from '../../../../src/domain/edge-node.ts';
import { EMPTY_SNAPSHOT } from '../../../../src/domain/snapshot.ts';
import { fakeClock } from '../../../support/fake-clock.ts';
import { edgeNode, service } from '../../../support/objects.ts';
import { recordingLog } from '../../../support/recording-log.ts';
import { fakeConnection, refuse, settled } from './fake-connection.ts';

const INTERVAL_MS = 2000;
/** Long enough for a box to count as lost. */
const LOST_MS = 2 * INTERVAL_MS + 2 * LOOK_MS;
const READY = {
  type: 'Ready',
  status: 'True',
  reason: 'Ready',
  message: 'All',
  observedGeneration: 3,
};
const DRAINING = { type: 'Draining', status: 'False', reason: 'NotAsked', message: 'No' };
const RENEWED = '2026-01-02T03:04:05.000000Z';

/** A leader, and a cluster of boxes as its API server has them. */
function scene() {
  const clock = fakeClock(Date.UTC(2026, 0, 2, 3, 4, 15));
  const log = recordingLog();
  const connection = fakeConnection();
  let snapshot = EMPTY_SNAPSHOT;
  let leads = true;
  let ready: object = READY;
  const lost = watchLostBoxes({
    connection,
    namespace: 'tidegate-system',
    metallbNamespace: 'metallb-system',
    current: () => snapshot,
    leads: () => leads,
    intervalMs: INTERVAL_MS,
    clock,
    log,
  });
  const answer = ({ method, path }: ApiRequest) => {
    const name = path.split('/').at(-1) ?? '';
    if (method !== 'GET') return {};
    if (path.includes('/leases/')) {
      const labels = { 'tidegate.io/edge-node': name.replace('edgenode-', '') };
      const metadata = { name, uid: 'lease', resourceVersion: '5', labels };
      return { metadata, spec: { holderIdentity: 'it', renewTime: RENEWED } };
    }
    const metadata = { name, uid: `uid-${name}`, resourceVersion: '17' };
    return { metadata, status: { version: '1.2.3', conditions: [DRAINING, ready] } };
  };
  connection.answer = answer;
  const box = (name: string, fields: Partial<EdgeNode> | undefined) => {
    const node = fields && edgeNode(name, { uid: `uid-${name}`, ...fields });
    snapshot = { ...snapshot, edgeNodes: snapshot.edgeNodes.withAll([[name, node]]) };
  };
  return {
    clock,
    log,
    connection,
    answer,
    box,
    stop: lost.stop,
    lead: (is: boolean) => {
      leads = is;
    },
    /** What the object says of Ready. */
    says: (condition: object) => {
      ready = condition;
    },
    announce(name: string, of: string, ofBox = true) {
      const said = { ...service(`l2-${of}`), node: name, service: of, interfaces: ['eth0'], ofBox };
      snapshot = { ...snapshot, l2Statuses: snapshot.l2Statuses.with(`l2-${of}`, said) };
    },
    peer(name: string, of: string) {
      const said = {
        ...service(`bgp-${of}`),
        node: name,
        service: of,
        peers: ['tor'],
        ofBox: true,
      };
      snapshot = { ...snapshot, bgpStatuses: snapshot.bgpStatuses.with(`bgp-${of}`, said) };
    },
    async pass(ms: number) {
      for (let at = 0; at < ms; at += LOOK_MS) {
        clock.advance(Math.min(LOOK_MS, ms - at));
        await settled();
      }
    },
    writes: () => connection.requests.filter(({ method }) => method !== 'GET'),
  };
}

test('a dead box that was ready is so no more, by its own version and nothing else', async (t) => {
  const { box, pass, writes, log } = scene();
  box('edge-1', { alive: false });
  box('edge-2', {});
  await pass(LOST_MS);
  const [patch, ...more] = writes();
  t.deepEqual(more, []);
  t.is(patch?.path, '/apis/tidegate.io/v1alpha1/edgenodes/edge-1/status');
  t.is(patch?.contentType, 'application/merge-patch+json');
  t.deepEqual(patch?.body, {
    metadata: { uid: 'uid-edge-1', resourceVersion: '17' },
    status: {
      conditions: [
        DRAINING,
        {
          type: 'Ready',
          status: 'Unknown',
          reason: 'HeartbeatLost',
          message:
            `No heartbeat since ${RENEWED}. See whether the box runs and reaches the API server; ` +
            'if it is gone for good, delete its EdgeNode',
          observedGeneration: 3,
          lastTransitionTime: '2026-01-02T03:04:20Z',
        },
      ],
    },
  });
  t.deepEqual(
    log.lines.map(({ level, fields }) => [level, fields['box']]),
    [['warn', 'edge-1']],
  );
});

test('a box that comes back writes before its first heartbeat, and is given the time', async (t) => {
  const { box, pass, connection } = scene();
  box('edge-1', { alive: false });
  await pass(2 * INTERVAL_MS);
  box('edge-1', { alive: true });
  await pass(LOST_MS);
  t.deepEqual(connection.requests, []);
});

test('nothing is asked about boxes that live, stopped, or are marked already', async (t) => {
  const { box, pass, connection } = scene();
  box('edge-1', {});
  box('edge-2', { alive: false, ready: false });
  box('edge-3', { alive: false, heartbeatLost: true });
  await pass(STATUS_LIFETIME_MS + LOST_MS);
  t.deepEqual(connection.requests, []);
});

test('a box that said something else by the time it is read is left as it is', async (t) => {
  const { box, pass, writes, says } = scene();
  says({ ...READY, status: 'False', reason: 'Stopped' });
  box('edge-1', { alive: false });
  await pass(LOST_MS);
  t.deepEqual(writes(), []);
});

test('a box that says the contrary without heartbeats is contradicted now and then only', async (t) => {
  const { box, pass, writes } = scene();
  box('edge-1', { alive: false });
  await pass(AGAIN_MS);
  t.is(writes().length, 1);
  await pass(LOST_MS);
  t.is(writes().length, 2);
});

test('what a box said to announce is removed a minute after its death, but not MetalLB’s', async (t) => {
  const { box, pass, writes, announce } = scene();
  box('edge-1', { alive: false, ready: false });
  box('edge-2', {});
  announce('edge-1', 'shop/a');
  announce('edge-1', 'shop/b', false);
  announce('edge-2', 'shop/c');
  announce('edge-3', 'shop/d');
  await pass(STATUS_LIFETIME_MS);
  t.deepEqual(writes(), []);
  await pass(2 * LOOK_MS);
  const folder = '/apis/metallb.io/v1beta1/namespaces/metallb-system/servicel2statuses';
  t.deepEqual(
    writes().map(({ method, path, body }) => [method, path, body]),
    ['shop/a', 'shop/d'].map((of) => {
      const { name, uid } = service(`l2-${of}`);
      return ['DELETE', `${folder}/${name}`, { preconditions: { uid } }];
    }),
  );
});

test('what a box said to announce by BGP is removed, too', async (t) => {
  const { box, pass, writes, peer } = scene();
  box('edge-1', { alive: false, ready: false });
  peer('edge-1', 'shop/a');
  await pass(STATUS_LIFETIME_MS + 2 * LOOK_MS);
  const folder = '/apis/metallb.io/v1beta1/namespaces/metallb-system/servicebgpstatuses';
  t.deepEqual(
    writes().map(({ method, path }) => [method, path]),
    [['DELETE', `${folder}/${service('bgp-shop/a').name}`]],
  );
});

test('who comes back while its statuses are removed keeps the rest', async (t) => {
  const { box, pass, writes, announce, connection } = scene();
  box('edge-1', { alive: false, ready: false });
  for (let i = 0; i < 100; i++) announce('edge-1', `shop/s${i}`);
  connection.answer = () => {
    if (writes().length === 10) box('edge-1', {});
    return {};
  };
  await pass(STATUS_LIFETIME_MS + 2 * LOOK_MS);
  t.is(writes().length, 10);
});

test('a standby writes nothing; a new leader counts from when it began', async (t) => {
  const { box, pass, connection, announce, lead, writes } = scene();
  lead(false);
  box('edge-1', { alive: false });
  announce('edge-1', 'shop/a');
  await pass(2 * STATUS_LIFETIME_MS);
  t.deepEqual(connection.requests, []);
  lead(true);
  await pass(STATUS_LIFETIME_MS);
  t.deepEqual(
    writes().map(({ method }) => method),
    ['PATCH'],
  );
});

test('who stops leading while it reads does not write', async (t) => {
  const { box, pass, connection, lead, writes, answer } = scene();
  connection.answer = (request) => {
    lead(false);
    return answer(request);
  };
  box('edge-1', { alive: false });
  await pass(LOST_MS);
  t.true(connection.requests.length > 0);
  t.deepEqual(writes(), []);
});

test('failures are tried again after pauses; one kind of write does not wait for the other', async (t) => {
  const { box, pass, connection, announce, writes, log, answer } = scene();
  connection.answer = (request) =>
    request.method === 'PATCH' ? refuse(403, 'Forbidden') : answer(request);
  box('edge-1', { alive: false });
  announce('edge-1', 'shop/a');
  await pass(STATUS_LIFETIME_MS + 30_000);
  const deletes = writes().filter(({ method }) => method === 'DELETE');
  const patches = writes().filter(({ method }) => method === 'PATCH');
  t.is(deletes.length, 1);
  t.true(patches.length >= 5 && patches.length <= 12, `${patches.length} tries`);
  t.is(log.lines[0]?.level, 'warn');
  connection.answer = answer;
  await pass(30_000);
  t.is(writes().filter(({ method }) => method === 'PATCH').length, patches.length + 1);
});

test('a conflict is no failure: it is looked again', async (t) => {
  const { box, pass, connection, writes, log, answer } = scene();
  connection.answer = (request) =>
    request.method === 'PATCH' && writes().length === 1 ? refuse(409, 'Conflict') : answer(request);
  box('edge-1', { alive: false });
  await pass(LOST_MS + LOOK_MS);
  t.is(writes().length, 2);
  t.is(log.lines.filter(({ fields }) => fields['error'] !== undefined).length, 0);
});

test('after stop() nothing is asked any more', async (t) => {
  const { box, pass, connection, stop } = scene();
  box('edge-1', { alive: false });
  await stop();
  await pass(LOST_MS);
  t.deepEqual(connection.requests, []);
});
