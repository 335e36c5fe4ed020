import type { Address, Family } from '../../domain/address.ts';
import { KeyedMap } from '../../domain/keyed-map.ts';
import type { PoolUsage } from './assignment.ts';
import { laneSize } from './lane.ts';
import { laneRuns, type Occupancy } from './occupancy.ts';
import { type PoolTable, slotOf, type TablePool } from './pool-table.ts';

/** The counters after a step; of pools whose numbers it did not change they are the same objects. */
export function usageOf(
  before: KeyedMap<PoolUsage> | undefined,
  table: PoolTable,
  occupancy: Occupancy,
  changes: {
    readonly touched: Iterable<Address>;
    readonly services: ReadonlyMap<string, number>;
  },
): KeyedMap<PoolUsage> {
  const names = new Set(before ? changes.services.keys() : table.byName.keys());
  for (const address of before ? changes.touched : []) {
    const slot = slotOf(table, address);
    if (slot) names.add(slot.owner.pool.name);
  }
  const counted: [string, PoolUsage][] = [];
  for (const name of names) {
    const entry = table.byName.get(name);
    if (!entry) continue;
    const services = (before?.get(name)?.services ?? 0) + (changes.services.get(name) ?? 0);
    const usage = count(entry, occupancy, services);
    const known = before?.get(name);
    counted.push([name, known && sameUsage(known, usage) ? known : usage]);
  }
  return (before ?? KeyedMap.empty<PoolUsage>()).withAll(counted);
}

function count({ pool, lanes }: TablePool, occupancy: Occupancy, services: number): PoolUsage {
  const total = (family: Family) =>
    lanes.filter((lane) => lane.family === family).reduce((sum, lane) => sum + laneSize(lane), 0n);
  const assigned = (family: Family) =>
    lanes
      .filter((lane) => lane.family === family)
      .reduce((sum, lane) => sum + laneRuns(occupancy, lane).size, 0n);
  return {
    name: pool.name,
    assignedIPv4: assigned(4),
    assignedIPv6: assigned(6),
    availableIPv4: total(4) - assigned(4),
    availableIPv6: total(6) - assigned(6),
    services,
  };
}

function sameUsage(a: PoolUsage, b: PoolUsage): boolean {
  return (
    a.services === b.services &&
    a.assignedIPv4 === b.assignedIPv4 &&
    a.assignedIPv6 === b.assignedIPv6 &&
    a.availableIPv4 === b.availableIPv4 &&
    a.availableIPv6 === b.availableIPv6
  );
}
