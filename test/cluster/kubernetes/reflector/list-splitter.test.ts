import test from 'ava';
import fc from 'fast-check';
import { createListSplitter } from '../../../../src/cluster/kubernetes/reflector/list-splitter.ts';
import { ApiError } from '../../../../src/cluster/kubernetes/transport/api-error.ts';
import { cut } from './cut.ts';

function split(text: string, sizes: readonly number[] = [7], limit?: number) {
  const splitter = createListSplitter(limit);
  const items: unknown[] = [];
  for (const piece of cut(text, sizes)) {
    splitter.push(piece, (item) => items.push(JSON.parse(item)));
  }
  return { frame: splitter.end(), items };
}

/** Anything in JSON, with the characters that a splitter might stumble over. */
const json = fc.jsonValue({ maxDepth: 4 }).map((value) => ({ 'a"[]{},\\': value, items: [value] }));

test('createListSplitter() takes any list apart as a parser would, in any pieces and order of fields', (t) => {
  fc.assert(
    fc.property(
      fc.array(json, { maxLength: 6 }),
      json,
      fc.shuffledSubarray(['kind', 'metadata', 'items', 'extra'] as const, { minLength: 4 }),
      fc.constantFrom(undefined, 1),
      fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 5 }),
      (items, other, order, indent, sizes) => {
        const fields = { kind: 'ThingList', metadata: other, extra: [other], items };
        const list = Object.fromEntries(order.map((name) => [name, fields[name]]));
        const got = split(JSON.stringify(list, undefined, indent), sizes);
        t.deepEqual(got.items, JSON.parse(JSON.stringify(items)));
        t.deepEqual(got.frame, JSON.parse(JSON.stringify({ ...list, items: [] })));
      },
    ),
  );
});

test('createListSplitter() leaves a list without items to who looks at its frame', (t) => {
  t.deepEqual(split('{"kind":"ThingList","items":null}\n'), {
    frame: { kind: 'ThingList', items: null },
    items: [],
  });
  t.deepEqual(split('{"items":"[1,2]"}').items, []);
  t.deepEqual(split('{"a":{"items":[1,2]}}').items, []);
});

for (const [what, text] of [
  ['that ends early', '{"items":[{"a":1},{"b"'],
  ['whose items end early', '{"items":[{"a":1}'],
  ['that is empty', ''],
  ['that is a web page', '<html>[{}]</html>'],
  ['that is followed by something', '{"items":[]}{"items":[]}'],
  ['that closes what it did not open', '{"items":[{"a":1}]]}'],
  ['with an empty item', '{"items":[{"a":1},,{"a":2}]}'],
  ['with an item missing at the end', '{"items":[{"a":1},]}'],
  ['with brackets that do not match', '{"items":[{"a":1}}'],
] as const) {
  test(`createListSplitter() refuses a text ${what}`, (t) => {
    for (const size of [1, 3, 100]) {
      const error = t.throws(() => split(text, [size]), { instanceOf: ApiError });
      t.is(error.reason, 'Garbage');
    }
  });
}

test('createListSplitter() refuses an item, or a frame, beyond its limit', (t) => {
  for (const text of [
    `{"items":[1,"${'x'.repeat(40)}"]}`,
    `{"k":"${'x'.repeat(40)}","items":[]}`,
  ]) {
    const error = t.throws(() => split(text, [7], 40), { instanceOf: ApiError });
    t.is(error.reason, 'TooLarge');
  }
  t.is(split(`{"items":[${Array(50).fill('"123456789"').join()}]}`, [7], 40).items.length, 50);
});
