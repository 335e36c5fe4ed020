import type { Io } from './io.ts';
import { paragraph } from './table.ts';

/** Where the texts begin. */
const INDENT = ' '.repeat(13);

/** Names with texts beside them; those without a text are left out. */
export function facts(io: Io, rows: readonly (readonly string[])[]): string {
  return rows
    .filter(([, text]) => text !== '')
    .map(([name = '', text = '']) => {
      const [first, ...more] = paragraph(io, text, INDENT).split('\n');
      return [`${`  ${name}`.padEnd(INDENT.length)}${first?.slice(INDENT.length)}`, ...more].join(
        '\n',
      );
    })
    .join('');
}
