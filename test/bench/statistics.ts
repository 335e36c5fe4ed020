import type { Aim, Row } from './group.ts';

export interface Summary {
  readonly median: number;
  readonly least: number;
  readonly greatest: number;
}

/** The middle one, or the mean of the two in the middle. Throws without any. */
export function median(samples: readonly number[]): number {
  const sorted = samples.toSorted((a, b) => a - b);
  const upper = sorted[sorted.length >> 1];
  const lower = sorted[(sorted.length - 1) >> 1];
  if (upper === undefined || lower === undefined) throw new RangeError('There are no samples');
  return (lower + upper) / 2;
}

export function summarise(samples: readonly number[]): Summary {
  return {
    median: median(samples),
    least: Math.min(...samples),
    greatest: Math.max(...samples),
  };
}

/** The value below which a share of the samples lies (nearest rank). Throws without any. */
export function percentile(samples: readonly number[], share: number): number {
  const sorted = samples.toSorted((a, b) => a - b);
  const value = sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)];
  if (value === undefined) throw new RangeError('There are no samples');
  return value;
}

/** What became of an aim; undefined without one. */
export function verdictOf(value: number, aim: Aim | undefined): 'met' | 'missed' | undefined {
  if (aim === undefined) return undefined;
  const { atMost = Number.POSITIVE_INFINITY, atLeast = Number.NEGATIVE_INFINITY } = aim;
  return value <= atMost && value >= atLeast ? 'met' : 'missed';
}

/** A row's ratio to another, round by round. */
export interface Ratio {
  readonly name: string;
  readonly to: string;
  readonly samples: readonly number[];
  readonly aim?: Aim;
}

/**
 * The ratios that rows ask for. Throws when a row names another that is not there or was not
 * measured in the same rounds.
 */
export function ratiosOf(rows: readonly Row[]): readonly Ratio[] {
  return rows.flatMap((row) =>
    (row.against ?? []).map(({ to, aim }) => {
      const peer = rows.find(({ name }) => name === to);
      if (peer === undefined || peer.samples.length !== row.samples.length) {
        throw new Error(`"${row.name}" cannot be compared with "${to}" round by round`);
      }
      const samples = row.samples.map((sample, round) => sample / (peer.samples[round] ?? 0));
      return { name: row.name, to, samples, ...(aim && { aim }) };
    }),
  );
}
