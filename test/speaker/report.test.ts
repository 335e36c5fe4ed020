import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { openReport } from '../../src/speaker/report.ts';
import { lockFile } from '../../src/system/process-lock.ts';
import { decodeAnnouncement, SPEAKER_REPORT } from '../../src/system/reports.ts';
import { watchLedger } from '../../src/system/watch-ledger.ts';
import { fakeClock } from '../support/fake-clock.ts';
import { address } from '../support/objects.ts';
import { recordingLog } from '../support/recording-log.ts';

const VIP = address('192.0.2.100');
const TEXT = '192.0.2.100';

const UP = { address: VIP, announced: true, interfaces: ['eth0'], peers: [], reason: '' };
const DOWN = { address: VIP, announced: false, interfaces: [], peers: [], reason: 'noEndpoints' };

function folder(t: ExecutionContext): string {
  const path = mkdtempSync(join(tmpdir(), 'tidegate-report-'));
  t.teardown(() => rmSync(path, { recursive: true }));
  return path;
}

function open(runDir: string, clock = fakeClock(1000), log = recordingLog()) {
  return openReport(runDir, lockFile(join(runDir, 'lock')), clock, log);
}

function onDisk(runDir: string) {
  const reader = watchLedger(join(runDir, SPEAKER_REPORT), () => {});
  reader.close();
  return [...reader.entries.values()].map((json) => decodeAnnouncement(json));
}

test('a report says since when an address is announced, also over a restart', async (t) => {
  const runDir = folder(t);
  const first = await open(runDir, fakeClock(1000));
  first.set([[TEXT, UP]]);
  t.deepEqual(first.current().get(TEXT), { ...UP, sinceMs: 1000 });
  await first.close();
  t.deepEqual(onDisk(runDir), [{ ...UP, sinceMs: 1000 }]);
  const clock = fakeClock(5000);
  const second = await open(runDir, clock);
  second.set([[TEXT, { ...UP, interfaces: ['eth0', 'eth1'] }]]);
  t.is(second.current().get(TEXT)?.sinceMs, 1000);
  second.set([[TEXT, DOWN]]);
  t.is(second.current().get(TEXT)?.sinceMs, 5000);
  clock.advance(10);
  second.set([[TEXT, { ...DOWN, reason: 'speakerStopped' }]]);
  await second.close();
  t.deepEqual(onDisk(runDir), [{ ...DOWN, reason: 'speakerStopped', sinceMs: 5000 }]);
});

test('a report forgets an address, and gives its lock back', async (t) => {
  const runDir = folder(t);
  const report = await open(runDir);
  report.set([[TEXT, UP]]);
  report.set([[TEXT, undefined]]);
  t.throws(() => lockFile(join(runDir, 'lock')), { code: 'ELOCKED' });
  await report.close();
  t.deepEqual(onDisk(runDir), []);
  lockFile(join(runDir, 'lock')).release();
});

test('a report that cannot be written is written later', async (t) => {
  const runDir = folder(t);
  const clock = fakeClock(1000);
  const log = recordingLog();
  const report = await open(runDir, clock, log);
  const file = join(runDir, SPEAKER_REPORT);
  rmSync(runDir, { recursive: true });
  report.set([[TEXT, UP]]);
  while (log.lines.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  t.like(log.lines[0], { level: 'error' });
  mkdirSync(runDir);
  clock.advance(1000);
  await report.close();
  t.deepEqual(onDisk(runDir), [{ ...UP, sinceMs: 1000 }], file);
});
