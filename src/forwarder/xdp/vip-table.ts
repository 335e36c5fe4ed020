import type { Address } from '../../domain/address.ts';
import type { BpfMap } from '../../system/bpf.ts';
import { type DataplaneLayout, decode, encode, type VipEntry, type VipKey } from './abi.ts';

const MARKER: VipEntry = {
  server: 0,
  flags: 0,
  ringChunk: 0,
  ringOffset: 0,
  ringSize: 0,
  scheduler: 0,
  affinitySec: 0,
  affinityGroup: 0n,
  acl: 0,
  newFlowsPerSec: 0,
  clientNewFlowsPerSec: 0,
};

/**
 * The `vips` map: what packets to an address and port meet first.
 *
 * Beside each address's ports stands its marker (port 0, protocol 0), which makes packets to other
 * ports of a VIP ours as well. The marker comes before the first port and goes after the last.
 */
export class VipTable {
  readonly #map: BpfMap;
  readonly #layout: DataplaneLayout;
  /** The ports of each address, as text. */
  readonly #ports = new Map<Address, Set<string>>();
  #writes = 0;

  constructor(map: BpfMap, layout: DataplaneLayout) {
    this.#map = map;
    this.#layout = layout;
  }

  /** How many elements were written or removed since the start. */
  get writes(): number {
    return this.#writes;
  }

  /** Points the port to a server and a ring, in one step. Throws when the map is full. */
  set(key: VipKey, entry: VipEntry): void {
    const known = this.#ports.get(key.address);
    if (known === undefined) this.#put(markerOf(key.address), MARKER);
    try {
      this.#put(key, entry);
    } catch (error) {
      if (known === undefined) this.#drop(markerOf(key.address));
      throw error;
    }
    if (known) known.add(portOf(key));
    else this.#ports.set(key.address, new Set([portOf(key)]));
  }

  remove(key: VipKey): void {
    this.#drop(key);
    const known = this.#ports.get(key.address);
    known?.delete(portOf(key));
    if (known === undefined || known.size > 0) return;
    this.#ports.delete(key.address);
    this.#drop(markerOf(key.address));
  }

  /**
   * What an earlier process left. Markers are made to fit, should it have died between two writes.
   */
  adopt(): ReadonlyArray<{ readonly key: VipKey; readonly entry: VipEntry }> {
    const all = this.#map.entries().map(({ key, value }) => ({
      key: decode(this.#layout.vipKey, key),
      entry: decode(this.#layout.vip, value),
    }));
    const marked = new Set<Address>();
    const found = all.filter(({ key }) => {
      if (key.protocol === 0) marked.add(key.address);
      return key.protocol !== 0;
    });
    for (const { key } of found) {
      const known = this.#ports.get(key.address) ?? new Set<string>();
      this.#ports.set(key.address, known.add(portOf(key)));
      if (!marked.has(key.address)) this.#put(markerOf(key.address), MARKER);
    }
    for (const address of marked) if (!this.#ports.has(address)) this.#drop(markerOf(address));
    return found;
  }

  #put(key: VipKey, entry: VipEntry): void {
    try {
      this.#map.update(encode(this.#layout.vipKey, key), encode(this.#layout.vip, entry));
    } catch (cause) {
      const code = (cause as NodeJS.ErrnoException).code;
      throw code === 'E2BIG' ? full(this.#map.maxEntries, cause) : cause;
    }
    this.#writes += 1;
  }

  #drop(key: VipKey): void {
    if (this.#map.delete(encode(this.#layout.vipKey, key))) this.#writes += 1;
  }
}

function markerOf(address: Address): VipKey {
  return { address, port: 0, protocol: 0 };
}

function portOf({ port, protocol }: VipKey): string {
  return `${protocol} ${port}`;
}

function full(limit: number, cause: unknown): Error {
  const message =
    `The map "vips" is full at ${limit} entries (one a virtual server, one an address); ` +
    'raise forwarder.limits.servers and start anew after "tidegate detach"';
  return Object.assign(new Error(message, { cause }), { code: 'ENOSPC' });
}
