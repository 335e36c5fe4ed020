import type { Row } from './group.ts';

/** Collects samples under the names of their rows, in the order in which these first come. */
export interface Rows {
  add(row: Omit<Row, 'samples'>, sample: number): void;
  all(): readonly Row[];
}

export function createRows(): Rows {
  const rows = new Map<string, Row>();
  return {
    add: (row, sample) => {
      const samples = [...(rows.get(row.name)?.samples ?? []), sample];
      rows.set(row.name, { ...row, samples });
    },
    all: () => [...rows.values()],
  };
}
