import type { BgpRoute } from '../../domain/bgp/bgp-route.ts';
import type { KeyedMap } from '../../domain/keyed-map.ts';
import type { Prefix } from '../../domain/prefix.ts';
import type { ByPeer, Interner } from './intern.ts';
import type { Path } from './plan-bgp-address.ts';

/** How many addresses ask for what of a prefix. */
export type Demand = ReadonlyMap<ByPeer, number>;

export interface RoutesBasis {
  /** By text of the prefix. */
  readonly routes: KeyedMap<BgpRoute>;
  readonly demands: KeyedMap<Demand>;
}

/** What one address asked for, and asks for now. */
export interface PathChange {
  readonly before: readonly Path[];
  readonly now: readonly Path[];
}

/**
 * A prefix is announced while any address asks for it, with what all of them ask for. Counting costs one
 * address what it changes, however many lie under the prefix.
 */
export function updateRoutes(
  { routes, demands }: RoutesBasis,
  changes: Iterable<PathChange>,
  interner: Interner,
): RoutesBasis {
  const touched = new Map<string, { prefix: Prefix; demand: Map<ByPeer, number> }>();
  const count = ({ text, prefix, byPeer }: Path, by: number) => {
    const entry = touched.get(text) ?? { prefix, demand: new Map(demands.get(text)) };
    touched.set(text, entry);
    const sum = (entry.demand.get(byPeer) ?? 0) + by;
    if (sum === 0) entry.demand.delete(byPeer);
    else entry.demand.set(byPeer, sum);
  };
  for (const { before, now } of changes) {
    for (const path of before) count(path, -1);
    for (const path of now) count(path, 1);
  }
  const entries = [...touched];
  return {
    demands: demands.withAll(
      entries.map(([text, { demand }]) => [text, demand.size > 0 ? demand : undefined]),
    ),
    routes: routes.withAll(
      entries.map(([text, { prefix, demand }]) => {
        if (demand.size === 0) return [text, undefined];
        const old = routes.get(text);
        const byPeer = interner.merge([...demand.keys()]);
        return [text, old?.byPeer === byPeer ? old : { prefix, byPeer }];
      }),
    ),
  };
}
