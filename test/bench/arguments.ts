import { parseArgs } from 'node:util';

export interface BenchArguments {
  /** Names of the groups to run, in the order in which groups stand. */
  readonly groups: readonly string[];
  readonly rounds: number;
  readonly quick: boolean;
  /** File for the results as JSON. */
  readonly out: string | undefined;
}

const ROUNDS = 5;
const QUICK_ROUNDS = 2;
const ROUNDS_MAX = 100;

/** Reads the command line. Throws a `RangeError` or `TypeError` that says what is wrong with it. */
export function readArguments(words: readonly string[], known: readonly string[]): BenchArguments {
  const { values, positionals } = parseArgs({
    args: [...words],
    allowPositionals: true,
    options: {
      out: { type: 'string' },
      runs: { type: 'string' },
      quick: { type: 'boolean', default: false },
    },
  });
  const stranger = positionals.find((name) => !known.includes(name));
  if (stranger !== undefined) {
    throw new RangeError(`There is no group "${stranger}"; there are ${known.join(', ')}`);
  }
  const { quick, out } = values;
  const rounds = Number(values.runs ?? (quick ? QUICK_ROUNDS : ROUNDS));
  if (!Number.isInteger(rounds) || rounds < 1 || rounds > ROUNDS_MAX) {
    throw new RangeError(`--runs is "${values.runs}" and must be a number from 1 to ${ROUNDS_MAX}`);
  }
  const groups = known.filter((name) => positionals.length === 0 || positionals.includes(name));
  return { groups, rounds, quick, out };
}
