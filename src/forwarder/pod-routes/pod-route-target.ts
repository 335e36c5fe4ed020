import type { Family } from '../../domain/address.ts';
import type { Prefix } from '../../domain/prefix.ts';
import { parsePrefix } from '../../domain/prefix.ts';
import type { Route } from '../../protocol/rtnetlink/route.ts';
import type { Target } from '../../reconcile/target.ts';
import type { NetworkConfig } from '../../system/network-config.ts';
import { POD_ROUTE_METRIC, POD_ROUTE_PROTOCOL, type PodRoute, routeKey } from './pod-route.ts';

const FAMILIES: readonly Family[] = [4, 6];
const OURS = { protocol: POD_ROUTE_PROTOCOL, metric: POD_ROUTE_METRIC };

/**
 * Our routes in the kernel's main table. What is to go goes at the end of a pass, after what comes:
 * where a Node's network changes, addresses in both are never without a route.
 */
export function podRouteTarget(config: NetworkConfig): Target<PodRoute> {
  let former: string[] = [];
  return {
    list: async () => (await heldRoutes(config)).keys(),
    update: (_, { destination, gateway, ifindex }) =>
      config.putRoute({ destination, gateway, ifindex, ...OURS }),
    remove(key) {
      former.push(key);
    },
    async commit() {
      const keys = former;
      former = [];
      for (const key of keys) {
        const destination = parsePrefix(key);
        if (destination) await config.removeRoute({ destination, ...OURS });
      }
    },
  };
}

/** Our routes as the kernel has them, by the text of their destination. */
export async function heldRoutes(
  config: NetworkConfig,
): Promise<ReadonlyMap<string, Route & { readonly destination: Prefix }>> {
  const tables = FAMILIES.map((family) => config.routesOf(POD_ROUTE_PROTOCOL, family));
  const routes = (await Promise.all(tables)).flat();
  return new Map(routes.map((route) => [routeKey(route.destination), route]));
}

/** Takes all of our routes away, whichever process made them. */
export async function removePodRoutes(openConfig: () => NetworkConfig): Promise<void> {
  const config = openConfig();
  try {
    for (const { destination, protocol, metric } of (await heldRoutes(config)).values()) {
      await config.removeRoute({ destination, protocol, metric });
    }
  } finally {
    config.close();
  }
}
