import { formatAddress } from '../../src/domain/address.ts';
import type { KeyedMap } from '../../src/domain/keyed-map.ts';
import type { ObjectKey } from '../../src/domain/object.ts';
import type { Pool } from '../../src/domain/pool.ts';
import type { Problem } from '../../src/domain/problem.ts';
import type { LabelSelector } from '../../src/domain/selector.ts';
import type { Service, ServiceStatus } from '../../src/domain/service.ts';
import { EMPTY_SNAPSHOT, type Snapshot } from '../../src/domain/snapshot.ts';
import { allocate } from '../../src/plan/allocate.ts';
import type { Allocation, AllocationSettings } from '../../src/plan/allocation/allocation.ts';
import type { PlannedEvent } from '../../src/plan/allocation/assignment.ts';
import { address as addr, pool, service } from '../support/objects.ts';

export const SETTINGS: AllocationSettings = {
  class: 'tidegate.io/tidegate',
  handleUnclassed: true,
  scopeSharingKeys: false,
};

/** What tests say of a Service; the rest is a single-stack IPv4 Service on TCP/80. */
export interface ServiceSpec extends Partial<Omit<Service, 'ports' | 'request'>> {
  /** `80` or `53/UDP`. */
  readonly ports?: readonly (number | string)[];
  readonly ips?: readonly string[];
  readonly request?: Service['request'];
}

export function makeService(key: ObjectKey, spec: ServiceSpec = {}): Service {
  const [namespace = '', name = ''] = key.includes('/') ? key.split('/') : ['default', key];
  const { ports = [80], ips, ...rest } = spec;
  const isDual = rest.ipFamilyPolicy !== undefined && rest.ipFamilyPolicy !== 'SingleStack';
  const field = 'metallb.io/loadBalancerIPs';
  return service(name, {
    namespace,
    families: isDual ? [4, 6] : [4],
    ...(ips && { request: { kind: 'addresses', addresses: ips.map(addr), field } }),
    ...rest,
    ports: ports.map((text) => {
      const [port, protocol = 'TCP'] = String(text).split('/');
      return {
        name: `p${text}`,
        protocol: protocol as 'TCP' | 'UDP' | 'SCTP',
        port: Number(port),
        targetPort: Number(port),
        nodePort: 0,
      };
    }),
  });
}

export interface PoolSpec extends Partial<Omit<Pool, 'serviceAllocation'>> {
  readonly serviceAllocation?: Partial<NonNullable<Pool['serviceAllocation']>>;
}

export function makePool(name: string, addresses: readonly string[], spec: PoolSpec = {}): Pool {
  const { serviceAllocation, ...rest } = spec;
  return pool(name, addresses, {
    ...rest,
    serviceAllocation: serviceAllocation && {
      priority: 0,
      namespaces: [],
      namespaceSelectors: [],
      serviceSelectors: [],
      ...serviceAllocation,
    },
  });
}

export function has(label: string, value: string): LabelSelector {
  return [{ key: label, operator: 'In', values: [value] }];
}

/** A cluster to change step by step; `step` allocates and writes the statuses back, as the role does. */
export class Cluster {
  snapshot: Snapshot = EMPTY_SNAPSHOT;
  settings = SETTINGS;
  allocation: Allocation | undefined;
  /** Events that no write has taken along yet. */
  #unsaid = new Map<ObjectKey, PlannedEvent[]>();

  set(key: ObjectKey, spec: ServiceSpec = {}): this {
    const service = makeService(key, spec);
    return this.#with({ services: this.snapshot.services.with(service.key, service) });
  }

  /** Changes some fields of a Service that is there. */
  edit(key: ObjectKey, change: Partial<Service>): this {
    const full = makeService(key).key;
    const service = this.snapshot.services.get(full);
    if (!service) throw new Error(`No Service "${key}"`);
    return this.#with({ services: this.snapshot.services.with(full, { ...service, ...change }) });
  }

  delete(key: ObjectKey): this {
    return this.#with({ services: this.snapshot.services.without(makeService(key).key) });
  }

  pool(name: string, addresses: readonly string[], spec: PoolSpec = {}): this {
    const pool = makePool(name, addresses, spec);
    return this.#with({ pools: this.snapshot.pools.with(pool.key, pool) });
  }

  dropPool(name: string): this {
    return this.#with({ pools: this.snapshot.pools.without(`metallb-system/${name}`) });
  }

  namespace(name: string, labels: Readonly<Record<string, string>>): this {
    const namespace = { ...makeService(`x/${name}`), key: name, namespace: '', labels };
    return this.#with({ namespaces: this.snapshot.namespaces.with(name, namespace) });
  }

  status(key: ObjectKey, ips: readonly string[], rest: Partial<ServiceStatus> = {}): this {
    const status: ServiceStatus = {
      addresses: ips.map(addr),
      hostnames: [],
      ports: [],
      guarded: true,
      pool: '',
      conditions: [],
      events: [],
      ...rest,
    };
    const full = makeService(key).key;
    return this.#with({ statuses: this.snapshot.statuses.with(full, status) });
  }

  problems(...problems: readonly Problem[]): this {
    return this.#with({ problems });
  }

  /** One step, not written back. */
  plan(): this {
    this.snapshot = { ...this.snapshot, revision: this.snapshot.revision + 1 };
    this.allocation = allocate(this.allocation, this.snapshot, this.settings);
    for (const [key, events] of this.allocation.events) {
      this.#unsaid.set(key, [...(this.#unsaid.get(key) ?? []), ...events]);
    }
    return this;
  }

  /** Writes what was decided into the statuses. */
  write(): this {
    const { allocation } = this;
    if (!allocation) return this;
    const changes = new Map<ObjectKey, ServiceStatus | undefined>();
    for (const [key, { addresses, pool }] of allocation.services) {
      const before = this.snapshot.statuses.get(key);
      const events = [...(before?.events ?? []), ...(this.#unsaid.get(key) ?? [])].map((event) => ({
        firstMs: 0,
        lastMs: 0,
        count: 1,
        ...event,
      }));
      changes.set(key, {
        addresses,
        hostnames: [],
        pool,
        ports: [],
        guarded: true,
        conditions: [],
        events,
      });
    }
    this.#unsaid.clear();
    for (const key of this.snapshot.statuses.keys()) {
      if (!this.snapshot.services.has(key) && !allocation.basis.world.hidden.has(key)) {
        changes.set(key, undefined);
      }
    }
    return this.#with({ statuses: this.snapshot.statuses.withAll(changes) });
  }

  step(): this {
    return this.plan().write();
  }

  /** The process ends; the statuses stay. */
  restart(): this {
    this.allocation = undefined;
    this.#unsaid.clear();
    return this;
  }

  ips(key: ObjectKey): string[] {
    return (this.#assignment(key)?.addresses ?? []).map(formatAddress);
  }

  poolOf(key: ObjectKey): string | undefined {
    return this.#assignment(key)?.pool;
  }

  refusal(key: ObjectKey) {
    return this.#assignment(key)?.refusal;
  }

  /** `Reason: message` of the events of the last step. */
  events(key: ObjectKey): string[] {
    const events = this.allocation?.events.get(makeService(key).key) ?? [];
    return events.map(({ reason, message }) => `${reason}: ${message}`);
  }

  /** Reasons alone. */
  reasons(key: ObjectKey): string[] {
    const events = this.allocation?.events.get(makeService(key).key) ?? [];
    return events.map(({ type, reason }) => `${type} ${reason}`);
  }

  usage(pool: string) {
    return this.allocation?.pools.get(pool);
  }

  #assignment(key: ObjectKey) {
    return this.allocation?.services.get(makeService(key).key);
  }

  #with(change: Partial<Snapshot>): this {
    this.snapshot = { ...this.snapshot, ...change };
    return this;
  }
}

export function cluster(): Cluster {
  return new Cluster();
}

/** What two ways to the same end must agree on. */
export function outcome({ services, pools, problems }: Allocation) {
  const sorted = <V>(map: KeyedMap<V>) => [...map].sort(([a], [b]) => (a < b ? -1 : 1));
  return { services: sorted(services), pools: sorted(pools), problems };
}
