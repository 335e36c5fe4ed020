import {
  appendFileSync,
  chmodSync,
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  renameSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { type FolderEvent, openInotify } from '../../src/system/inotify.ts';

function setUp(t: ExecutionContext) {
  const folder = mkdtempSync(join(tmpdir(), 'tg-inotify-'));
  const events: FolderEvent[] = [];
  let wake = () => {};
  const inotify = openInotify((batch) => {
    events.push(...batch);
    wake();
  });
  const watch = inotify.watch(folder);
  t.teardown(() => {
    inotify.close();
    rmSync(folder, { recursive: true, force: true });
  });
  /** What happened to `name`, in order, up to and with the last event `until`. */
  const seen = (name: string, until: FolderEvent['what']) =>
    new Promise<string[]>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`No ${until} of ${name}`)), 5000);
      wake = () => {
        const list = events.filter((event) => event.name === name).map(({ what }) => what);
        if (list.at(-1) !== until) return;
        clearTimeout(timer);
        resolve(list);
      };
      wake();
    });
  return { folder, inotify, watch, events, seen };
}

test('openInotify() tells writing from written', async (t) => {
  const { folder, watch, events, seen } = setUp(t);
  const fd = openSync(join(folder, 'ä.yaml'), 'w');
  writeSync(fd, 'half');
  t.deepEqual(await seen('ä.yaml', 'modified'), ['created', 'modified']);
  writeSync(fd, 'whole');
  closeSync(fd);
  t.deepEqual(await seen('ä.yaml', 'ready'), ['created', 'modified', 'modified', 'ready']);
  t.true(events.every((event) => event.watch === watch));
});

test('openInotify() tells of moves, removals and attributes', async (t) => {
  const { folder, seen } = setUp(t);
  writeFileSync(join(folder, 'a'), 'x');
  renameSync(join(folder, 'a'), join(folder, 'b'));
  t.deepEqual(await seen('b', 'ready'), ['ready']);
  t.is((await seen('a', 'gone')).at(-1), 'gone');
  chmodSync(join(folder, 'b'), 0o600);
  t.is((await seen('b', 'attributes')).at(-1), 'attributes');
  rmSync(join(folder, 'b'));
  t.is((await seen('b', 'gone')).at(-1), 'gone');
});

test('openInotify() says when the folder itself goes', async (t) => {
  const { folder, seen } = setUp(t);
  rmSync(folder, { recursive: true });
  t.true((await seen('', 'folder-gone')).includes('folder-gone'));
});

test('watch() throws with a code when the folder cannot be watched', (t) => {
  const { folder, inotify } = setUp(t);
  t.throws(() => inotify.watch(join(folder, 'none')), { code: 'ENOENT' });
  writeFileSync(join(folder, 'file'), '');
  t.throws(() => inotify.watch(join(folder, 'file')), { code: 'ENOTDIR' });
});

test('unwatch() ends one watch, and is no error when the folder is gone', async (t) => {
  const { folder, inotify, events, seen } = setUp(t);
  const inner = join(folder, 'inner');
  mkdirSync(inner);
  const second = inotify.watch(inner);
  inotify.unwatch(second);
  appendFileSync(join(inner, 'unseen'), 'x');
  appendFileSync(join(folder, 'seen'), 'x');
  await seen('seen', 'ready');
  t.false(events.some(({ name }) => name === 'unseen'));
  rmSync(inner, { recursive: true });
  t.notThrows(() => inotify.unwatch(second));
});

test('close() ends everything, and using it afterwards throws', (t) => {
  const inotify = openInotify(() => t.fail());
  inotify.watch(tmpdir());
  inotify.close();
  t.throws(() => inotify.watch(tmpdir()), { code: 'EBADF' });
});
