import type { Address } from '../../domain/address.ts';
import { KeyedMap } from '../../domain/keyed-map.ts';
import type { ObjectKey } from '../../domain/object.ts';
import { addressKey } from './occupancy.ts';

/** Services that may succeed when others leave addresses or ports. */
export interface WaitingList {
  /** By Service key: the addresses it waits for; none when any of its pools will do. */
  readonly entries: KeyedMap<readonly Address[]>;
  /** Those who wait for certain addresses, by address in base 36. */
  readonly byAddress: KeyedMap<ReadonlySet<ObjectKey>>;
  /** Those who wait for room in a pool. */
  readonly forRoom: KeyedMap<true>;
}

export const NOBODY_WAITS: WaitingList = {
  entries: KeyedMap.empty(),
  byAddress: KeyedMap.empty(),
  forRoom: KeyedMap.empty(),
};

/** The list after some Services began to wait (for what), or no longer do (`undefined`). */
export function updateWaiting(
  list: WaitingList,
  changes: ReadonlyMap<ObjectKey, readonly Address[] | undefined>,
): WaitingList {
  const byAddress = new Map<string, Set<ObjectKey>>();
  const forRoom = new Map<ObjectKey, true | undefined>();
  const queueAt = (address: Address) => {
    const key = addressKey(address);
    const queue = byAddress.get(key) ?? new Set(list.byAddress.get(key));
    byAddress.set(key, queue);
    return queue;
  };
  for (const [service, addresses] of changes) {
    for (const address of list.entries.get(service) ?? []) queueAt(address).delete(service);
    for (const address of addresses ?? []) queueAt(address).add(service);
    forRoom.set(service, addresses?.length === 0 ? true : undefined);
  }
  return {
    entries: list.entries.withAll(changes),
    byAddress: list.byAddress.withAll(
      [...byAddress].map(([key, queue]) => [key, queue.size === 0 ? undefined : queue] as const),
    ),
    forRoom: list.forRoom.withAll(forRoom),
  };
}

/** Everybody who waits for one of these addresses. */
export function waitersAt(list: WaitingList, addresses: Iterable<Address>): Set<ObjectKey> {
  const waiters = new Set<ObjectKey>();
  if (list.byAddress.size === 0) return waiters;
  for (const address of addresses) {
    for (const service of list.byAddress.get(addressKey(address)) ?? []) waiters.add(service);
  }
  return waiters;
}
