import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import type { Kind } from '../../../../src/cluster/decode/cluster-object.ts';
import type { KubeObject } from '../../../../src/cluster/kubernetes/kube-object.ts';
import {
  type ClusterMark,
  type Memory,
  openMemory,
  WRITE_EVERY_MS,
} from '../../../../src/cluster/kubernetes/reading/remembered.ts';
import type { Json } from '../../../../src/system/json.ts';
import { fakeClock } from '../../../support/fake-clock.ts';
import { recordingLog } from '../../../support/recording-log.ts';

const MARK: ClusterMark = { server: 'https://10.0.0.1:6443', uid: 'u-kube-system' };

function makePath(t: ExecutionContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'tg-memory-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  return join(folder, 'cluster.ledger');
}

function open(path: string, clock = fakeClock(), log = recordingLog()): Promise<Memory> {
  return openMemory({ path, breathe: () => undefined, clock, log });
}

function object(name: string, more: object = {}): KubeObject {
  return {
    metadata: { name, namespace: 'default', uid: `u-${name}`, resourceVersion: '7' },
    spec: { type: 'LoadBalancer', ports: [{ port: 80 }] },
    ...more,
  };
}

function put(memory: Memory, kind: Kind, key: string, json: KubeObject) {
  const line = memory.encode(kind, key, json);
  if (line) memory.put(kind, key, line);
}

test('a password of a BGP peer is not written down, but that there was one', async (t) => {
  const path = makePath(t);
  const memory = await open(path);
  memory.setCluster(MARK);
  const spec = { myASN: 64_500, password: 'correct horse' };
  put(memory, 'BGPPeer', 'default/with', object('with', { spec }));
  put(memory, 'BGPPeer', 'default/without', object('without', { spec: { ...spec, password: '' } }));
  await memory.close();
  t.notRegex(readFileSync(path, 'latin1'), /correct horse/);
  const again = await open(path);
  const { found } = await recalled(again);
  t.like(found['BGPPeer default/with'], { spec: { myASN: 64_500 }, passwordForgotten: true });
  t.false('passwordForgotten' in (found['BGPPeer default/without'] as object));
  await again.close();
});

async function recalled(memory: Memory, server = MARK.server) {
  const found: Record<string, Json> = {};
  const lives: Record<string, string> = {};
  const mark = await memory.recall(
    server,
    {
      object: (kind, key, json) => {
        found[`${kind} ${key}`] = json;
      },
      life: (box, life) => {
        lives[box] = life;
      },
    },
    () => true,
  );
  return { mark, found, lives };
}

test('what was seen is there after a restart, as far as it matters, and only for the same server', async (t) => {
  const path = makePath(t);
  const memory = await open(path);
  memory.setCluster(MARK);
  put(memory, 'Service', 'default/web', {
    ...object('web', { status: { loadBalancer: { ingress: [{ ip: '192.0.2.1' }] } } }),
    metadata: {
      ...object('web').metadata,
      managedFields: [{ manager: 'x' }],
      annotations: { 'metallb.io/address-pool': 'public', 'example.com/note': 'long' },
      finalizers: ['service.kubernetes.io/load-balancer-cleanup'],
    },
  });
  put(memory, 'Service', 'default/gone', object('gone'));
  put(memory, 'Pod', 'default/p', object('p', { spec: { nodeName: 'n1', containers: [{}] } }));
  memory.setLife('edge-2', '2026-01-31T12:00:00.000000Z');
  memory.delete('Service', 'default/gone');
  await memory.close();

  const again = await open(path);
  t.deepEqual(await recalled(again), {
    mark: MARK,
    found: {
      'Service default/web': {
        metadata: {
          name: 'web',
          namespace: 'default',
          uid: 'u-web',
          resourceVersion: '7',
          finalizers: ['service.kubernetes.io/load-balancer-cleanup'],
          annotations: { 'metallb.io/address-pool': 'public' },
        },
        spec: { type: 'LoadBalancer', ports: [{ port: 80 }] },
        status: { loadBalancer: { ingress: [{ ip: '192.0.2.1' }] } },
      },
      'Pod default/p': {
        metadata: { name: 'p', namespace: 'default', uid: 'u-p', resourceVersion: '7' },
        spec: { nodeName: 'n1' },
      },
    },
    lives: { 'edge-2': '2026-01-31T12:00:00.000000Z' },
  });
  t.is((await recalled(again, 'https://10.0.0.2:6443')).mark, undefined);
  await again.close();
});

test('changes are written a moment later, together', async (t) => {
  const path = makePath(t);
  const clock = fakeClock();
  const memory = await open(path, clock);
  put(memory, 'Service', 'default/a', object('a'));
  clock.advance(WRITE_EVERY_MS - 1);
  put(memory, 'Service', 'default/b', object('b'));
  await sleep(10);
  t.is(readFileSync(path, 'utf8'), '');
  clock.advance(1);
  while (!readFileSync(path, 'utf8').includes('default/b')) await sleep(5);
  t.regex(readFileSync(path, 'utf8'), /default\/a/);
  await memory.close();
});

test('keepOnly() forgets what is no longer there', async (t) => {
  const path = makePath(t);
  const first = await open(path);
  first.setCluster(MARK);
  for (const name of ['a', 'b']) put(first, 'Service', `default/${name}`, object(name));
  first.setLife('edge-1', 'alive');
  first.setLife('edge-2', 'alive');
  await first.close();
  const second = await open(path);
  second.keepOnly(
    new Map<Kind, ReadonlySet<string>>([
      ['Service', new Set(['default/b'])],
      ['EdgeNode', new Set(['edge-2'])],
    ]),
  );
  await second.close();
  const third = await open(path);
  const { found, lives } = await recalled(third);
  t.deepEqual(Object.keys(found), ['Service default/b']);
  t.deepEqual(lives, { 'edge-2': 'alive' });
  await third.close();
});

test('an object too large to be a line is left out', async (t) => {
  const memory = await open(makePath(t));
  const large = object('large', { spec: { note: 'x'.repeat(5_000_000) } });
  t.is(memory.encode('Service', 'default/large', large), undefined);
  await memory.close();
});

test('a disk that takes nothing is told of once, and asked again later', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'tg-memory-full-'));
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'none', folder]);
  t.teardown(() => {
    execFileSync('umount', [folder]);
    rmSync(folder, { recursive: true });
  });
  const path = join(folder, 'cluster.ledger');
  const log = recordingLog();
  const clock = fakeClock();
  const memory = await open(path, clock, log);
  memory.setCluster(MARK);
  put(memory, 'Service', 'default/a', object('a', { spec: { note: 'x'.repeat(100_000) } }));
  clock.advance(WRITE_EVERY_MS);
  while (log.lines.length === 0) await sleep(5);
  t.is(log.lines[0]?.level, 'warn');
  t.regex(String(log.lines[0]?.fields['error']), /ENOSPC/);
  clock.advance(60_000);
  await sleep(20);
  t.is(log.lines.length, 1);
  put(memory, 'Service', 'default/a', object('a'));
  await memory.close();
  const again = await open(path);
  t.deepEqual(Object.keys((await recalled(again)).found), ['Service default/a']);
  await again.close();
});

test('what is saved while all is read waits, and so does the end', async (t) => {
  const path = makePath(t);
  const filling = await open(path);
  filling.setCluster(MARK);
  for (let at = 0; at < 50; at += 1) put(filling, 'Service', `default/s${at}`, object(`s${at}`));
  await filling.close();
  const clock = fakeClock();
  let turns = 0;
  const log = recordingLog();
  const breathe = () => {
    turns += 1;
    return new Promise<void>((resolve) => setImmediate(resolve));
  };
  const memory = await openMemory({ path, breathe, clock, log });
  const opened = turns;
  const reading = recalled(memory);
  while (turns < opened + 60) await breathe();
  put(memory, 'Service', 'default/s0', object('s0', { status: {} }));
  clock.advance(WRITE_EVERY_MS);
  await memory.close();
  t.is(Object.keys((await reading).found).length, 50);
  t.deepEqual(log.lines, []);
  const { found } = await recalled(await open(path));
  t.true('status' in (found['Service default/s0'] as object));
});
