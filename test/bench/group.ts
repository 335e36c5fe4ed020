import type { DebianNeed } from './debian.ts';

/**
 * One group of measurements of `npm run bench`. A new one is a file in `groups/` and a line in
 * `main.ts`.
 */
export interface BenchGroup {
  /** As it is given on the command line. */
  readonly name: string;
  /** What is measured, how, and what to keep in mind when reading it: printed above the table. */
  readonly describe: string;
  /** Programs that must be there before anything is measured. */
  readonly needs: readonly DebianNeed[];
  run(context: BenchContext): Promise<readonly Row[]>;
}

export interface BenchContext {
  /**
   * How often everything is measured. Everything once, then everything again: what disturbs the
   * machine for a while then disturbs all of it, and ratios within a round stay true.
   */
  readonly rounds: number;
  /** Less of everything, for a quick look. */
  readonly quick: boolean;
  /** Tells somebody who waits what is being done. */
  progress(text: string): void;
}

/** One thing measured. */
export interface Row {
  readonly name: string;
  readonly unit: string;
  /** One a round, in the order of rounds. */
  readonly samples: readonly number[];
  /** What its median shall be. */
  readonly aim?: Aim;
  /** Ratios of this row to others of the group. */
  readonly against?: readonly Comparison[];
  /** Where a figure that was not measured now comes from, or what else must be known. */
  readonly note?: string;
}

export interface Comparison {
  /** Name of the other row. */
  readonly to: string;
  /** What the median of the ratios shall be. */
  readonly aim?: Aim;
}

export interface Aim {
  readonly atMost?: number;
  readonly atLeast?: number;
}
