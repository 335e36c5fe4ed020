import type { BpfMap } from '../../system/bpf.ts';
import { type DataplaneLayout, type TrafficStats, viewOf } from './abi.ts';

/** Packet and byte counts of servers and backends, by index, summed over all CPUs. */
export interface Statistics {
  read(index: number): TrafficStats;
  /** All indices below `end` at once, in few system calls: what is read of them is cheap. */
  readAll(end: number): (index: number) => TrafficTotals;
  /** Starts again from zero, for an index that is about to mean something else. */
  reset(index: number): void;
}

/** `TrafficStats` as numbers, exact below 2^53. */
export type TrafficTotals = { readonly [K in keyof TrafficStats]: number };

/** In the order of `tg_stats`, which a test compares. */
const TOTALS: readonly (keyof TrafficTotals)[] = [
  'newFlows',
  'inPackets',
  'inBytes',
  'outPackets',
  'outBytes',
  'drops',
];

export function createStatistics(map: BpfMap, layout: DataplaneLayout): Statistics {
  const { stats } = layout;
  const strideBytes = Math.ceil(stats.size / 8) * 8;
  return {
    read(index) {
      const sum = {
        newFlows: 0n,
        inPackets: 0n,
        inBytes: 0n,
        outPackets: 0n,
        outBytes: 0n,
        drops: 0n,
      };
      const view = viewOf(map.lookup(indexKey(index)) ?? new Uint8Array());
      for (let at = 0; at + stats.size <= view.byteLength; at += strideBytes) {
        const one = stats.read(view, at);
        for (const name of Object.keys(sum) as (keyof TrafficStats)[]) sum[name] += one[name];
      }
      return sum;
    },
    readAll(end) {
      const sums = map.sums(Math.min(end, map.maxEntries));
      return (index) => {
        const at = index * TOTALS.length;
        const totals = {} as Record<keyof TrafficTotals, number>;
        for (const [place, name] of TOTALS.entries()) totals[name] = sums[at + place] ?? 0;
        return totals;
      };
    },
    reset(index) {
      const key = indexKey(index);
      const values = map.lookup(key);
      if (values) map.update(key, new Uint8Array(values.length));
    },
  };
}

/** What became of packets, by the counters' names in `dataplane_abi.h`, summed over all CPUs. */
export function readCounters(map: BpfMap, layout: DataplaneLayout): ReadonlyMap<string, bigint> {
  const sums = map.sums(layout.counters.length);
  return new Map(layout.counters.map((name, index) => [name, BigInt(sums[index] ?? 0)]));
}

/** The key of an array map's entry. */
export function indexKey(index: number): Uint8Array {
  return new Uint8Array(new Uint32Array([index]).buffer);
}
