import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { openFilesSource } from '../../../src/cluster/files/files-source.ts';
import type { ClusterSource } from '../../../src/domain/cluster-source.ts';
import type { Snapshot } from '../../../src/domain/snapshot.ts';
import { realClock } from '../../../src/system/real-clock.ts';
import { status } from '../../support/objects.ts';
import { recordingLog } from '../../support/recording-log.ts';

interface Box {
  readonly folder: string;
  readonly statusLedger: string;
  readonly lines: () => string[];
  write(name: string, text: string): void;
  open(writable?: boolean): Promise<ClusterSource>;
}

function box(t: ExecutionContext): Box {
  const home = mkdtempSync(join(tmpdir(), 'tg-files-'));
  const folder = join(home, 'manifests');
  mkdirSync(folder);
  const log = recordingLog();
  const statusLedger = join(home, 'state', 'status.ledger');
  const opened: ClusterSource[] = [];
  t.teardown(async () => {
    await Promise.all(opened.map((source) => source.stop()));
    rmSync(home, { recursive: true, force: true });
  });
  return {
    folder,
    statusLedger,
    lines: () => log.lines.map(({ level, message }) => `${level} ${message}`),
    write: (name, text) => writeFileSync(join(folder, name), text),
    async open(writable = true) {
      const source = await openFilesSource({
        path: folder,
        statusLedger,
        writable,
        clock: realClock,
        log,
      });
      opened.push(source);
      return source;
    },
  };
}

function service(name: string, port = 80): string {
  return `apiVersion: v1\nkind: Service\nmetadata: {name: ${name}}\nspec:\n  type: LoadBalancer\n  ports: [{port: ${port}}]\n`;
}

/** Names and ports of all Services: `shop:80 web:81`. */
function summary({ services }: Snapshot): string {
  return [...services.values()]
    .map(({ name, ports }) => `${name}:${ports[0]?.port}`)
    .sort()
    .join(' ');
}

/** Waits until a snapshot is as wanted; fails after five seconds, saying how it is. */
async function until(
  source: ClusterSource,
  holds: (snapshot: Snapshot) => boolean,
): Promise<Snapshot> {
  const deadline = Date.now() + 5000;
  while (!holds(source.current())) {
    if (Date.now() > deadline)
      throw new Error(
        `Still ${summary(source.current())} ${JSON.stringify(source.current().problems)}`,
      );
    await sleep(2);
  }
  return source.current();
}

const says = (wanted: string) => (snapshot: Snapshot) => summary(snapshot) === wanted;
const hasProblem = (text: RegExp) => (snapshot: Snapshot) =>
  snapshot.problems.some(({ message }) => text.test(message));
const noProblem = (snapshot: Snapshot) => snapshot.problems.length === 0;

test('openFilesSource() has read everything when it resolves', async (t) => {
  const { folder, write, open } = box(t);
  mkdirSync(join(folder, 'deep', 'er'), { recursive: true });
  write('a.yaml', `${service('a')}---\n${service('b', 81)}`);
  write('deep/c.yml', service('c'));
  write(
    'deep/er/d.json',
    JSON.stringify({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'd' } }),
  );
  write('.hidden.yaml', service('hidden'));
  write('e.yaml~', service('backup'));
  write('README.md', 'not a manifest');
  const source = await open();
  t.is(summary(source.current()), 'a:80 b:81 c:80');
  t.true(source.current().namespaces.has('d'));
  t.deepEqual(source.current().problems, []);
  t.is(source.current().revision, 1);
});

test('openFilesSource() of an empty folder says that there is nothing', async (t) => {
  const source = await box(t).open();
  t.is(source.current().revision, 1);
  t.is(source.current().services.size, 0);
});

test('edits, new files, new folders and deletions take effect', async (t) => {
  const { folder, write, open } = box(t);
  write('a.yaml', service('a'));
  const source = await open();
  write('a.yaml', service('a', 81));
  await until(source, says('a:81'));
  write('b.yaml', service('b'));
  await until(source, says('a:81 b:80'));
  mkdirSync(join(folder, 'new', 'er'), { recursive: true });
  write('new/er/c.yaml', service('c'));
  await until(source, says('a:81 b:80 c:80'));
  write('new/er/c.yaml', service('c', 82));
  await until(source, says('a:81 b:80 c:82'));
  unlinkSync(join(folder, 'a.yaml'));
  await until(source, says('b:80 c:82'));
  renameSync(join(folder, 'new'), join(folder, 'moved'));
  await until(source, says('b:80 c:82'));
  write('moved/er/c.yaml', service('c', 83));
  await until(source, says('b:80 c:83'));
  rmSync(join(folder, 'moved'), { recursive: true });
  await until(source, says('b:80'));
  t.deepEqual((await until(source, noProblem)).problems, []);
});

test('one edit changes one object, and gives one revision', async (t) => {
  const { write, open } = box(t);
  for (let index = 0; index < 50; index++) write(`${index}.yaml`, service(`s${index}`));
  const source = await open();
  const before = source.current();
  write('7.yaml', service('s7', 81));
  const after = await until(source, ({ revision }) => revision > before.revision);
  t.deepEqual(after.services.changedKeys(before.services), ['default/s7']);
  t.is(after.revision, before.revision + 1);
});

test('a file is not read while it is being written, whatever its bytes say', async (t) => {
  const { folder, write, open } = box(t);
  const text = `${service('new', 8080)}---\n${service('other', 8081)}`;
  const names = Array.from(text, (_, cut) => `${cut}.yaml`);
  for (const [cut, name] of names.entries()) write(name, service(`old-${cut}`));
  const source = await open();
  const before = source.current();
  const files = names.map((name, cut) => {
    const fd = openSync(join(folder, name), 'w');
    writeSync(fd, text.replace('name: new', `name: new-${cut}`).slice(0, cut));
    return fd;
  });
  await sleep(150);
  t.is(source.current(), before);
  for (const [cut, fd] of files.entries()) {
    const rest = text
      .replace('name: new', `name: new-${cut}`)
      .replace('name: other', `name: o-${cut}`);
    writeSync(fd, rest, 0);
    closeSync(fd);
  }
  await until(source, (snapshot) => snapshot.services.size === 2 * files.length);
  t.deepEqual(source.current().problems, []);
});

test('a file cut off at any byte leaves what was there, or says something whole', async (t) => {
  const { write, open } = box(t);
  const before = `${service('a', 80)}---\n${service('b', 80)}`;
  const after = `${service('a', 81)}---\n${service('b', 81)}`;
  const cuts = Array.from({ length: after.length }, (_, cut) => cut);
  const named = (text: string, cut: number) =>
    text.replace('name: a', `name: a-${cut}`).replace('name: b', `name: b-${cut}`);
  for (const cut of cuts) write(`${cut}.yaml`, named(before, cut));
  const source = await open();
  for (const cut of cuts) write(`${cut}.yaml`, named(after, cut).slice(0, cut));
  write('last.yaml', service('last'));
  await until(source, ({ services }) => services.has('default/last'));
  for (const cut of cuts) {
    const first = source.current().services.get(`default/a-${cut}`);
    t.true([80, 81].includes(first?.ports[0]?.port ?? 0), `cut at ${cut}`);
  }
});

test('a broken file leaves its objects, says where, and is mended', async (t) => {
  const { folder, lines, write, open } = box(t);
  write('a.yaml', `${service('a')}---\n${service('b')}`);
  const source = await open();
  write('a.yaml', `${service('a', 81)}---\nkind: [\n`);
  const broken = await until(source, (snapshot) => snapshot.problems.length > 0);
  t.is(summary(broken), 'a:80 b:80');
  t.deepEqual(broken.problems[0]?.position, { file: join(folder, 'a.yaml'), line: 9, column: 1 });
  await until(source, () => lines().some((line) => line.startsWith('error ')));
  write('a.yaml', service('a', 82));
  await until(source, says('a:82'));
  await until(source, () => lines().some((line) => line.startsWith('info No longer')));
  t.deepEqual(source.current().problems, []);
});

test('one broken object leaves itself as it was, and lets the others take effect', async (t) => {
  const { write, open } = box(t);
  write('a.yaml', `${service('a')}---\n${service('b')}---\n${service('c')}`);
  const source = await open();
  write('a.yaml', `${service('a', 81)}---\n${service('b', 99999)}`);
  const after = await until(source, says('a:81 b:80'));
  t.is(after.problems.length, 1);
  t.regex(after.problems[0]?.remedy ?? '', /until then the object stays as it was/);
  t.is(after.problems[0]?.position?.line, 13);
});

test('a broken object without a name may be any, so none is taken away', async (t) => {
  const { write, open } = box(t);
  write('a.yaml', `${service('a')}---\n${service('b')}`);
  const source = await open();
  write('a.yaml', `${service('a', 81)}---\n${service('b').replace('name: b', 'nam: b')}`);
  await until(source, says('a:81 b:80'));
  t.is(source.current().problems.length, 1);
});

test('an emptied file keeps its objects for a while', async (t) => {
  const { write, open } = box(t);
  write('a.yaml', service('a'));
  write('b.yaml', service('b'));
  const source = await open();
  write('a.yaml', '');
  write('b.yaml', '# nothing\n---\n');
  await sleep(300);
  t.is(summary(source.current()), 'a:80 b:80');
  write('a.yaml', service('a', 81));
  await until(source, says('a:81 b:80'));
  await until(source, says('a:81'));
});

test('a file that is removed and written anew at once is not taken away', async (t) => {
  const { folder, write, open } = box(t);
  write('a.yaml', service('a'));
  const source = await open();
  const seen: string[] = [];
  source.subscribe((snapshot) => seen.push(summary(snapshot)));
  for (let port = 81; port < 90; port++) {
    unlinkSync(join(folder, 'a.yaml'));
    await sleep(15);
    write('a.yaml', service('a', port));
    await until(source, says(`a:${port}`));
  }
  t.false(seen.includes(''));
});

test('the same object in two files is an error that names both', async (t) => {
  const { folder, write, open } = box(t);
  write('b.yaml', service('web', 80));
  const source = await open();
  write('a.yaml', `---\n${service('web', 81)}`);
  const both = await until(source, hasProblem(/stands here and in b\.yaml:1/));
  t.is(summary(both), 'web:80');
  t.deepEqual(both.problems[0]?.position, { file: join(folder, 'a.yaml'), line: 2, column: 1 });
  unlinkSync(join(folder, 'b.yaml'));
  await until(source, says('web:81'));
  await until(source, noProblem);
});

test('a ConfigMap volume is followed when its data is swapped', async (t) => {
  const { folder, open } = box(t);
  const version = (name: string, port: number) => {
    mkdirSync(join(folder, name));
    writeFileSync(join(folder, name, 'web.yaml'), service('web', port));
  };
  version('..2026_1', 80);
  symlinkSync('..2026_1', join(folder, '..data'));
  symlinkSync('..data/web.yaml', join(folder, 'web.yaml'));
  const source = await open();
  t.is(summary(source.current()), 'web:80');
  version('..2026_2', 81);
  symlinkSync('..2026_2', join(folder, '..data_tmp'));
  renameSync(join(folder, '..data_tmp'), join(folder, '..data'));
  await until(source, says('web:81'));
  rmSync(join(folder, '..2026_1'), { recursive: true });
  await sleep(100);
  t.deepEqual([summary(source.current()), source.current().problems], ['web:81', []]);
});

test('links are followed: to files elsewhere, to folders, and not in circles', async (t) => {
  const { folder, open } = box(t);
  const elsewhere = join(folder, '..', 'elsewhere');
  mkdirSync(join(elsewhere, 'sub'), { recursive: true });
  writeFileSync(join(elsewhere, 'file'), service('a'));
  writeFileSync(join(elsewhere, 'sub', 'b.yaml'), service('b'));
  symlinkSync(join(elsewhere, 'file'), join(folder, 'a.yaml'));
  symlinkSync(join(elsewhere, 'sub'), join(folder, 'sub'));
  symlinkSync('..', join(elsewhere, 'sub', 'circle'));
  symlinkSync(folder, join(folder, 'self'));
  const source = await open();
  t.is(summary(source.current()), 'a:80 b:80');
  writeFileSync(join(elsewhere, 'file'), service('a', 81));
  writeFileSync(join(elsewhere, 'sub', 'b.yaml'), service('b', 81));
  await until(source, says('a:81 b:81'));
});

test('a root that is a link is followed when it is swapped', async (t) => {
  const { folder, open } = box(t);
  const versions = [1, 2].map((version) => `${folder}-${version}`);
  for (const [index, path] of versions.entries()) {
    mkdirSync(path);
    writeFileSync(join(path, 'a.yaml'), service('a', 80 + index));
  }
  rmSync(folder, { recursive: true });
  symlinkSync(versions[0] ?? '', folder);
  const source = await open();
  t.is(summary(source.current()), 'a:80');
  symlinkSync(versions[1] ?? '', `${folder}.tmp`);
  renameSync(`${folder}.tmp`, folder);
  await until(source, says('a:81'));
  writeFileSync(join(folder, 'a.yaml'), service('a', 82));
  await until(source, says('a:82'));
});

test('a root that goes away leaves everything, says so, and is taken again', async (t) => {
  const { folder, write, open } = box(t);
  write('a.yaml', service('a'));
  const source = await open();
  renameSync(folder, `${folder}-away`);
  await until(source, hasProblem(/ENOENT/));
  t.is(summary(source.current()), 'a:80');
  renameSync(`${folder}-away`, folder);
  await until(source, noProblem);
  write('a.yaml', service('a', 81));
  await until(source, says('a:81'));
});

test('a file that cannot be read leaves its objects', async (t) => {
  const { folder, write, open } = box(t);
  write('a.yaml', service('a'));
  const source = await open();
  unlinkSync(join(folder, 'a.yaml'));
  symlinkSync('nowhere', join(folder, 'a.yaml'));
  await until(source, hasProblem(/cannot be read: ENOENT/));
  t.is(summary(source.current()), 'a:80');
  writeFileSync(join(folder, 'b.yaml'), Buffer.from([0xff, 0xfe, 0x00]));
  await until(source, hasProblem(/cannot be read.*utf-8/i));
  t.is(source.current().problems.length, 2);
});

/** Does one thing to a random file or folder; what cannot be done is left undone. */
function stir(folder: string, random: (below: number) => number, name: string) {
  const folders = ['', 'a', 'a/b', 'c', '..d'];
  const path = () => join(folder, folders[random(5)] ?? '', `${random(4)}.yaml`);
  const inner = () => join(folder, folders[1 + random(3)] ?? '');
  const text = service(name);
  const deeds = [
    () => writeFileSync(path(), text),
    () => {
      const to = path();
      writeFileSync(`${to}.tmp`, text);
      renameSync(`${to}.tmp`, to);
    },
    () => {
      const fd = openSync(path(), 'w');
      for (const part of text.match(/.{1,30}/gs) ?? []) writeSync(fd, part);
      closeSync(fd);
    },
    () => renameSync(path(), path()),
    () => unlinkSync(path()),
    () => mkdirSync(inner()),
    () => rmSync(inner(), { recursive: true }),
    () => renameSync(inner(), inner()),
    () => symlinkSync(inner(), inner()),
  ];
  try {
    deeds[random(deeds.length)]?.();
  } catch (cause) {
    if (!('code' in (cause as object))) throw cause;
  }
}

test('after any deeds in the folder, what is in it is what a fresh start finds', async (t) => {
  const { folder, open } = box(t);
  const seed = Math.floor(Math.random() * 2 ** 31);
  let state = seed;
  const random = (below: number) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fff_ffff;
    return (state >>> 8) % below;
  };
  const source = await open();
  for (let round = 0; round < 8; round++) {
    for (let deed = 0; deed < 60; deed++) {
      stir(folder, random, `s${round}-${deed}`);
      if (random(4) === 0) await sleep(random(8));
    }
    writeFileSync(join(folder, 'marker.yaml'), service(`marker-${round}`));
    await until(source, ({ services }) => services.has(`default/marker-${round}`));
    await sleep(150);
    const fresh = await open(false);
    const wanted = summary(fresh.current());
    await until(source, says(wanted)).catch(() => undefined);
    t.is(summary(source.current()), wanted, `seed ${seed}`);
    await fresh.stop();
  }
});

test('a restart with a broken file still has what was good', async (t) => {
  const { folder, write, open } = box(t);
  write('a.yaml', `${service('a')}---\n${service('b')}`);
  write('c.yaml', service('c'));
  write('d.yaml', service('d'));
  write('e.yaml', service('e'));
  await (await open()).stop();
  write('a.yaml', 'kind: [');
  write('c.yaml', service('c', 99999));
  write('d.yaml', '');
  unlinkSync(join(folder, 'e.yaml'));
  for (const writable of [false, true]) {
    const source = await open(writable);
    t.is(summary(source.current()), 'a:80 b:80 c:80 d:80');
    t.is(source.current().problems.length, 2);
    await source.stop();
  }
});

test('a restart without the root still has what was good, until the root is back', async (t) => {
  const { folder, write, open } = box(t);
  write('a.yaml', service('a'));
  write('b.yaml', service('b'));
  await (await open()).stop();
  renameSync(folder, `${folder}-away`);
  const source = await open();
  t.is(summary(source.current()), 'a:80 b:80');
  t.true(hasProblem(/ENOENT/)(source.current()));
  unlinkSync(join(`${folder}-away`, 'b.yaml'));
  writeFileSync(join(`${folder}-away`, 'a.yaml'), 'kind: [');
  renameSync(`${folder}-away`, folder);
  await until(source, says('a:80'));
  t.is(source.current().problems.length, 1);
});

test('a restart prefers the file that counted, and forgets what was removed', async (t) => {
  const { folder, write, open } = box(t);
  write('b.yaml', service('web', 80));
  const first = await open();
  write('a.yaml', service('web', 81));
  await until(first, hasProblem(/stands here/));
  await first.stop();
  const second = await open();
  t.is(summary(second.current()), 'web:80');
  await second.stop();
  unlinkSync(join(folder, 'b.yaml'));
  await (await open()).stop();
  write('a.yaml', 'kind: [');
  write('b.yaml', 'kind: [');
  const last = await open();
  t.is(summary(last.current()), 'web:81');
});

test('writeStatuses() is durable and visible when it resolves, and read again at start', async (t) => {
  const { write, open } = box(t);
  write('a.yaml', service('a'));
  const source = await open();
  const reader = await open(false);
  const held = status(['192.0.2.1', '2001:db8::1']);
  await source.writeStatuses(new Map([['default/a', held]]));
  t.is(source.current().statuses.get('default/a'), held);
  const seen = await until(reader, ({ statuses }) => statuses.has('default/a'));
  t.deepEqual(seen.statuses.get('default/a'), held);
  await source.writeStatuses(new Map([['default/b', held]]));
  await source.writeStatuses(new Map([['default/a', undefined]]));
  await until(reader, ({ statuses }) => !statuses.has('default/a') && statuses.has('default/b'));
  await source.stop();
  const again = await open();
  t.deepEqual([...again.current().statuses], [['default/b', held]]);
});

test('writeStatuses() is refused by a source opened for reading', async (t) => {
  const { open } = box(t);
  const reader = await open(false);
  await t.throwsAsync(reader.writeStatuses(new Map()), { code: 'EROFS' });
});

test('writeStatuses() rejects on a full disk with nothing changed', async (t) => {
  const { folder, statusLedger, open } = box(t);
  const state = join(statusLedger, '..');
  mkdirSync(state);
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', state]);
  t.teardown(() => execFileSync('umount', [state]));
  writeFileSync(join(folder, 'a.yaml'), service('a'));
  const source = await open();
  const held = status(['192.0.2.1']);
  await source.writeStatuses(new Map([['default/a', held]]));
  const large = { ...held, pool: 'x'.repeat(100_000) };
  await t.throwsAsync(source.writeStatuses(new Map([['default/a', large]])), { code: 'ENOSPC' });
  t.is(source.current().statuses.get('default/a'), held);
  await source.stop();
  const again = await open();
  t.deepEqual(again.current().statuses.get('default/a'), held);
  await again.stop();
});

test('a second writer is refused, and the first one named', async (t) => {
  const { open } = box(t);
  const first = await open();
  await t.throwsAsync(open(), { code: 'ELOCKED' });
  await first.stop();
  await t.notThrowsAsync(open());
});

test('a corrupt status is a problem, not a crash, and is written anew', async (t) => {
  const { statusLedger, open } = box(t);
  const source = await open();
  const held = status(['192.0.2.1']);
  await source.writeStatuses(new Map([['default/a', held]]));
  await source.writeStatuses(new Map([['default/b', held]]));
  await source.stop();
  const lines = readFileSync(statusLedger, 'utf8').split('\n');
  writeFileSync(statusLedger, [`x${lines[0]}`, lines[1], ''].join('\n'));
  appendFileSync(statusLedger, '{"half');
  const again = await open();
  t.deepEqual([...again.current().statuses.keys()], ['default/b']);
  t.deepEqual(
    again.current().problems.map(({ severity, position }) => [severity, position]),
    [
      ['error', { file: statusLedger, line: 1 }],
      ['warning', { file: statusLedger, line: 3 }],
    ],
  );
});

test('a status of another version is a problem until it is written anew', async (t) => {
  const { statusLedger, open } = box(t);
  const { openLedger } = await import('../../../src/system/ledger.ts');
  const ledger = await openLedger(statusLedger, { durable: false });
  await ledger.put([['default/a', { version: 9 }]]);
  await ledger.close();
  const source = await open();
  t.is(source.current().statuses.size, 0);
  t.like(source.current().problems[0], { object: { kind: 'Service', key: 'default/a' } });
  await source.writeStatuses(new Map([['default/a', status([])]]));
  t.deepEqual(source.current().problems, []);
});
