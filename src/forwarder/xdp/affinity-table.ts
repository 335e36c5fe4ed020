import type { VirtualServer } from '../../domain/forwarding.ts';
import type { BpfMap } from '../../system/bpf.ts';
import {
  type AffinityBackendKey,
  type Codec,
  type DataplaneLayout,
  decode,
  viewOf,
} from './abi.ts';
import { endpointOf } from './identity.ts';

/** Backend index by endpoint. */
export type AffinityBackends = ReadonlyMap<number, number>;

export const NO_AFFINITY: AffinityBackends = new Map();

/**
 * The `affinity_backends` map: of servers with ClientIP affinity, which backend stands for an
 * endpoint. By it a client finds on one port the endpoint that it met on another.
 */
export class AffinityTable {
  readonly #map: BpfMap;
  readonly #codec: Codec<AffinityBackendKey>;
  /** A key and a value on their way to the kernel: there are a hundred thousand at a start. */
  readonly #key: Uint8Array;
  readonly #value = new Uint32Array(1);
  /** By server index. */
  readonly #servers = new Map<number, AffinityBackends>();

  constructor(map: BpfMap, layout: DataplaneLayout) {
    this.#map = map;
    this.#codec = layout.affinityBackendKey;
    this.#key = new Uint8Array(this.#codec.size);
  }

  /** The server's entries. */
  of(server: number): AffinityBackends {
    return this.#servers.get(server) ?? NO_AFFINITY;
  }

  /** Makes the server's entries these. Throws when the map is full. */
  set(server: number, wanted: AffinityBackends): void {
    const before = this.of(server);
    if (before.size === 0 && wanted.size === 0) return;
    const now = new Map(before);
    this.#servers.set(server, now);
    for (const endpoint of before.keys()) {
      if (wanted.has(endpoint)) continue;
      this.#map.delete(this.#keyOf(server, endpoint));
      now.delete(endpoint);
    }
    for (const [endpoint, backend] of wanted) {
      if (before.get(endpoint) === backend) continue;
      this.#value[0] = backend;
      this.#map.update(this.#keyOf(server, endpoint), new Uint8Array(this.#value.buffer));
      now.set(endpoint, backend);
    }
    if (now.size === 0) this.#servers.delete(server);
  }

  /** What an earlier process left; of servers that are gone, nothing. */
  adopt(servers: ReadonlySet<number>): void {
    const found = new Map<number, Map<number, number>>();
    for (const { key, value } of this.#map.entries()) {
      const { server, endpoint } = decode(this.#codec, key);
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

  #keyOf(server: number, endpoint: number): Uint8Array {
    this.#codec.write(viewOf(this.#key), 0, { server, endpoint });
    return this.#key;
  }
}

/** Of the backends that take new flows, given each one's index by its id; nothing without affinity. */
export function affinityBackendsOf(
  { affinityTimeoutSec, backends }: VirtualServer,
  placed: ReadonlyMap<string, number>,
): AffinityBackends {
  if (affinityTimeoutSec === 0) return NO_AFFINITY;
  const active = backends.filter(({ use }) => use === 'active');
  return new Map(active.map(({ id, address }) => [endpointOf(address), placed.get(id) as number]));
}
