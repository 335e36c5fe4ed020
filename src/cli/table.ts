import { type Io, paint, type Tone } from './io.ts';

/** A cell: text, or text in a tone. */
export type Cell = string | { readonly text: string; readonly tone: Tone };

const GAP = '  ';
/** The last column is never squeezed below this; the line gets longer instead. */
const LAST_MIN = 20;

/** Aligned columns under headings; the last one wraps within the terminal. Empty without rows. */
export function table(
  io: Io,
  headings: readonly string[],
  rows: readonly (readonly Cell[])[],
  indent = '',
): string {
  if (rows.length === 0) return '';
  const head = headings.map((text): Cell => ({ text, tone: 'dim' }));
  const widths = headings.map((heading, column) =>
    Math.max(heading.length, ...rows.map((row) => textOf(row[column]).length)),
  );
  const before = indent.length + sum(widths.slice(0, -1)) + GAP.length * (widths.length - 1);
  const lastWidth = Math.max(LAST_MIN, io.columns - before);
  return [head, ...rows]
    .flatMap((row) => {
      const last = row.length - 1;
      const lead = row
        .slice(0, last)
        .map((cell, column) => paintCell(io, cell, widths[column] ?? 0) + GAP)
        .join('');
      const [first = '', ...more] = wrapText(textOf(row[last]), lastWidth);
      return [
        indent + lead + paint(io, toneOf(row[last]), first),
        ...more.map((text) => ' '.repeat(before) + paint(io, toneOf(row[last]), text)),
      ];
    })
    .map((line) => `${line.trimEnd()}\n`)
    .join('');
}

/** Text in lines of at most `width`; a longer word stands alone. */
export function wrapText(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else {
      line = line === '' ? word : `${line} ${word}`;
    }
  }
  return [...lines, line];
}

/** A paragraph with a hanging indent. */
export function paragraph(io: Io, text: string, indent: string): string {
  return wrapText(text, io.columns - indent.length)
    .map((line) => `${indent}${line}\n`)
    .join('');
}

function paintCell(io: Io, cell: Cell | undefined, width: number): string {
  const text = textOf(cell);
  return paint(io, toneOf(cell), text) + ' '.repeat(width - text.length);
}

function textOf(cell: Cell | undefined): string {
  return typeof cell === 'object' ? cell.text : (cell ?? '');
}

function toneOf(cell: Cell | undefined): Tone {
  return typeof cell === 'object' ? cell.tone : 'plain';
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
