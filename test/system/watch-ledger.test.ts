import { appendFileSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { type LedgerReader, openLedger } from '../../src/system/ledger.ts';
import { encodeLine } from '../../src/system/ledger-line.ts';
import { watchLedger } from '../../src/system/watch-ledger.ts';

function temporaryFolder(t: ExecutionContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'tg-watch-ledger-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

interface Watched {
  readonly reader: LedgerReader;
  readonly calls: string[][];
  /** Resolves when `holds` does; fails the test after five seconds. */
  until(holds: () => boolean): Promise<void>;
}

function watched(t: ExecutionContext, path: string): Watched {
  const calls: string[][] = [];
  let wake = () => {};
  const reader = watchLedger(path, (changed) => {
    calls.push([...changed].sort());
    wake();
  });
  t.teardown(() => reader.close());
  const until = (holds: () => boolean) =>
    new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error('The change did not arrive')), 5000);
      wake = () => {
        if (!holds()) return;
        clearTimeout(timer);
        resolve();
      };
      wake();
    });
  return { reader, calls, until };
}

test('watchLedger() has the entries at once and calls back for later changes only', async (t) => {
  const path = join(temporaryFolder(t), 'a.ledger');
  const writer = await openLedger(path, { durable: false });
  await writer.put([['a', 1]]);
  const { reader, calls, until } = watched(t, path);
  t.deepEqual([...reader.entries], [['a', 1]]);
  await writer.put([
    ['a', 2],
    ['b', { x: [1] }],
  ]);
  await until(() => reader.entries.size === 2);
  await writer.put([['a', undefined]]);
  await until(() => reader.entries.size === 1);
  t.deepEqual(calls, [['a', 'b'], ['a']]);
  await writer.close();
});

test('watchLedger() waits for a file and a folder that do not exist yet', async (t) => {
  const folder = join(temporaryFolder(t), 'later');
  const path = join(folder, 'a.ledger');
  const { reader, until } = watched(t, path);
  t.is(reader.entries.size, 0);
  mkdirSync(folder);
  writeFileSync(path, encodeLine('a', 1, false));
  await until(() => reader.entries.get('a') === 1);
  t.is(reader.failure, undefined);
});

test('watchLedger() sees a replaced file and reports only what differs', async (t) => {
  const path = join(temporaryFolder(t), 'a.ledger');
  const lines = ['a', 'b', 'c'].map((key) => encodeLine(key, { key }, false));
  writeFileSync(path, Buffer.concat(lines));
  const { reader, calls, until } = watched(t, path);
  const before = reader.entries.get('b');
  writeFileSync(
    `${path}.new`,
    Buffer.concat([encodeLine('b', { key: 'b' }, false), encodeLine('c', 7, false)]),
  );
  renameSync(`${path}.new`, path);
  await until(() => reader.entries.get('c') === 7);
  t.deepEqual(calls, [['a', 'c']]);
  t.is(reader.entries.get('b'), before);
});

test('watchLedger() sees a put taken back and another written in its place', async (t) => {
  const path = join(temporaryFolder(t), 'a.ledger');
  const first = encodeLine('a', 1, false);
  writeFileSync(path, Buffer.concat([first, encodeLine('b', 'wrong', false)]));
  const { reader, until } = watched(t, path);
  writeFileSync(path, Buffer.concat([first, encodeLine('c', 'a longer one', false)]));
  await until(() => reader.entries.has('c'));
  t.deepEqual([...reader.entries.keys()], ['a', 'c']);
});

test('watchLedger() never delivers half a put', async (t) => {
  const path = join(temporaryFolder(t), 'a.ledger');
  const { reader, calls, until } = watched(t, path);
  const bytes = Buffer.concat([encodeLine('a', 1, true), encodeLine('b', 2, false)]);
  for (const byte of bytes) {
    appendFileSync(path, Buffer.from([byte]));
    await new Promise((resolve) => setImmediate(resolve));
    t.true(reader.entries.size === 0 || reader.entries.size === 2);
  }
  await until(() => reader.entries.size === 2);
  t.deepEqual(calls, [['a', 'b']]);
});

test('watchLedger() skips a corrupt line, says which, and goes on', async (t) => {
  const path = join(temporaryFolder(t), 'a.ledger');
  writeFileSync(path, encodeLine('a', 1, false));
  const { reader, until } = watched(t, path);
  appendFileSync(path, 'nonsense\n');
  appendFileSync(path, encodeLine('b', 2, false));
  await until(() => reader.entries.has('b'));
  t.like(reader.damage, [{ line: 2, kind: 'corrupt' }]);
});

test('watchLedger() keeps its entries when the file is removed', async (t) => {
  const path = join(temporaryFolder(t), 'a.ledger');
  writeFileSync(path, encodeLine('a', 1, false));
  const { reader, until } = watched(t, path);
  rmSync(path);
  writeFileSync(
    `${path}.new`,
    Buffer.concat([encodeLine('a', 1, false), encodeLine('b', 2, false)]),
  );
  t.is(reader.entries.get('a'), 1);
  renameSync(`${path}.new`, path);
  await until(() => reader.entries.has('b'));
});

test('watchLedger() says why it cannot read and recovers', async (t) => {
  const path = join(temporaryFolder(t), 'a.ledger');
  mkdirSync(path);
  const { reader, until } = watched(t, path);
  t.is((reader.failure as NodeJS.ErrnoException | undefined)?.code, 'EISDIR');
  rmSync(path, { recursive: true });
  writeFileSync(path, encodeLine('a', 1, false));
  await until(() => reader.entries.has('a'));
  t.is(reader.failure, undefined);
});

test('watchLedger() follows a writer through compactions', async (t) => {
  const path = join(temporaryFolder(t), 'a.ledger');
  const writer = await openLedger(path, { durable: false });
  const { reader, until } = watched(t, path);
  const filler = 'x'.repeat(4000);
  for (let round = 0; round < 300; round++)
    await writer.put([[`k${round % 7}`, { round, filler }]]);
  await writer.put([['last', true]]);
  await until(() => reader.entries.has('last'));
  t.deepEqual(new Map(reader.entries), new Map(writer.entries));
  await writer.close();
});
