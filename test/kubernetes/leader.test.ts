import { type ChildProcess, spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import { type ControlPlane, startControlPlane } from '../../lab/kubernetes/control-plane.ts';
import { isKubeObject } from '../../src/cluster/kubernetes/kube-object.ts';
import { fenceJournal } from '../../src/cluster/kubernetes/leader/fence-journal.ts';
import type { Journal, JournalEntry } from '../../src/cluster/kubernetes/leader/journal.ts';
import type { Leader } from '../../src/cluster/kubernetes/leader/leader.ts';
import { startLeader } from '../../src/cluster/kubernetes/leader/start-leader.ts';
import { statusBaseOf } from '../../src/cluster/kubernetes/status/status-base.ts';
import { ApiError } from '../../src/cluster/kubernetes/transport/api-error.ts';
import {
  type ApiConnection,
  openConnection,
} from '../../src/cluster/kubernetes/transport/connection.ts';
import { realClock } from '../../src/system/real-clock.ts';
import { recordingLog } from '../support/recording-log.ts';

/** The election and the journal at a real API server; each test has a namespace of its own. */
const DEFAULTS = { durationMs: 10_000, renewDeadlineMs: 7_000, retryPeriodMs: 2_000 };
const SHORT = { durationMs: 3_000, renewDeadlineMs: 2_000, retryPeriodMs: 500 };
const WAIT_MS = 20_000;
const POLL_MS = 5;
const JOURNAL = 'tidegate.io/journal';

let plane: ControlPlane;
let connection: ApiConnection;
const log = recordingLog();

test.before(async () => {
  plane = await startControlPlane();
  const { kubeconfig } = plane;
  const userAgent = 'tidegate/test (controller)';
  connection = await openConnection({
    ...{ kubeconfig, context: undefined, userAgent, clock: realClock, log },
  });
});

test.after.always(async () => {
  await connection?.close();
  await plane?.stop();
});

interface Candidate extends Leader {
  /** What it was told at each take-over. */
  readonly journals: Journal[];
}

function candidate(t: ExecutionContext, namespace: string, durations = SHORT): Candidate {
  const journals: Journal[] = [];
  const leader = startLeader({
    ...{ connection, namespace, name: 'controller', identity: 'box', durations },
    ...{ clock: realClock, log, random: Math.random },
    async takeOver(journal) {
      journals.push(journal);
      leader.end(journal.entries);
    },
  });
  t.teardown(() => leader.stop());
  return { ...leader, journals };
}

async function makeNamespace(name: string): Promise<string> {
  await plane.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
  return name;
}

async function until(look: () => boolean | Promise<boolean>): Promise<void> {
  const endMs = performance.now() + WAIT_MS;
  while (!(await look())) {
    if (performance.now() > endMs) throw new Error('It did not come to that');
    await sleep(POLL_MS);
  }
}

const leaseOf = (namespace: string) =>
  `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases/controller`;

function edit(namespace: string, patch: object) {
  return plane.must('PATCH', leaseOf(namespace), patch, 'application/merge-patch+json');
}

const entry = (name: string): JournalEntry => ({
  service: `default/${name}`,
  uid: 'u',
  resourceVersion: '1',
  addresses: [],
});

test.serial(
  'of two controllers one leads, and hands over at once when it is stopped',
  async (t) => {
    const namespace = await makeNamespace('two');
    const first = candidate(t, namespace, DEFAULTS);
    await until(first.leads);
    const second = candidate(t, namespace, DEFAULTS);
    await until(() => second.leader() === first.state().identity);
    t.false(second.leads());
    t.not(first.state().identity, second.state().identity);
    await first.begin([entry('a')]);
    const startMs = performance.now();
    await first.stop();
    await until(second.leads);
    const tookMs = Math.round(performance.now() - startMs);
    t.log(`clean hand-over: ${tookMs} ms`);
    t.true(tookMs < DEFAULTS.retryPeriodMs, 'neither the Lease nor the next look was waited for');
    t.deepEqual(second.journals, [{ entries: [entry('a')], complete: true }]);
    t.is(second.state().transitions, 1);
    const { spec, metadata } = await plane.must('GET', leaseOf(namespace));
    t.is(spec.holderIdentity, second.state().identity);
    t.is(spec.leaseDurationSeconds, 10);
    t.is(metadata.annotations[JOURNAL], '{"v":1,"entries":[]}');
  },
);

test.serial(
  'a process that sleeps loses the lead, and begins nothing when it wakes up',
  async (t) => {
    const namespace = await makeNamespace('sleep');
    const program = fileURLToPath(new URL('./lone-leader.ts', import.meta.url));
    const child = spawn(process.execPath, [program, plane.kubeconfig, namespace]);
    t.teardown(() => endChild(child));
    let said = '';
    child.stdout.on('data', (text) => {
      said += text;
    });
    await until(() => said.includes('leads\n'));
    child.stdin.write('\n');
    await until(() => said.includes('begun\n'));
    child.kill('SIGSTOP');
    const startMs = performance.now();
    const second = candidate(t, namespace);
    await until(second.leads);
    t.log(`take-over from a sleeping leader: ${Math.round(performance.now() - startMs)} ms`);
    t.is(second.journals[0]?.entries.length, 1);
    await second.begin([entry('a')]);
    const before = said.length;
    child.stdin.write('\n');
    child.kill('SIGCONT');
    await until(() => said.includes('refused'));
    await sleep(SHORT.retryPeriodMs * 2);
    t.false(said.slice(before).includes('begun'));
    t.true(said.slice(before).includes('does not lead'));
    t.true(second.leads());
    t.deepEqual([...second.pending().keys()], ['default/a']);
  },
);

async function endChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await ended;
}

test.serial('a deleted Lease is made anew, and nothing is taken for complete then', async (t) => {
  const namespace = await makeNamespace('deleted');
  const leader = candidate(t, namespace);
  await until(leader.leads);
  t.deepEqual(leader.journals, [{ entries: [], complete: false }]);
  await plane.must('DELETE', leaseOf(namespace));
  await until(() => leader.journals.length === 2);
  await until(leader.leads);
  t.is(leader.state().lost, 1);
  t.false(leader.journals[1]?.complete);
});

test.serial('a PUT of a Lease that is gone does not bring it back', async (t) => {
  const namespace = await makeNamespace('gone');
  const leases = leaseOf(namespace).replace('/controller', '');
  const lease = await plane.must('POST', leases, { metadata: { name: 'controller' }, spec: {} });
  await plane.must('DELETE', leaseOf(namespace));
  const request = { method: 'PUT', path: leaseOf(namespace), body: lease } as const;
  const error = await t.throwsAsync(connection.request(request), { instanceOf: ApiError });
  t.is(error?.status, 409);
});

test.serial('a Lease that people edit is not led by, until it is taken anew', async (t) => {
  const namespace = await makeNamespace('edited');
  const leader = candidate(t, namespace);
  await until(leader.leads);

  await edit(namespace, { metadata: { labels: { mine: 'yes' } } });
  await leader.begin([entry('a')]);
  t.is(leader.state().lost, 0);

  await edit(namespace, { spec: { holderIdentity: 'nobody' } });
  await until(() => leader.state().lost === 1);
  t.is(leader.leader(), 'nobody');
  await t.throwsAsync(leader.begin([entry('b')]), { message: /does not lead/ });
  await until(leader.leads);
  t.deepEqual(leader.journals.at(-1), { entries: [entry('a')], complete: true });

  await edit(namespace, { spec: null, metadata: { annotations: { [JOURNAL]: 'garbage' } } });
  await until(() => leader.state().lost === 2);
  await until(leader.leads);
  t.deepEqual(leader.journals.at(-1), { entries: [], complete: false });
  const { metadata } = await plane.must('GET', leaseOf(namespace));
  t.is(metadata.annotations[JOURNAL], '{"v":1,"entries":[]}');
  t.is(metadata.labels.mine, 'yes');
});

test.serial('a namespace that is missing is said, with what to do', async (t) => {
  const leader = candidate(t, 'missing');
  await until(() => leader.state().problem !== '');
  t.regex(leader.state().problem, /Create the namespace "missing"/);
  t.false(leader.leads());
  await makeNamespace('missing');
  await until(leader.leads);
  t.is(leader.state().problem, '');
});

test.serial('fenceJournal() makes what was on its way come too late', async (t) => {
  const services = '/api/v1/namespaces/default/services';
  const make = (name: string) =>
    plane.must('POST', services, {
      metadata: { name },
      spec: { type: 'LoadBalancer', ports: [{ port: 80 }] },
    });
  const [web, touched] = [await make('web'), await make('touched')];
  await editAt(`${services}/touched`, { metadata: { labels: { a: 'b' } } });
  const entries = [web, touched].map(({ metadata }) => ({
    service: `default/${metadata.name}`,
    uid: metadata.uid,
    resourceVersion: metadata.resourceVersion,
    addresses: [],
  }));
  const ended: string[] = [];
  const fresh = await Promise.all(
    ['web', 'touched'].map((name) => plane.must('GET', `${services}/${name}`)),
  );
  const read: string[] = [];
  await fenceJournal(
    { entries, complete: true },
    {
      connection,
      fieldManager: 'tidegate-controller',
      identity: 'box',
      end: (done) => ended.push(...[...done].map(({ service }) => service)),
      baseOf: (service) =>
        fresh
          .filter(isKubeObject)
          .map(statusBaseOf)
          .find(({ name }) => service.endsWith(name)),
      exposed: () => [],
      onRead: ({ metadata }) => read.push(metadata.name),
      wallMs: Date.now,
    },
  );
  t.deepEqual(ended.sort(), ['default/touched', 'default/web']);
  t.deepEqual(read, ['web']);
  for (const { service, uid, resourceVersion } of entries) {
    const { status } = await plane.request(
      'PATCH',
      `${services}/${service.split('/')[1]}/status`,
      {
        metadata: { uid, resourceVersion },
        status: { loadBalancer: { ingress: [{ ip: '192.0.2.1' }] } },
      },
      'application/merge-patch+json',
    );
    t.is(status, 409);
  }
  const { status } = await plane.must('GET', `${services}/web`);
  t.like(status.conditions[0], { type: 'tidegate.io/Allocated', reason: 'LeaderChanged' });
});

function editAt(path: string, patch: object) {
  return plane.must('PATCH', path, patch, 'application/merge-patch+json');
}

test.serial('leading goes on, or begins again, when the API server starts anew', async (t) => {
  const namespace = await makeNamespace('restart');
  const [first, second] = [candidate(t, namespace), candidate(t, namespace)];
  await until(() => first.leads() || second.leads());
  const before = first.leads() ? first : second;
  await before.begin([entry('a')]);
  await plane.restartApiServer();
  await until(() => [first, second].filter((one) => one.leads()).length === 1);
  const now = first.leads() ? first : second;
  const isSame = now === before && now.state().acquired === 1;
  t.log(isSame ? 'it went on' : 'it began again');
  if (isSame) t.deepEqual([...now.pending().keys()], ['default/a']);
  else t.deepEqual(now.journals.at(-1), { entries: [entry('a')], complete: true });
  await now.begin([entry('b')]);
});
