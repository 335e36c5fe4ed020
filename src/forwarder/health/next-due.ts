/** Share of the interval by which a probe may come earlier or later than its place on the grid. */
export const JITTER = 0.1;

const TWO_32 = 2 ** 32;

/** FNV-1a with a final mix, 32 bits: what a check's phase and jitter are drawn from. */
export function hashOf(id: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < id.length; i++) hash = Math.imul(hash ^ id.charCodeAt(i), 0x01000193);
  return mix(hash);
}

/**
 * When the probe after the one started at `startedMs` is due.
 *
 * Each check has a grid of instants, one an interval, whose phase comes from its hash: checks that
 * began together spread over the interval, and a late probe does not push later ones along. Jitter of
 * ±10 % keeps several boxes from beating in step. Two probes are at least 0.4 intervals apart; from
 * the second on at most 1.2, plus what a late start adds.
 *
 * @param count how many probes the check has had, so that each draws other jitter
 */
export function nextDueMs(
  hash: number,
  count: number,
  startedMs: number,
  intervalMs: number,
): number {
  const phaseMs = (hash / TWO_32) * intervalMs;
  const turns = Math.ceil((startedMs + intervalMs / 2 - phaseMs) / intervalMs);
  const draw = mix(hash + Math.imul(count, 0x9e3779b1)) / TWO_32;
  return phaseMs + turns * intervalMs + (2 * draw - 1) * JITTER * intervalMs;
}

function mix(value: number): number {
  let hash = value ^ (value >>> 15);
  hash = Math.imul(hash, 0x2c1b3c6d);
  hash ^= hash >>> 12;
  hash = Math.imul(hash, 0x297a2d39);
  return (hash ^ (hash >>> 15)) >>> 0;
}
