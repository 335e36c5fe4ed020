import { type Field, fail, isAbsent, quote } from './field.ts';

/** Nanoseconds of Go's units (time.ParseDuration). */
const UNITS_NS: Readonly<Record<string, number>> = {
  ns: 1,
  us: 1e3,
  µs: 1e3,
  μs: 1e3,
  ms: 1e6,
  s: 1e9,
  m: 6e10,
  h: 3.6e12,
};
const TERM = /(\d{1,18}(?:\.\d{0,18})?|\.\d{1,18})(ns|us|µs|μs|ms|s|m|h)/y;

/** Go's form of a duration (`90s`, `1m30s`, `1.5h`, `0`) in ms; `undefined` for anything else. */
export function parseGoDuration(text: string): number | undefined {
  const [, sign = '', rest = ''] = /^([-+]?)(.*)$/s.exec(text) ?? [];
  if (rest === '0') return 0;
  let ns = 0;
  let at = 0;
  while (at < rest.length) {
    TERM.lastIndex = at;
    const [term = '', digits, unit = ''] = TERM.exec(rest) ?? [];
    if (term === '') return undefined;
    ns += Number(digits) * (UNITS_NS[unit] ?? 0);
    at += term.length;
  }
  if (at === 0) return undefined;
  return (sign === '-' ? -1 : 1) * (ns / 1e6);
}

/** A meta/v1 Duration in ms, not negative; `undefined` when absent or, with a problem, when it is none. */
export function readDuration(field: Field): number | undefined {
  if (isAbsent(field)) return undefined;
  const ms = typeof field.value === 'string' ? parseGoDuration(field.value) : undefined;
  if (ms !== undefined && ms >= 0) return ms;
  fail(field, `${quote(field.value)} is not a duration`, 'Write for example 90s or 1m30s');
  return undefined;
}
