import type { BpfMap } from '../../system/bpf.ts';
import { type DataplaneLayout, decode, encode } from './abi.ts';
import { indexKey } from './statistics.ts';

/**
 * The `affinity_backends` map: of servers with ClientIP affinity, which backend stands for an
 * endpoint. By it a client finds on one port the endpoint that it met on another.
 */
export class AffinityTable {
  readonly #map: BpfMap;
  readonly #layout: DataplaneLayout;
  /** Backend index by endpoint, by server index. */
  readonly #servers = new Map<number, ReadonlyMap<number, number>>();

  constructor(map: BpfMap, layout: DataplaneLayout) {
    this.#map = map;
    this.#layout = layout;
  }

  /** Makes the server's entries these. Throws when the map is full. */
  set(server: number, wanted: ReadonlyMap<number, number>): void {
    const before = this.#servers.get(server) ?? new Map<number, number>();
    const now = new Map(before);
    if (wanted.size > 0) this.#servers.set(server, now);
    else this.#servers.delete(server);
    for (const endpoint of before.keys()) {
      if (wanted.has(endpoint)) continue;
      this.#map.delete(encode(this.#layout.affinityBackendKey, { server, endpoint }));
      now.delete(endpoint);
    }
    for (const [endpoint, backend] of wanted) {
      if (before.get(endpoint) === backend) continue;
      const key = encode(this.#layout.affinityBackendKey, { server, endpoint });
      this.#map.update(key, indexKey(backend));
      now.set(endpoint, backend);
    }
  }

  /** What an earlier process left; of servers that are gone, nothing. */
  adopt(servers: ReadonlySet<number>): void {
    const found = new Map<number, Map<number, number>>();
    for (const { key, value } of this.#map.entries()) {
      const { server, endpoint } = decode(this.#layout.affinityBackendKey, key);
      if (!servers.has(server)) {
        this.#map.delete(key);
        continue;
      }
      const entries = found.get(server) ?? new Map<number, number>();
      found.set(server, entries);
      entries.set(endpoint, new DataView(value.buffer, value.byteOffset).getUint32(0, true));
    }
    for (const [server, entries] of found) this.#servers.set(server, entries);
  }
}
