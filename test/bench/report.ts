import type { Aim, Row } from './group.ts';
import { type Ratio, ratiosOf, summarise, verdictOf } from './statistics.ts';

const GAP = '  ';
const SIGNIFICANT = 3;

/** A group's figures and ratios as text, for a terminal. */
export function reportOf(rows: readonly Row[]): string {
  const figures = rows.map((row) => {
    const { median, least, greatest } = summarise(row.samples);
    return [
      row.name,
      format(median),
      row.unit,
      `[${format(least)}–${format(greatest)}]`,
      [aimText(row.aim, median), row.note ?? ''].filter(Boolean).join('; '),
    ];
  });
  const ratios = ratiosOf(rows);
  return [columns(figures), ...(ratios.length > 0 ? [columns(ratios.map(ratioCells))] : [])].join(
    '\n',
  );
}

function ratioCells({ name, to, samples, aim }: Ratio): string[] {
  const { median, least, greatest } = summarise(samples);
  return [
    `${name} ÷ ${to}`,
    format(median),
    '×',
    `[${format(least)}–${format(greatest)}]`,
    aimText(aim, median),
  ];
}

function aimText(aim: Aim | undefined, value: number): string {
  if (aim === undefined) return '';
  const wishes = [
    aim.atMost === undefined ? '' : `≤ ${aim.atMost}`,
    aim.atLeast === undefined ? '' : `≥ ${aim.atLeast}`,
  ];
  return `aim ${wishes.filter(Boolean).join(', ')}: ${verdictOf(value, aim)}`;
}

/** Three significant digits, but whole numbers whole. */
export function format(value: number): string {
  if (Math.abs(value) >= 10 ** (SIGNIFICANT - 1)) return String(Math.round(value));
  return String(Number(value.toPrecision(SIGNIFICANT)));
}

/** Aligned columns; the second, the figure, to the right. */
function columns(rows: readonly (readonly string[])[]): string {
  const count = Math.max(0, ...rows.map((row) => row.length));
  const widths = Array.from({ length: count }, (_, column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0)),
  );
  return rows
    .map((row) => {
      const cells = row.map((cell, column) =>
        column === 1 ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0),
      );
      return `${GAP}${cells.join(GAP).trimEnd()}\n`;
    })
    .join('');
}
