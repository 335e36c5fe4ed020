import test from 'ava';
import fc from 'fast-check';
import { createLineSplitter } from '../../../../src/cluster/kubernetes/reflector/lines.ts';
import { ApiError } from '../../../../src/cluster/kubernetes/transport/api-error.ts';
import { cut } from './cut.ts';

test('createLineSplitter() gives the same lines however the bytes are cut', (t) => {
  fc.assert(
    fc.property(
      fc.array(fc.string({ unit: 'grapheme', minLength: 1 }), { maxLength: 20 }),
      fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1 }),
      fc.boolean(),
      (texts, sizes, isWhole) => {
        const lines = texts.map((text) => JSON.stringify(text));
        const splitter = createLineSplitter();
        const seen: string[] = [];
        const text = lines.map((line) => `${line}\n`).join('') + (isWhole ? '' : 'half');
        for (const piece of cut(text, sizes)) splitter.push(piece, (line) => seen.push(line));
        t.deepEqual(seen, lines);
        t.is(splitter.isInside(), !isWhole);
      },
    ),
  );
});

test('createLineSplitter() skips empty lines', (t) => {
  const seen: string[] = [];
  createLineSplitter().push(Buffer.from('\r\n\na\n \n'), (line) => seen.push(line));
  t.deepEqual(seen, ['a']);
});

test('createLineSplitter() refuses a line beyond its limit, after the lines before it', (t) => {
  for (const text of ['ok\n123456789\n', 'ok\n123456789', 'ok\n12345\n123456789']) {
    const seen: string[] = [];
    const splitter = createLineSplitter(8);
    const error = t.throws(
      () => {
        for (const piece of cut(text, [5])) splitter.push(piece, (line) => seen.push(line));
      },
      { instanceOf: ApiError },
    );
    t.is(error.reason, 'TooLarge');
    t.is(seen[0], 'ok');
  }
});
