import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import test from 'ava';
import type { CheckHealth } from '../../src/domain/health.ts';
import { KeyedMap } from '../../src/domain/keyed-map.ts';
import { ALONE } from '../../src/domain/leadership.ts';
import { EMPTY_SNAPSHOT } from '../../src/domain/snapshot.ts';
import { detach } from '../../src/forwarder/detach.ts';
import type { ForwarderDeps } from '../../src/forwarder/forwarder.ts';
import { FORWARDER_LOCK, type ForwarderSettings } from '../../src/forwarder/settings.ts';
import { startForwarder } from '../../src/forwarder/start-forwarder.ts';
import { lockFile } from '../../src/system/process-lock.ts';
import { forwarderSettings } from '../netns/forwarder-settings.ts';
import { fakeClock } from '../support/fake-clock.ts';
import { endpoint, endpointsOf, service, status, TCP_CHECK } from '../support/objects.ts';
import { recordingLog } from '../support/recording-log.ts';

/** What goes wrong at the start; forwarding itself is tested between namespaces. */
let runDir: string;
const bpfDir = `/sys/fs/bpf/tg-${process.pid}-start`;

// Waiting for the kernel's answer does not keep a process alive.
const alive = setInterval(() => undefined, 1000);

test.after.always(() => clearInterval(alive));

test.beforeEach(() => {
  runDir = mkdtempSync(join(tmpdir(), 'tg-run-'));
});

test.afterEach.always(() => {
  rmSync(runDir, { recursive: true, force: true });
  rmSync(bpfDir, { recursive: true, force: true });
});

function deps(fields: Partial<ForwarderSettings> = {}): ForwarderDeps {
  return {
    source: {
      current: () => EMPTY_SNAPSHOT,
      subscribe: () => () => undefined,
      leadership: ALONE,
      writeStatuses: async () => new Map(),
      reportConfiguration: () => {},
      stop: async () => undefined,
    },
    settings: forwarderSettings({ bpfDir, runDir, interfaces: ['tg-none'], ...fields }),
    clock: fakeClock(),
    log: recordingLog(),
    startHealth: () => Promise.reject(new Error('health cannot start')),
  };
}

test.serial(
  'startForwarder() refuses NAT ports that the box uses, before it touches anything',
  async (t) => {
    await t.throwsAsync(startForwarder(deps({ natPorts: { first: 1, last: 65_535 } })), {
      code: 'EADDRINUSE',
    });
    t.false(existsSync(bpfDir));
  },
);

test.serial('a start that fails half way gives back what it took', async (t) => {
  await t.throwsAsync(startForwarder(deps()), { message: 'health cannot start' });
  t.notThrows(() => lockFile(join(runDir, FORWARDER_LOCK)).release());
});

test.serial(
  'startForwarder() and detach() refuse while another forwarder holds the box',
  async (t) => {
    const lock = lockFile(join(runDir, FORWARDER_LOCK));
    const refusal = { code: 'ELOCKED', message: new RegExp(`process ${process.pid} holds it`) };
    await t.throwsAsync(startForwarder(deps()), refusal);
    await t.throwsAsync(detach({ bpfDir, runDir }), refusal);
    lock.release();
  },
);

/** A pass of the forwarder comes one turn after what causes it. */
async function turns(): Promise<void> {
  for (let i = 0; i < 3; i++) await setImmediate();
}

test.serial('a slow start goes on by itself, and no longer once the forwarder stops', async (t) => {
  const clock = fakeClock();
  const web = service('web', { slowStartSec: 20 });
  const two = [endpoint('192.0.2.21'), endpoint('192.0.2.22')];
  const snapshot = {
    ...EMPTY_SNAPSHOT,
    revision: 1,
    services: KeyedMap.from([['default/web', web]]),
    statuses: KeyedMap.from([['default/web', status(['198.51.100.1'])]]),
    endpoints: KeyedMap.from([['default/web', endpointsOf('default/web', two)]]),
  };
  let states = KeyedMap.empty<CheckHealth>();
  let onHealth = () => {};
  const base = deps();
  const forwarder = await startForwarder({
    ...base,
    settings: { ...base.settings, plan: { ...base.settings.plan, health: TCP_CHECK } },
    clock,
    source: { ...base.source, current: () => snapshot },
    startHealth: async () => ({
      want: () => undefined,
      states: () => states,
      onChange: (listener) => {
        onHealth = listener;
        return () => undefined;
      },
      stop: async () => undefined,
    }),
  });
  t.teardown(() => forwarder.stop());
  const admits = () =>
    [...(forwarder.plan()?.servers.values() ?? [])].flatMap(({ backends }) =>
      backends.map(({ admit }) => admit),
    );
  const tell = async (second: CheckHealth['state']) => {
    const [first = '', last = ''] = [...(forwarder.plan()?.checks.keys() ?? [])].sort();
    states = KeyedMap.from([
      [first, { state: 'up', sinceMs: 0, reason: '' }],
      [last, { state: second, sinceMs: 0, reason: '' }],
    ]);
    onHealth();
    await turns();
  };
  await turns();
  await tell('down');
  await tell('up');
  t.deepEqual(admits(), [256, 26]);
  clock.advance(1000);
  await turns();
  t.deepEqual(admits(), [256, 37]);
  await forwarder.stop();
  clock.advance(60_000);
  await turns();
  t.deepEqual(admits(), [256, 37]);
});

test.serial('detach() of a box where nothing is attached says so', async (t) => {
  t.deepEqual(await detach({ bpfDir, runDir }), { interfaces: [], maps: false });
});
