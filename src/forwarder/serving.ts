import { type Address, formatAddress } from '../domain/address.ts';
import type { ServiceForwarding, VirtualServer } from '../domain/forwarding.ts';
import { KeyedMap } from '../domain/keyed-map.ts';
import type { ObjectKey } from '../domain/object.ts';
import type { VipServing } from '../domain/observed.ts';

/** What is really in the maps, as against what is planned. */
export interface Applied {
  /** Why the server is not in the maps as planned; an earlier version of it may be there. */
  failure(serverId: string): string | undefined;
  /** Its backends that take new flows and can be reached. */
  usableBackends(serverId: string): readonly Address[];
}

/**
 * The parts of the Services that hold an address, as it is served: true only when packets arrive.
 */
export function servingOf(
  address: Address,
  parts: readonly ServiceForwarding[],
  applied: Applied,
  revision: number,
): VipServing {
  const byKey = [...parts].sort((a, b) => (a.service < b.service ? -1 : 1));
  const servers = byKey.flatMap((part) => part.servers.filter((each) => each.address === address));
  const usable = servers.map(({ id }) => applied.usableBackends(id));
  const working = servers[usable.findIndex((addresses) => addresses.length > 0)];
  const all = servers.flatMap(({ backends }) => backends.map((each) => each.address));
  return {
    address,
    service: (working ?? byKey[0])?.service ?? '',
    servable: working !== undefined,
    usableBackends: new Set(usable.flat()).size,
    backends: new Set(all).size,
    reason: working ? '' : reasonOf(byKey, servers, applied),
    revision,
  };
}

function reasonOf(
  parts: readonly ServiceForwarding[],
  servers: readonly VirtualServer[],
  applied: Applied,
): string {
  const planned = servers.filter(({ ring }) => ring.length > 0);
  if (planned.length === 0) return parts[0]?.reason || 'noEndpoints';
  const failed = planned.some(({ id }) => applied.failure(id) !== undefined);
  return failed ? 'forwardingFailed' : 'backendsUnreachable';
}

/** Which Services hold an address, kept up to date by what changed. */
export interface AddressHolders {
  /** Takes over a new version; returns the texts of the addresses concerned. */
  update(services: KeyedMap<ServiceForwarding>): ReadonlySet<string>;
  /** The parts that hold the address with this text. */
  of(addressText: string): readonly ServiceForwarding[];
  addresses(): Iterable<string>;
}

export function createAddressHolders(): AddressHolders {
  let services = KeyedMap.empty<ServiceForwarding>();
  const holders = new Map<string, Set<ObjectKey>>();

  function forget(key: ObjectKey, text: string): void {
    const keys = holders.get(text);
    keys?.delete(key);
    if (keys?.size === 0) holders.delete(text);
  }

  return {
    update(now) {
      const touched = new Set<string>();
      for (const key of now.changedKeys(services)) {
        for (const address of services.get(key)?.addresses ?? []) {
          forget(key, formatAddress(address));
          touched.add(formatAddress(address));
        }
        for (const address of now.get(key)?.addresses ?? []) {
          const text = formatAddress(address);
          holders.set(text, (holders.get(text) ?? new Set<ObjectKey>()).add(key));
          touched.add(text);
        }
      }
      services = now;
      return touched;
    },
    of: (text) => [...(holders.get(text) ?? [])].flatMap((key) => services.get(key) ?? []),
    addresses: () => holders.keys(),
  };
}
