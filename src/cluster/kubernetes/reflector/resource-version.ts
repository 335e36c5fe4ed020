/**
 * Compares two resourceVersions as the integers that they are (KEP-5504: decimal, without leading
 * zeros): negative when `a` is older. Undefined when either is no such number.
 */
export function compareVersions(a: string, b: string): number | undefined {
  if (!DECIMAL.test(a) || !DECIMAL.test(b)) return undefined;
  if (a.length !== b.length) return a.length - b.length;
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

const DECIMAL = /^(0|[1-9][0-9]*)$/;

/** Whether `a` is known to be older than `b`. */
export function isOlder(a: string, b: string): boolean {
  return (compareVersions(a, b) ?? 0) < 0;
}
