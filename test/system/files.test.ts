import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { openReplacement, watchFolder } from '../../src/system/files.ts';

function temporaryFolder(t: ExecutionContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'tg-system-files-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

test('openReplacement() puts new content in the place of the old, open for writing', async (t) => {
  const path = join(temporaryFolder(t), 'a');
  writeFileSync(path, 'old content');
  const handle = await openReplacement(path, Buffer.from('new'), { durable: true });
  t.is(readFileSync(path, 'utf8'), 'new');
  await handle.write('er', 3);
  await handle.close();
  t.is(readFileSync(path, 'utf8'), 'newer');
  t.false(existsSync(`${path}.new`));
});

test('openReplacement() leaves the old content when it fails, and nothing beside it', async (t) => {
  const path = join(temporaryFolder(t), 'a');
  mkdirSync(path);
  writeFileSync(join(path, 'kept'), '');
  await t.throwsAsync(openReplacement(path, Buffer.from('new'), { durable: false }), {
    code: 'EISDIR',
  });
  t.true(existsSync(join(path, 'kept')));
  t.false(existsSync(`${path}.new`));
});

test('watchFolder() tells names, and starts over when the folder is replaced', async (t) => {
  const folder = join(temporaryFolder(t), 'watched');
  mkdirSync(folder);
  const names: Array<string | undefined> = [];
  let wake = () => {};
  const watch = watchFolder(folder, (name) => {
    names.push(name);
    wake();
  });
  t.teardown(() => watch.close());
  const until = (wanted: string | undefined) =>
    new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`No event of ${wanted}`)), 5000);
      wake = () => {
        if (!names.includes(wanted)) return;
        clearTimeout(timer);
        resolve();
      };
      wake();
    });
  writeFileSync(join(folder, 'a'), '');
  await until('a');
  t.is(watch.failure, undefined);
  renameSync(folder, `${folder}-old`);
  mkdirSync(folder);
  await until(undefined);
  writeFileSync(join(folder, 'b'), '');
  await until('b');
  t.false(names.includes('c'));
});

test('watchFolder() says why it cannot watch', (t) => {
  const watch = watchFolder(join(temporaryFolder(t), 'none'), () => {});
  t.teardown(() => watch.close());
  t.is((watch.failure as NodeJS.ErrnoException | undefined)?.code, 'ENOENT');
});
