import type { Address } from '../../domain/address.ts';
import { KeyedMap } from '../../domain/keyed-map.ts';
import type { ObjectKey } from '../../domain/object.ts';
import { addressKey } from './occupancy.ts';

/** When a Service is served among those of one step: by `turn`, then the older first. */
export interface Place {
  readonly service: ObjectKey;
  readonly turn: number;
  /** ms since 1970. */
  readonly createdMs: number;
}

/** A place in the queue, with the addresses waited for; none when any of its pools will do. */
export interface Waiter extends Place {
  readonly addresses: readonly Address[];
}

/** Services that may succeed when others leave addresses or ports. */
export interface WaitingList {
  /** By Service key. */
  readonly entries: KeyedMap<Waiter>;
  /** Those who wait for certain addresses, by address in base 36. */
  readonly byAddress: KeyedMap<ReadonlySet<ObjectKey>>;
  /** Those who wait for room in a pool, in their order. */
  readonly forRoom: readonly Waiter[];
}

export const NOBODY_WAITS: WaitingList = {
  entries: KeyedMap.empty(),
  byAddress: KeyedMap.empty(),
  forRoom: [],
};

export function comparePlaces(a: Place, b: Place): number {
  return (
    a.turn - b.turn ||
    a.createdMs - b.createdMs ||
    (a.service < b.service ? -1 : a.service > b.service ? 1 : 0)
  );
}

/** The list after some Services began to wait, or no longer do (`undefined`). */
export function updateWaiting(
  list: WaitingList,
  changes: ReadonlyMap<ObjectKey, Waiter | undefined>,
): WaitingList {
  const byAddress = new Map<string, Set<ObjectKey>>();
  const leaving = new Set<Waiter>();
  const joining: Waiter[] = [];
  const queueAt = (address: Address) => {
    const key = addressKey(address);
    const queue = byAddress.get(key) ?? new Set(list.byAddress.get(key));
    byAddress.set(key, queue);
    return queue;
  };
  for (const [service, waiter] of changes) {
    const before = list.entries.get(service);
    if (before?.addresses.length === 0) leaving.add(before);
    if (waiter?.addresses.length === 0) joining.push(waiter);
    for (const address of before?.addresses ?? []) queueAt(address).delete(service);
    for (const address of waiter?.addresses ?? []) queueAt(address).add(service);
  }
  const staying = leaving.size === 0 ? list.forRoom : list.forRoom.filter((at) => !leaving.has(at));
  return {
    entries: list.entries.withAll(changes),
    byAddress: list.byAddress.withAll(
      [...byAddress].map(([key, queue]) => [key, queue.size === 0 ? undefined : queue] as const),
    ),
    forRoom: joining.length === 0 ? staying : [...staying, ...joining].sort(comparePlaces),
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
