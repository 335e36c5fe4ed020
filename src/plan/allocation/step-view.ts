import type { KeyedMap } from '../../domain/keyed-map.ts';
import type { Namespace } from '../../domain/namespace.ts';
import type { OccupancyDraft } from './occupancy.ts';
import type { PoolTable } from './pool-table.ts';

/** What decisions about one Service read. */
export interface StepView {
  readonly table: PoolTable;
  readonly namespaces: KeyedMap<Namespace>;
  readonly draft: OccupancyDraft;
  /**
   * Names of pools that are in the input and cannot be read: holders keep their addresses, nothing
   * new is given.
   */
  readonly unreadable: ReadonlySet<string>;
}
