import { styleText } from 'node:util';

const INDENT = '     ';
const WIDTH = 96;

/** Prints the demo as it goes: numbered steps, dim commands, indented output. */
export function heading(number: number, title: string): void {
  console.log(`\n${styleText('bold', `${String(number).padStart(3)}  ${title}`)}`);
}

/** Explains in plain words, wrapped. */
export function explain(text: string): void {
  for (const line of wrap(text, WIDTH - INDENT.length)) console.log(`${INDENT}${line}`);
}

/** A command as it would be typed on that host. */
export function command(host: string, words: readonly string[], ending = ''): void {
  console.log(styleText('dim', `${INDENT}${host}$ ${words.map(quote).join(' ')}${ending}`));
}

/** What a command printed. */
export function output(text: string): void {
  for (const line of text.trimEnd().split('\n')) console.log(`${INDENT}  ${line}`.trimEnd());
}

export function passed(text: string): void {
  console.log(`${INDENT}${styleText('green', '✔')} ${text}`);
}

export function failed(text: string): void {
  const [first, ...rest] = text.trimEnd().split('\n');
  console.log(`${INDENT}${styleText('red', '✘')} ${first}`);
  if (rest.length > 0) output(rest.join('\n'));
}

/** Counts by name as bars, the longest of `BAR` characters. */
export function bars(counts: ReadonlyMap<string, number>): string {
  const rows = [...counts].sort(([a], [b]) => a.localeCompare(b, 'en', { numeric: true }));
  const most = Math.max(1, ...counts.values());
  const nameWidth = Math.max(...rows.map(([name]) => name.length));
  return rows
    .map(([name, count]) => {
      const bar = '█'.repeat(Math.round((count / most) * BAR));
      return `${name.padEnd(nameWidth)}  ${String(count).padStart(4)}  ${bar}`;
    })
    .join('\n');
}

const BAR = 40;

/** Rows in aligned columns; the first row is the header. */
export function table(rows: readonly (readonly string[])[]): void {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => (row[column] ?? '').length)),
  );
  for (const [index, row] of rows.entries()) {
    const cells = row.map((cell, column) => cell.padEnd(widths[column] ?? 0));
    const line = `  ${cells.join('  ')}`.trimEnd();
    console.log(index === 0 ? styleText('dim', line) : line);
  }
}

function quote(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word}'`;
}

function wrap(text: string, width: number): string[] {
  const lines = [''];
  for (const word of text.split(/\s+/)) {
    const line = lines.at(-1) ?? '';
    if (line !== '' && line.length + 1 + word.length > width) lines.push(word);
    else lines[lines.length - 1] = line === '' ? word : `${line} ${word}`;
  }
  return lines;
}
