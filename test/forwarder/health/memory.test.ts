import { appendFile, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import type { CheckHealth } from '../../../src/domain/health.ts';
import { openMemory } from '../../../src/forwarder/health/memory.ts';
import { openLedger } from '../../../src/system/ledger.ts';
import { fakeClock } from '../../support/fake-clock.ts';
import { recordingLog } from '../../support/recording-log.ts';
import { until } from './support.ts';

const UP: CheckHealth = { state: 'up', sinceMs: 5, reason: '' };
const REFUSED: CheckHealth = { state: 'down', sinceMs: 9, reason: 'status 503', status: 503 };
const DOWN: CheckHealth = { state: 'down', sinceMs: 7, reason: 'connection refused' };

async function inFolder(run: (path: string) => Promise<void>) {
  const folder = await mkdtemp(join(tmpdir(), 'tidegate-memory-'));
  try {
    await run(join(folder, 'health.ledger'));
  } finally {
    await rm(folder, { recursive: true });
  }
}

test('what was saved is remembered by the next process, and what was forgotten is not', async (t) => {
  await inFolder(async (path) => {
    const first = await openMemory(path, fakeClock(), recordingLog());
    first.save(new Map(Object.entries({ a: UP, b: DOWN })));
    first.save(new Map([['c', UP]]));
    first.save(new Map([['d', REFUSED]]));
    first.save(new Map([['a', undefined]]));
    await first.close();
    const second = await openMemory(path, fakeClock(), recordingLog());
    t.deepEqual([...second.remembered].sort(), [
      ['b', DOWN],
      ['c', UP],
      ['d', REFUSED],
    ]);
    await second.close();
  });
});

test('entries that are not understood are left out and said', async (t) => {
  await inFolder(async (path) => {
    const ledger = await openLedger(path, { durable: false });
    await ledger.put([
      ['good', { state: 'up', since: 5, reason: '' }],
      ['list', []],
      ['state', { state: 'sideways', since: 5, reason: '' }],
      ['since', { state: 'up', since: 'yesterday', reason: '' }],
    ]);
    await ledger.close();
    await appendFile(path, 'rubbish\n');
    const log = recordingLog();
    const memory = await openMemory(path, fakeClock(), log);
    t.deepEqual([...memory.remembered], [['good', UP]]);
    t.is(log.lines.length, 4);
    await memory.close();
  });
});

test('a write that fails is said once, repeated, and lost to nobody', async (t) => {
  await inFolder(async (path) => {
    const clock = fakeClock();
    const log = recordingLog();
    const memory = await openMemory(path, clock, log);
    // A folder in the place of the file: the ledger notices that it was replaced and cannot write.
    await rm(path);
    await mkdir(path);
    memory.save(new Map([['a', UP]]));
    await until(() => log.lines.length === 1);
    memory.save(new Map([['a', DOWN]]));
    clock.advance(1_000);
    await rm(path, { recursive: true });
    clock.advance(1_000);
    await memory.close();
    const again = await openMemory(path, fakeClock(), log);
    t.deepEqual([...again.remembered], [['a', DOWN]]);
    t.is(log.lines.length, 1);
    await again.close();
  });
});
