import test from 'ava';
import type { ApiRequest } from '../../../../src/cluster/kubernetes/transport/api-request.ts';
import {
  createEventRecorder,
  EVENT_BURST,
  EVENT_QUEUE,
  EVENTS_PER_SEC,
  OBJECT_BURST,
} from '../../../../src/cluster/kubernetes/write/event-recorder.ts';
import { fakeClock } from '../../../support/fake-clock.ts';
import { recordingLog } from '../../../support/recording-log.ts';
import { apiError } from './fake-services.ts';

const ASSIGNED = { type: 'Normal', reason: 'IPAllocated', message: 'Assigned IP' } as const;

function subject(name: string) {
  return { apiVersion: 'v1', kind: 'Service', namespace: 'default', name, uid: `uid-${name}` };
}

function bodyOf(request: ApiRequest | undefined): object {
  return (request?.body ?? {}) as object;
}

function bench() {
  const clock = fakeClock(Date.UTC(2026, 0, 2, 3, 4, 5));
  const log = recordingLog();
  const requests: ApiRequest[] = [];
  const server = { failure: undefined as Error | undefined };
  const recorder = createEventRecorder({
    connection: {
      async request(request) {
        requests.push(request);
        if (server.failure) throw server.failure;
        return {};
      },
    },
    component: 'tidegate-controller',
    host: 'edge-1',
    clock,
    log,
  });
  /** Lets the recorder send what it may by then. */
  async function pass(ms: number) {
    clock.advance(ms);
    for (let turn = 0; turn < 10_000 && turn < 20 + requests.length * 4; turn++)
      await Promise.resolve();
  }
  return { recorder, clock, log, requests, server, pass };
}

test('record() writes an event as Kubernetes has them', async (t) => {
  const { recorder, requests, pass } = bench();
  recorder.record(subject('web'), ASSIGNED);
  await pass(0);
  const name = (bodyOf(requests[0]) as { metadata: { name: string } }).metadata.name;
  t.regex(name, /^web\.[0-9a-f]+$/);
  t.deepEqual(requests, [
    {
      method: 'POST',
      path: '/api/v1/namespaces/default/events',
      query: { fieldManager: 'tidegate-controller' },
      body: {
        apiVersion: 'v1',
        kind: 'Event',
        metadata: { name, namespace: 'default' },
        involvedObject: subject('web'),
        ...ASSIGNED,
        source: { component: 'tidegate-controller', host: 'edge-1' },
        reportingComponent: 'tidegate-controller',
        reportingInstance: 'edge-1',
        firstTimestamp: '2026-01-02T03:04:05Z',
        lastTimestamp: '2026-01-02T03:04:05Z',
        count: 1,
      },
    },
  ]);
});

test('record() counts equal events in one object', async (t) => {
  const { recorder, requests, pass, server } = bench();
  recorder.record(subject('web'), ASSIGNED);
  recorder.record(subject('web'), ASSIGNED, 2);
  await pass(0);
  t.like(bodyOf(requests[0]), { count: 3 });
  await pass(5000);
  recorder.record(subject('web'), ASSIGNED);
  await pass(0);
  t.is(requests.length, 2);
  t.like(requests[1], {
    method: 'PATCH',
    body: { count: 4, lastTimestamp: '2026-01-02T03:04:10Z' },
  });
  recorder.record(subject('web'), ASSIGNED);
  server.failure = apiError(404, 'NotFound');
  await pass(0);
  server.failure = undefined;
  t.deepEqual(
    requests.slice(2).map(({ method }) => method),
    ['PATCH', 'POST'],
  );
});

test('record() drops what one object says too often, and says how much', async (t) => {
  const { recorder, requests, pass, log } = bench();
  for (let index = 0; index < OBJECT_BURST + 5; index++)
    recorder.record(subject('web'), { ...ASSIGNED, message: `m${index}` });
  await pass(0);
  t.is(requests.length, OBJECT_BURST);
  await pass(60_000);
  t.like(log.lines.at(-1), { level: 'warn', fields: { dropped: 5 } });
});

test('record() sends a storm slowly, and forgets what is beyond its queue', async (t) => {
  const { recorder, requests, pass } = bench();
  for (let index = 0; index < EVENT_QUEUE + 50; index++)
    recorder.record(subject(`s${index}`), ASSIGNED);
  await pass(0);
  t.is(requests.length, EVENT_BURST);
  await pass(1000);
  t.true(requests.length <= EVENT_BURST + EVENTS_PER_SEC);
  t.true(requests.length > EVENT_BURST);
});

test('record() tries again while the server is away, and gives up what is refused', async (t) => {
  const { recorder, requests, server, pass } = bench();
  server.failure = apiError(503, 'ServiceUnavailable');
  recorder.record(subject('web'), ASSIGNED);
  await pass(0);
  t.is(requests.length, 1);
  server.failure = apiError(403, 'Forbidden');
  await pass(10_000);
  t.is(requests.length, 2);
  server.failure = undefined;
  await pass(60_000);
  t.is(requests.length, 2);
});

test('stop() drops what waits', async (t) => {
  const { recorder, requests, pass } = bench();
  recorder.record(subject('web'), ASSIGNED);
  recorder.stop();
  recorder.record(subject('web'), ASSIGNED);
  await pass(1000);
  t.deepEqual(requests, []);
});
