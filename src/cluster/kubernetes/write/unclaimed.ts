import type { Address } from '../../../domain/address.ts';
import type { ObjectKey } from '../../../domain/object.ts';
import type { Service, ServiceStatus } from '../../../domain/service.ts';
import { addressesOf } from '../status/api-status.ts';
import type { StatusBase } from '../status/status-base.ts';

/**
 * Of statuses that a restored API server has lost, those that can be written again as they were: their
 * addresses are in no other Service's status there, or in that of one that is in the batch, too (then the
 * writer minds the order), or that shares them. Of the others allocation has to decide first.
 */
export function unclaimed(
  lost: ReadonlyMap<ObjectKey, ServiceStatus>,
  bases: Iterable<readonly [ObjectKey, StatusBase]>,
  service: (key: ObjectKey) => Service | undefined,
): ReadonlyMap<ObjectKey, ServiceStatus> {
  const holders = new Map<Address, ObjectKey[]>();
  for (const [key, base] of bases) {
    if (lost.has(key)) continue;
    for (const address of addressesOf(base)) {
      holders.set(address, [...(holders.get(address) ?? []), key]);
    }
  }
  const sharingOf = (key: ObjectKey) => service(key)?.sharingKey ?? '';
  const isFree = (key: ObjectKey) => (address: Address) =>
    (holders.get(address) ?? []).every(
      (other) => sharingOf(key) !== '' && sharingOf(key) === sharingOf(other),
    );
  return new Map([...lost].filter(([key, { addresses }]) => addresses.every(isFree(key))));
}
