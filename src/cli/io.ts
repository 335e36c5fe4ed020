/** The terminal, as the commands see it. */
export interface Io {
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
  /** Columns to lay out for. */
  readonly columns: number;
  readonly colour: boolean;
  /** What is printed may be printed over. */
  readonly isTerminal: boolean;
  /** ms since 1970. */
  readonly nowMs: () => number;
}

export type Tone = 'plain' | 'good' | 'bad' | 'warn' | 'dim' | 'bold';

const CODES: Readonly<Record<Tone, readonly [number, number] | undefined>> = {
  plain: undefined,
  good: [32, 39],
  bad: [31, 39],
  warn: [33, 39],
  dim: [2, 22],
  bold: [1, 22],
};

/** The text in a tone, where the terminal has colours. */
export function paint(io: Io, tone: Tone, text: string): string {
  const code = CODES[tone];
  return io.colour && code ? `\u001b[${code[0]}m${text}\u001b[${code[1]}m` : text;
}

/** Narrowest and widest layout, whatever the terminal says. */
const COLUMNS_MIN = 80;
const COLUMNS_MAX = 160;

/** The process's own. No colours where standard output is no terminal, or NO_COLOR is set. */
export function processIo(): Io {
  const { stdout, stderr, env } = process;
  const columns = stdout.isTTY ? stdout.columns : 120;
  return {
    out: (text) => void stdout.write(text),
    err: (text) => void stderr.write(text),
    columns: Math.min(Math.max(columns, COLUMNS_MIN), COLUMNS_MAX),
    isTerminal: stdout.isTTY === true,
    colour: stdout.isTTY === true && !env['NO_COLOR'],
    nowMs: () => Date.now(),
  };
}
