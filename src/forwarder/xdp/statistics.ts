import type { BpfMap } from '../../system/bpf.ts';
import { type DataplaneLayout, type TrafficStats, viewOf } from './abi.ts';

/** Packet and byte counts of servers and backends, by index, summed over all CPUs. */
export interface Statistics {
  read(index: number): TrafficStats;
  /** Starts again from zero, for an index that is about to mean something else. */
  reset(index: number): void;
}

export function createStatistics(map: BpfMap, layout: DataplaneLayout): Statistics {
  const { stats } = layout;
  const strideBytes = Math.ceil(stats.size / 8) * 8;
  return {
    read(index) {
      const sum = { newFlows: 0n, inPackets: 0n, inBytes: 0n, outPackets: 0n, outBytes: 0n };
      const view = viewOf(map.lookup(indexKey(index)) ?? new Uint8Array());
      for (let at = 0; at + stats.size <= view.byteLength; at += strideBytes) {
        const one = stats.read(view, at);
        for (const name of Object.keys(sum) as (keyof TrafficStats)[]) sum[name] += one[name];
      }
      return sum;
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
  const sums = new Map<string, bigint>();
  for (const [index, name] of layout.counters.entries()) {
    const values = map.lookup(indexKey(index)) ?? new Uint8Array();
    let sum = 0n;
    for (const value of new BigUint64Array(values.slice().buffer)) sum += value;
    sums.set(name, sum);
  }
  return sums;
}

/** The key of an array map's entry. */
export function indexKey(index: number): Uint8Array {
  return new Uint8Array(new Uint32Array([index]).buffer);
}
