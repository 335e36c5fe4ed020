import type { HeldFragments } from '../../system/bpf.ts';

/**
 * What became of the fragments that the program handed over (its counter `fragment_held`), by names
 * like the program's own counters.
 */
export function heldFragmentCounters(stats: HeldFragments): readonly (readonly [string, bigint])[] {
  return [
    ['fragment_released', BigInt(stats.released)],
    ['drop_fragment_expired', BigInt(stats.expired)],
    ['drop_fragment_refused', BigInt(stats.refused)],
    ['drop_fragment_failed', BigInt(stats.failed)],
  ];
}
