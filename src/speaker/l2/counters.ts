import type { Address } from '../../domain/address.ts';

/** Of one VIP, over all interfaces, since it was planned here; as MetalLB's `metallb_layer2_*`. */
export interface VipCounters {
  /** ARP requests and neighbour solicitations for it. */
  readonly requestsReceived: number;
  readonly responsesSent: number;
  /** Frames sent unasked: gratuitous ARP, unsolicited neighbour advertisements. */
  readonly gratuitousSent: number;
  /** Frames of others who said that the VIP is theirs. */
  readonly conflicts: number;
}

/** Counts by VIP. */
export interface CounterTable {
  count(address: Address, name: keyof VipCounters): void;
  get(address: Address): VipCounters;
  forget(address: Address): void;
}

const NONE: VipCounters = {
  requestsReceived: 0,
  responsesSent: 0,
  gratuitousSent: 0,
  conflicts: 0,
};

export function createCounterTable(): CounterTable {
  const table = new Map<Address, { -readonly [K in keyof VipCounters]: number }>();
  return {
    count(address, name) {
      const counters = table.get(address) ?? { ...NONE };
      counters[name] += 1;
      table.set(address, counters);
    },
    get: (address) => ({ ...NONE, ...table.get(address) }),
    forget: (address) => void table.delete(address),
  };
}
