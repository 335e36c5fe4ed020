import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { lockFile } from '../../src/system/process-lock.ts';

const MODULE = new URL('../../src/system/process-lock.ts', import.meta.url).href;

function lockPath(t: ExecutionContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'tidegate-lock-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  return join(folder, 'run', 'speaker.lock');
}

test('lockFile() refuses what this process holds already, until it is released', (t) => {
  const path = lockPath(t);
  const lock = lockFile(path);
  t.throws(() => lockFile(path), { code: 'ELOCKED', message: new RegExp(`${process.pid} holds`) });
  lock.release();
  lock.release();
  lockFile(path).release();
  t.is(readFileSync(path, 'utf8'), `${process.pid}\n`);
});

test('lockFile() names the process that holds the lock, and takes it over from a killed one', async (t) => {
  const path = lockPath(t);
  const program = `import { lockFile } from '${MODULE}'; lockFile('${path}'); console.log('held');
    setInterval(() => {}, 1000);`;
  const holder = spawn(process.execPath, ['--input-type=module-typescript', '-e', program]);
  await once(holder.stdout, 'data');
  t.throws(() => lockFile(path), {
    code: 'ELOCKED',
    message: `Cannot lock "${path}": process ${holder.pid} holds it; stop that one first`,
  });
  holder.kill('SIGKILL');
  await once(holder, 'exit');
  lockFile(path).release();
  t.true(existsSync(path));
});
