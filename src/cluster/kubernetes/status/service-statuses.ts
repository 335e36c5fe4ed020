import type { Clock } from '../../../domain/clock.ts';
import type { ObjectKey } from '../../../domain/object.ts';
import type { ServiceEvent, ServiceStatus } from '../../../domain/service.ts';
import type { Store } from '../../store.ts';
import { addressesOf, statusOf } from './api-status.ts';
import type { StatusBase } from './status-base.ts';

/** The statuses of Services in the store, and what patches of them are made from. */
export interface ServiceStatuses {
  /** `isRestored`: the API server has gone back in time, and this is how the Service was then. */
  set(service: ObjectKey, base: StatusBase, isRestored: boolean): void;
  delete(service: ObjectKey): void;
  base(service: ObjectKey): StatusBase | undefined;
  bases(): Iterable<readonly [ObjectKey, StatusBase]>;
  /** What this process says about a Service has changed. */
  refresh(service: ObjectKey): void;
  /** Statuses that hold here and that the API server has lost. */
  lost(): ReadonlyMap<ObjectKey, ServiceStatus>;
  stop(): void;
}

export interface ServiceStatusesOptions {
  readonly store: Pick<Store, 'setStatuses'>;
  /** What this process said about a Service, by its uid. */
  readonly eventsOf: (uid: string) => readonly ServiceEvent[];
  readonly clock: Clock;
}

/**
 * A Service that a restored API server knows without its former addresses keeps them for so long, so
 * that forwarding goes on until the leader has written them again.
 */
export const KEEP_LOST_MS = 60_000;

interface Lost {
  readonly status: ServiceStatus;
  readonly cancel: () => void;
}

export function createServiceStatuses(options: ServiceStatusesOptions): ServiceStatuses {
  const { store, eventsOf, clock } = options;
  const bases = new Map<ObjectKey, StatusBase>();
  const lost = new Map<ObjectKey, Lost>();

  function show(service: ObjectKey) {
    const base = bases.get(service);
    const status = lost.get(service)?.status ?? (base && statusOf(base, eventsOf(base.uid)));
    store.setStatuses([[service, status]]);
  }

  function keep(service: ObjectKey, base: StatusBase) {
    const status = statusOf(base, eventsOf(base.uid));
    if (!status || lost.has(service)) return;
    const cancel = clock.after(KEEP_LOST_MS, () => {
      lost.delete(service);
      show(service);
    });
    lost.set(service, { status, cancel });
  }

  function forget(service: ObjectKey) {
    lost.get(service)?.cancel();
    lost.delete(service);
  }

  return {
    set(service, base, isRestored) {
      const before = bases.get(service);
      bases.set(service, base);
      const isSame = before?.uid === base.uid;
      if (!isSame || (!isRestored && addressesOf(base).length > 0)) forget(service);
      else if (isRestored && before && hasLost(before, base)) keep(service, before);
      show(service);
    },
    delete(service) {
      forget(service);
      bases.delete(service);
      store.setStatuses([[service, undefined]]);
    },
    base: (service) => bases.get(service),
    bases: () => bases,
    refresh: show,
    lost: () => new Map([...lost].map(([service, { status }]) => [service, status])),
    stop() {
      for (const { cancel } of lost.values()) cancel();
    },
  };
}

/** Whether some address that stood there before does no longer. */
function hasLost(before: StatusBase, now: StatusBase): boolean {
  const held = addressesOf(now);
  return addressesOf(before).some((address) => !held.includes(address));
}
