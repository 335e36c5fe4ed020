import { type Address, compareAddresses, familyOf, formatAddress } from '../../domain/address.ts';
import type { Node } from '../../domain/node.ts';
import {
  type AddressRange,
  type Prefix,
  rangeContains,
  rangeOfPrefix,
} from '../../domain/prefix.ts';
import { describeRoute, routeKey, type WantedRoute } from './pod-route.ts';

export interface WantedRoutes {
  /** By the text of their destination. */
  readonly routes: ReadonlyMap<string, WantedRoute>;
  /** Sentences on Pod networks that cannot be routed, each with a remedy. */
  readonly problems: readonly string[];
}

/**
 * The route to each Pod network by way of its Node. Without those of the Node that this box is (its
 * Pods are here), and without those that would draw addresses to a Node which are not its Pods'.
 */
export function wantedRoutes(nodes: Iterable<Node>, ownAddresses: Iterable<Address>): WantedRoutes {
  const own = new Set(ownAddresses);
  const sorted = [...nodes].sort((a, b) => (a.name < b.name ? -1 : 1));
  const foreign = sorted.flatMap((node) => node.internalAddresses);
  const taken = [...own, ...foreign].sort(compareAddresses);
  const routes = new Map<string, WantedRoute>();
  const problems: string[] = [];
  for (const node of sorted) {
    if (node.internalAddresses.some((address) => own.has(address))) continue;
    for (const destination of node.podCIDRs) {
      const family = familyOf(destination.base);
      const gateway = node.internalAddresses.find((each) => familyOf(each) === family);
      if (gateway === undefined) {
        problems.push(withoutGateway(destination, node));
        continue;
      }
      const route = { destination, gateway, node: node.name };
      const key = routeKey(destination);
      const inside = firstWithin(taken, rangeOfPrefix(destination));
      const other = routes.get(key);
      if (inside !== undefined) problems.push(covers(route, inside, own.has(inside)));
      else if (other) problems.push(isTaken(route, other));
      else routes.set(key, route);
    }
  }
  return { routes, problems };
}

/** The first of the addresses, which are in order, that lies in the range. Cost: O(log n). */
export function firstWithin(sorted: readonly Address[], range: AddressRange): Address | undefined {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sorted[middle] as Address) < range.first) low = middle + 1;
    else high = middle;
  }
  const found = sorted[low];
  return found !== undefined && rangeContains(range, found) ? found : undefined;
}

function withoutGateway(destination: Prefix, { name: node }: Node): string {
  const problem = `${describeRoute({ destination, node })} is not routed`;
  const family = familyOf(destination.base);
  return `${problem}: the Node has no IPv${family} InternalIP; give it one (kubelet --node-ip)`;
}

function covers(route: WantedRoute, address: Address, isOwn: boolean): string {
  const whose = isOwn ? 'of this box' : 'of a Node';
  const problem = `${describeRoute(route)} is not routed: the address ${formatAddress(address)}`;
  return `${problem} ${whose} is in it; give the Node a network of its own in spec.podCIDRs`;
}

function isTaken(route: WantedRoute, other: WantedRoute): string {
  const problem = `${describeRoute(route)} is not routed: Node ${other.node} has the same one`;
  return `${problem}; give each Node a network of its own in spec.podCIDRs`;
}
