import test from 'ava';
import fc from 'fast-check';
import type { Json } from '../../src/system/json.ts';
import { encodeLine, MAX_LINE_BYTES, replay } from '../../src/system/ledger-line.ts';

type Change = readonly [string, Json | undefined];

const keys = fc.oneof(fc.constantFrom('a', 'default/web', '__proto__', '', 'ключ\n"'), fc.string());
const change = fc.tuple(keys, fc.option(fc.jsonValue() as fc.Arbitrary<Json>, { nil: undefined }));
const put = fc.array(change, { minLength: 1, maxLength: 4 });
const puts = fc.array(put, { maxLength: 6 });

function encodePut(changes: readonly Change[]): Buffer {
  return Buffer.concat(
    changes.map(([key, value], index) => encodeLine(key, value, index < changes.length - 1)),
  );
}

/** Values as JSON gives them back: -0 becomes 0. */
function plain(list: readonly (readonly Change[])[]): Change[] {
  return list
    .flat()
    .map(([key, value]) => [key, value === undefined ? value : JSON.parse(JSON.stringify(value))]);
}

function read(bytes: Buffer): Change[] {
  return replay(bytes).changes.map(({ key, value }) => [key, value]);
}

test('replay() gives back what encodeLine() wrote', (t) => {
  fc.assert(
    fc.property(puts, (list) => {
      const result = replay(Buffer.concat(list.map(encodePut)));
      t.deepEqual(
        result.changes.map(({ key, value }) => [key, value]),
        plain(list),
      );
      t.deepEqual(result.damage, []);
    }),
  );
});

test('replay() gives the whole puts before the cut when the file is cut at any byte', (t) => {
  const list: Change[][] = [
    [['a', 1]],
    [
      ['b', { text: 'ü' }],
      ['a', undefined],
      ['c', [1, 2]],
    ],
    [['d', null]],
  ];
  const parts = list.map(encodePut);
  const bytes = Buffer.concat(parts);
  for (let cut = 0; cut <= bytes.length; cut++) {
    const result = replay(bytes.subarray(0, cut));
    let whole = 0;
    let length = 0;
    while (whole < parts.length && length + (parts[whole]?.length ?? 0) <= cut)
      length += parts[whole++]?.length ?? 0;
    t.deepEqual(read(bytes.subarray(0, cut)), plain(list.slice(0, whole)));
    t.is(result.length, length);
    t.deepEqual(
      result.damage.map(({ kind }) => kind),
      cut === length ? [] : ['torn'],
    );
  }
});

test('replay() skips only the line concerned when any one byte of it is changed', (t) => {
  const list: Change[][] = [[['a', 1]], [['b', 'two']], [['c', true]]];
  const parts = list.map(encodePut);
  const start = parts[0]?.length ?? 0;
  const end = start + (parts[1]?.length ?? 0);
  for (let at = start; at < end - 1; at++) {
    for (const flip of [1, 0x20, 0x80]) {
      const bytes = Buffer.concat(parts);
      bytes[at] = (bytes[at] ?? 0) ^ flip;
      if (bytes[at] === 10) continue;
      const result = replay(bytes);
      t.deepEqual(read(bytes), plain([list[0] ?? [], list[2] ?? []]));
      t.is(result.length, bytes.length);
      t.like(result.damage, [{ line: 2, kind: 'corrupt' }]);
    }
  }
});

test('replay() keeps the rest of a put when one line of it is corrupt', (t) => {
  const bytes = encodePut([
    ['a', 1],
    ['b', 2],
    ['c', 3],
  ]);
  const text = bytes.toString().replace('"v":2', '"v":7');
  t.deepEqual(read(Buffer.from(text)), [
    ['a', 1],
    ['c', 3],
  ]);
});

test('replay() does not throw on arbitrary bytes', (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (noise) => {
      const result = replay(Buffer.from(noise));
      t.true(result.length <= noise.length);
    }),
  );
});

test('replay() numbers lines from the given one', (t) => {
  t.like(replay(Buffer.from('nonsense\n'), 41).damage, [{ line: 41 }]);
});

test('encodeLine() writes one line that other programs read as JSON', (t) => {
  const line = encodeLine('default/web', { a: 1 }, false).toString();
  t.regex(line, /^\{"k":"default\/web","v":\{"a":1\},"c":"[0-9a-f]{8}"\}\n$/);
});

test('encodeLine() refuses a value that is too large', (t) => {
  const error = t.throws(() => encodeLine('big', 'x'.repeat(MAX_LINE_BYTES), false), {
    instanceOf: RangeError,
  });
  t.regex(error.message, /"big"/);
});
