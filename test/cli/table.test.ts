import test from 'ava';
import fc from 'fast-check';
import type { Io } from '../../src/cli/io.ts';
import { table, wrapText } from '../../src/cli/table.ts';

const io = (columns: number, colour = false): Io => ({
  out: () => {},
  err: () => {},
  columns,
  colour,
  isTerminal: false,
  nowMs: () => 0,
});

test('table() aligns columns under their headings and wraps the last', (t) => {
  const text = table(
    io(30),
    ['NAME', 'WHY'],
    [
      ['web', 'all of its backends are down'],
      ['long-name', 'x'],
    ],
  );
  t.is(text, 'NAME       WHY\nweb        all of its backends\n           are down\nlong-name  x\n');
});

test('table() aligns the same with colours as without', (t) => {
  const rows = [
    [{ text: 'yes', tone: 'good' } as const, 'a'],
    ['no', 'b'],
  ];
  const coloured = table(io(80, true), ['OK', 'X'], rows);
  t.true(coloured.includes('\u001b[32myes\u001b[39m'));
  t.is(
    coloured.replaceAll(new RegExp(`${String.fromCharCode(27)}\\[\\d+m`, 'g'), ''),
    table(io(80), ['OK', 'X'], rows),
  );
});

test('table() is empty without rows', (t) => t.is(table(io(80), ['A'], []), ''));

test('wrapText() keeps every word and the width', (t) => {
  const word = fc.stringMatching(/^[a-z]{1,12}$/);
  fc.assert(
    fc.property(
      fc.array(word, { minLength: 1 }),
      fc.integer({ min: 12, max: 40 }),
      (words, width) => {
        const lines = wrapText(words.join(' '), width);
        t.is(lines.join(' '), words.join(' '));
        t.true(lines.every((line) => line.length <= width));
      },
    ),
  );
});
