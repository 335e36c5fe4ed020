import type { Address } from '../../domain/address.ts';
import type { Clock } from '../../domain/clock.ts';
import type { DataplaneLayout, ServerEntry, TrafficStats, VipKey } from './abi.ts';
import { createIndexPool, type IndexPool } from './index-pool.ts';
import { serverId } from './server-id.ts';
import type { SharedArray } from './shared-array.ts';
import type { Statistics, TrafficTotals } from './statistics.ts';

export interface ServerTableParts {
  readonly array: SharedArray<ServerEntry>;
  readonly statistics: Statistics;
  readonly layout: DataplaneLayout;
  readonly clock: Clock;
}

/** The `servers` map: which index stands for which address, port and protocol. */
export class ServerTable {
  readonly #parts: ServerTableParts;
  readonly #pool: IndexPool;
  readonly #ids = new Map<number, string>();
  /** Removed servers whose flows may still be there. */
  readonly #retired = new Map<string, number>();
  #writes = 0;

  constructor(parts: ServerTableParts) {
    this.#parts = parts;
    this.#pool = createIndexPool(parts.array.length - 1);
  }

  usage(): { readonly used: number; readonly limit: number } {
    return { used: this.#pool.used, limit: this.#pool.limit };
  }

  /** How many entries were written since the start. */
  get writes(): number {
    return this.#writes;
  }

  entry(index: number): ServerEntry {
    return this.#parts.array.get(index);
  }

  stats(index: number): TrafficStats {
    return this.#parts.statistics.read(index);
  }

  /** Of all servers, by index, read at once. */
  allStats(): (index: number) => TrafficTotals {
    return this.#parts.statistics.readAll(this.#pool.end);
  }

  idOf(index: number): string | undefined {
    return this.#ids.get(index);
  }

  /** The index of a server that has none: its own former one, else a new one. Throws when full. */
  take(id: string, key: VipKey): number {
    const former = this.#retired.get(id);
    const index = former ?? this.#pool.take();
    if (index === undefined) throw full(this.#pool.limit, id);
    if (former !== undefined) {
      this.#retired.delete(id);
      this.#pool.revive(former);
    }
    if (this.#parts.array.set(index, { ...key, inUse: 1 })) this.#writes += 1;
    this.#ids.set(index, id);
    return index;
  }

  /** Nothing refers to it from here on but the flows it has. */
  retire(index: number): void {
    this.#pool.retire(index, this.#parts.clock.monotonicMs());
    this.#retired.set(this.#ids.get(index) as string, index);
  }

  /** Servers that an earlier process left. */
  *adopt(): Iterable<{ readonly index: number; readonly id: string; readonly key: VipKey }> {
    for (const index of this.#parts.array.occupied()) {
      const { inUse, ...key } = this.entry(index);
      if (inUse === 0) continue;
      const id = serverId(key);
      this.#pool.adopt(index);
      this.#ids.set(index, id);
      yield { index, id, key };
    }
  }

  /** Frees what a sweep of the flow table, begun at `startedMs`, found unused. */
  sweep(startedMs: number, flowsByServer: Uint32Array): void {
    for (const index of this.#pool.sweep(startedMs, flowsByServer)) {
      this.#retired.delete(this.#ids.get(index) as string);
      this.#ids.delete(index);
      this.#parts.array.set(index, { address: 0n as Address, port: 0, protocol: 0, inUse: 0 });
      this.#parts.statistics.reset(index);
    }
  }
}

function full(limit: number, id: string): Error {
  const message =
    `No room for virtual server "${id}": the limit of ${limit} is reached; raise ` +
    'forwarder.limits.servers and start anew after "tidegate detach"';
  return Object.assign(new Error(message), { code: 'ENOSPC' });
}
