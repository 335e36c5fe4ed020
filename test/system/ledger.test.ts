import { execFileSync, spawn } from 'node:child_process';
import {
  appendFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import fc from 'fast-check';
import type { Json } from '../../src/system/json.ts';
import { type LedgerWriter, openLedger } from '../../src/system/ledger.ts';
import { encodeLine } from '../../src/system/ledger-line.ts';

function temporaryFolder(t: ExecutionContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'tg-ledger-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A file system of its own with this many KiB. */
function smallDisk(t: ExecutionContext, kib: number): string {
  const folder = mkdtempSync(join(tmpdir(), 'tg-ledger-disk-'));
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${kib}k`, 'tmpfs', folder]);
  t.teardown(() => {
    execFileSync('umount', [folder]);
    rmSync(folder, { recursive: true });
  });
  return folder;
}

async function entriesOf(path: string): Promise<Array<[string, Json]>> {
  const ledger = await openLedger(path, { durable: false });
  await ledger.close();
  return [...ledger.entries];
}

function sorted(entries: Iterable<readonly [string, Json]>): Array<readonly [string, Json]> {
  return [...entries].sort(([a], [b]) => (a < b ? -1 : 1));
}

test('openLedger() reads back what was put', async (t) => {
  const path = join(temporaryFolder(t), 'deep', 'a.ledger');
  const changes = fc.array(
    fc.tuple(fc.constantFrom('a', 'b', 'c', '__proto__'), fc.option(fc.nat(), { nil: undefined })),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(changes, { maxLength: 5 }), async (puts) => {
      rmSync(path, { force: true });
      const expected = new Map<string, number>();
      const ledger = await openLedger(path, { durable: true });
      for (const put of puts) {
        await ledger.put(put);
        for (const [key, value] of put)
          if (value === undefined) expected.delete(key);
          else expected.set(key, value);
        t.deepEqual(sorted(ledger.entries), sorted(expected));
      }
      await ledger.close();
      t.deepEqual(sorted(await entriesOf(path)), sorted(expected));
    }),
    { numRuns: 40 },
  );
});

test('openLedger() cuts off an unfinished write, says so, and appends after it', async (t) => {
  const path = join(temporaryFolder(t), 'a.ledger');
  const whole = encodeLine('a', 1, false);
  const unfinished = Buffer.concat([encodeLine('b', 2, true), encodeLine('c', 3, false)]);
  for (let cut = 1; cut < unfinished.length; cut++) {
    writeFileSync(path, Buffer.concat([whole, unfinished.subarray(0, cut)]));
    const ledger = await openLedger(path, { durable: false });
    t.like(ledger.damage, [{ line: 2, kind: 'torn' }]);
    t.deepEqual([...ledger.entries], [['a', 1]]);
    await ledger.put([['d', 4]]);
    await ledger.close();
    t.is(readFileSync(path, 'utf8'), `${whole}${encodeLine('d', 4, false)}`);
  }
});

test('openLedger() skips a corrupt line and names it', async (t) => {
  const path = join(temporaryFolder(t), 'a.ledger');
  const lines = [encodeLine('a', 1, false), 'nonsense\n', encodeLine('b', 2, false)];
  writeFileSync(path, lines.join(''));
  const ledger = await openLedger(path, { durable: false });
  t.deepEqual(ledger.damage, [
    { line: 2, kind: 'corrupt', message: 'Line 2 fails its checksum and is skipped' },
  ]);
  t.deepEqual([...ledger.entries.keys()], ['a', 'b']);
  await ledger.close();
});

test('put() keeps the order of puts that were not awaited', async (t) => {
  const path = join(temporaryFolder(t), 'a.ledger');
  const ledger = await openLedger(path, { durable: false });
  await Promise.all(Array.from({ length: 200 }, (_, index) => ledger.put([['a', index]])));
  await ledger.close();
  t.deepEqual(await entriesOf(path), [['a', 199]]);
});

test('put() refuses when too many wait, and after close()', async (t) => {
  const ledger = await openLedger(join(temporaryFolder(t), 'a.ledger'), { durable: false });
  const results = await Promise.allSettled(
    Array.from({ length: 1100 }, (_, index) => ledger.put([['a', index]])),
  );
  t.is(results.filter(({ status }) => status === 'rejected').length, 1100 - 1024);
  t.is(ledger.entries.get('a'), 1023);
  await ledger.close();
  await t.throwsAsync(ledger.put([['a', 1]]), { message: /is closed/ });
});

test('put() writes a value that is too large nowhere', async (t) => {
  const path = join(temporaryFolder(t), 'a.ledger');
  const ledger = await openLedger(path, { durable: false });
  const error = await t.throwsAsync(
    ledger.put([
      ['small', 1],
      ['big', 'x'.repeat(5_000_000)],
    ]),
  );
  t.regex(error?.message ?? '', /"big"/);
  t.is(ledger.entries.size, 0);
  t.is(statSync(path).size, 0);
  await ledger.close();
});

test('close() gives the lock back', async (t) => {
  let released = 0;
  const lock = {
    release() {
      released += 1;
    },
  };
  const ledger = await openLedger(join(temporaryFolder(t), 'a.ledger'), { durable: false, lock });
  t.is(released, 0);
  await ledger.close();
  t.is(released, 1);
});

async function fill(ledger: LedgerWriter): Promise<number> {
  for (let count = 0; ; count++) {
    try {
      await ledger.put([
        [`key ${count}`, 'x'.repeat(700)],
        ['last', count],
      ]);
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === 'ENOSPC') return count;
      throw cause;
    }
  }
}

test('put() changes nothing when the disk is full, and works again when it is not', async (t) => {
  const disk = smallDisk(t, 128);
  const path = join(disk, 'a.ledger');
  writeFileSync(join(disk, 'ballast'), Buffer.alloc(16 * 1024));
  const ledger = await openLedger(path, { durable: true });
  const count = await fill(ledger);
  const before = readFileSync(path);
  await t.throwsAsync(ledger.put([['one more', 'y'.repeat(100_000)]]), { code: 'ENOSPC' });
  t.deepEqual(readFileSync(path), before);
  t.is(ledger.entries.size, count + 1);
  t.is(ledger.entries.get('last'), count - 1);
  t.deepEqual(sorted(await entriesOf(path)), sorted(ledger.entries));
  rmSync(join(disk, 'ballast'));
  await ledger.put([['one more', 1]]);
  t.true((await entriesOf(path)).some(([key]) => key === 'one more'));
  await ledger.close();
});

test('put() compacts a file that says the same again and again', async (t) => {
  const path = join(temporaryFolder(t), 'a.ledger');
  const ledger = await openLedger(path, { durable: false });
  let largest = 0;
  for (let round = 0; round < 400; round++) {
    await ledger.put([[`k${round % 3}`, { round, filler: 'x'.repeat(3000) }]]);
    largest = Math.max(largest, statSync(path).size);
  }
  await ledger.close();
  t.true(largest < 300_000, `${largest} bytes`);
  t.deepEqual(await entriesOf(path), [...ledger.entries]);
  t.false(existsSync(`${path}.new`));
});

test('put() goes on without compaction when the disk has no room for it', async (t) => {
  const disk = smallDisk(t, 600);
  const path = join(disk, 'a.ledger');
  const ledger = await openLedger(path, { durable: false });
  const filler = 'x'.repeat(30_000);
  for (let round = 0; round < 8; round++) await ledger.put([[`k${round % 2}`, { round, filler }]]);
  writeFileSync(join(disk, 'ballast'), Buffer.alloc(300 * 1024));
  await ledger.put([['k0', { round: 8, filler }]]);
  await ledger.put([['k1', 'small']]);
  t.true(statSync(path).size > 256 * 1024);
  t.false(existsSync(`${path}.new`));
  await ledger.close();
  t.deepEqual(sorted(await entriesOf(path)), sorted(ledger.entries));
});

for (const [what, disturb] of [
  ['was removed', (path: string) => rmSync(path)],
  ['was emptied', (path: string) => truncateSync(path)],
  ['was written to', (path: string) => appendFileSync(path, 'by somebody else')],
  [
    'was replaced',
    (path: string) => {
      rmSync(path);
      writeFileSync(path, 'something else');
    },
  ],
] as const) {
  test(`put() says everything anew when the file ${what} by somebody else`, async (t) => {
    const path = join(temporaryFolder(t), 'a.ledger');
    const ledger = await openLedger(path, { durable: true });
    await ledger.put([['a', 1]]);
    disturb(path);
    await ledger.put([['b', 2]]);
    await ledger.close();
    const again = await openLedger(path, { durable: true });
    t.deepEqual([...again.entries], [...ledger.entries]);
    t.deepEqual(again.damage, []);
    await again.close();
  });
}

/** Puts ever higher numbers under two keys, and prints each when its put has resolved. */
const WRITER = `
import { writeSync } from 'node:fs';
import { openLedger } from ${JSON.stringify(import.meta.resolve('../../src/system/ledger.ts'))};
const ledger = await openLedger(process.argv[1], { durable: true });
const filler = 'x'.repeat(5000);
for (let n = (ledger.entries.get('a')?.n ?? 0) + 1; ; n++) {
  await ledger.put([['a', { n, filler }], ['b', { n }]]);
  writeSync(1, n + '\\n');
}`;

/** Runs the writer, kills it `delayMs` after its first put; returns the last number it printed. */
function killWriter(path: string, delayMs: number): Promise<number> {
  const child = spawn(process.execPath, ['--input-type=module', '-e', WRITER, path], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    if (output === '') setTimeout(() => child.kill('SIGKILL'), delayMs);
    output += text;
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', () => resolve(Number(output.trimEnd().split('\n').at(-1))));
  });
}

test('a put that resolved is there after kill -9 at any instant, and no put by half', async (t) => {
  const path = join(temporaryFolder(t), 'a.ledger');
  for (let round = 0; round < 12; round++) {
    const acknowledged = await killWriter(path, Math.random() * 60);
    const ledger = await openLedger(path, { durable: true });
    const [a, b] = ['a', 'b'].map((key) => (ledger.entries.get(key) as { n: number }).n);
    await ledger.close();
    t.true(acknowledged > 0);
    t.true(a === acknowledged || a === acknowledged + 1, `${a} after ${acknowledged}`);
    t.is(a, b);
    t.true(ledger.damage.every(({ kind }) => kind === 'torn'));
  }
});
