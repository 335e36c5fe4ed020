import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { type DiskMap, openDiskMap } from '../../src/system/disk-map.ts';
import type { Json } from '../../src/system/json.ts';
import { encodeLine } from '../../src/system/ledger-line.ts';

function makePath(t: ExecutionContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'tg-disk-map-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  return join(folder, 'below', 'map');
}

const open = (path: string) => openDiskMap(path, () => undefined);

function put(map: DiskMap, values: Record<string, Json | undefined>): Promise<void> {
  return map.write(
    new Map(
      Object.entries(values).map(([key, value]) => [
        key,
        value === undefined ? undefined : encodeLine(key, value, false),
      ]),
    ),
  );
}

async function all(map: DiskMap): Promise<Record<string, Json>> {
  const found: Record<string, Json> = {};
  await map.read((key, value) => {
    found[key] = value;
    return true;
  });
  return found;
}

test('values are there again when the map is opened anew', async (t) => {
  const path = makePath(t);
  const first = await open(path);
  await put(first, { a: 1, b: { text: 'ä\n"' }, c: [3] });
  await put(first, { b: null, c: undefined });
  t.deepEqual(await all(first), { a: 1, b: null });
  await first.close();
  const second = await open(path);
  t.deepEqual([...second.keys()].sort(), ['a', 'b']);
  t.deepEqual(await all(second), { a: 1, b: null });
  await second.close();
});

test('what stands there already is not written again', async (t) => {
  const path = makePath(t);
  const map = await open(path);
  await put(map, { a: 'one', b: 'two' });
  const { size } = statSync(path);
  await put(map, { a: 'one', none: undefined });
  t.is(statSync(path).size, size);
  await put(map, { a: 'another' });
  t.true(statSync(path).size > size);
  await map.close();
});

test('read() ends when it is told to', async (t) => {
  const map = await open(makePath(t));
  await put(map, { a: 1, b: 2, c: 3 });
  let calls = 0;
  await map.read(() => {
    calls += 1;
    return calls < 2;
  });
  t.is(calls, 2);
  await map.close();
});

test('an unfinished line at the end is written over, and a damaged one is passed over', async (t) => {
  const path = makePath(t);
  const first = await open(path);
  await put(first, { a: 1, b: 2 });
  await first.close();
  appendFileSync(path, `${readFileSync(path, 'utf8').split('\n')[0]?.replace('1', '7')}\n{"k":"c`);
  const second = await open(path);
  t.deepEqual(await all(second), { a: 1, b: 2 });
  await put(second, { d: 4 });
  t.deepEqual(await all(second), { a: 1, b: 2, d: 4 });
  await second.close();
  const third = await open(path);
  t.deepEqual(await all(third), { a: 1, b: 2, d: 4 });
  await third.close();
});

test('the file stays near the size of what counts', async (t) => {
  const path = makePath(t);
  const map = await open(path);
  await put(map, { fixed: 'x'.repeat(1000) });
  for (let round = 0; round < 40; round += 1) await put(map, { big: `${round}`.repeat(300_000) });
  t.true(statSync(path).size < 5_000_000);
  const { fixed, big } = await all(map);
  t.is(fixed, 'x'.repeat(1000));
  t.is(big, '39'.repeat(300_000));
  await map.close();
  const again = await open(path);
  t.deepEqual(Object.keys(await all(again)).sort(), ['big', 'fixed']);
  await again.close();
});

test('values longer than one read are found', async (t) => {
  const path = makePath(t);
  const map = await open(path);
  const long = 'ü'.repeat(1_200_000);
  await put(map, { before: 1, long, after: 2 });
  await map.close();
  const again = await open(path);
  t.deepEqual(await all(again), { before: 1, long, after: 2 });
  await again.close();
});

test('a file that was cut keeps what is whole', async (t) => {
  const path = makePath(t);
  const map = await open(path);
  await put(map, { a: 1 });
  const { size } = statSync(path);
  await put(map, { b: 2 });
  await map.close();
  truncateSync(path, size + 3);
  const again = await open(path);
  t.deepEqual(await all(again), { a: 1 });
  await again.close();
});
