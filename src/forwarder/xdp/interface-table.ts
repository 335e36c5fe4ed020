import type { Address } from '../../domain/address.ts';
import type { Mac } from '../../domain/mac.ts';
import type { BpfMap } from '../../system/bpf.ts';
import type { PortFacts } from '../port-facts.ts';
import { type DataplaneLayout, decode, encode } from './abi.ts';
import type { ConfigEntry } from './config-entry.ts';
import type { SharedArray } from './shared-array.ts';
import { indexKey } from './statistics.ts';

const NONE = 0n as Address;
const ANY_MAC = 0 as Mac;

/**
 * The `interfaces` map, and with it the smallest MTU of all ports: packets that fit this are not
 * measured against their own way out.
 */
export class InterfaceTable {
  readonly #map: BpfMap;
  readonly #config: SharedArray<ConfigEntry>;
  readonly #layout: DataplaneLayout;
  /** What stands in the map, by ifindex. */
  readonly #written = new Map<number, string>();

  constructor(map: BpfMap, config: SharedArray<ConfigEntry>, layout: DataplaneLayout) {
    this.#map = map;
    this.#config = config;
    this.#layout = layout;
    for (const { key, value } of map.entries()) {
      const ifindex = new DataView(key.buffer, key.byteOffset).getUint32(0, true);
      this.#written.set(ifindex, textOf(encode(layout.interface, decode(layout.interface, value))));
    }
  }

  /** Makes the maps say this. An MTU that shrinks counts at once, one that grows counts last. */
  set({ ports, mtu = 0 }: PortFacts): void {
    const config = this.#config.get(0);
    if (mtu < config.mtuMin) this.#config.set(0, { ...config, mtuMin: mtu });
    for (const port of ports) {
      const flags = port.isLocal ? this.#layout.constant('TG_INTERFACE_OWN') : 0;
      const entry = {
        ipv4: port.ipv4 ?? NONE,
        ipv6: port.ipv6 ?? NONE,
        mtu: port.mtu,
        mac: port.mac ?? ANY_MAC,
        flags,
      };
      const value = encode(this.#layout.interface, entry);
      if (this.#written.get(port.ifindex) === textOf(value)) continue;
      this.#map.update(indexKey(port.ifindex), value);
      this.#written.set(port.ifindex, textOf(value));
    }
    const wanted = new Set(ports.map(({ ifindex }) => ifindex));
    for (const ifindex of [...this.#written.keys()]) {
      if (wanted.has(ifindex)) continue;
      this.#map.delete(indexKey(ifindex));
      this.#written.delete(ifindex);
    }
    this.#config.set(0, { ...this.#config.get(0), mtuMin: mtu });
  }
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
