import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { setRestartMarker } from '../../../src/speaker/bgp/restart-marker.ts';

test('setRestartMarker() tells a death from a first start and from a stop', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'tg-marker-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const runDir = join(directory, 'run');
  t.false((await setRestartMarker(runDir)).found);
  const second = await setRestartMarker(runDir);
  t.true(second.found);
  await second.remove();
  t.false((await setRestartMarker(runDir)).found);
});

test('setRestartMarker() rejects where no file can be made', async (t) => {
  await t.throwsAsync(setRestartMarker('/dev/null/run'), { code: 'ENOTDIR' });
});
