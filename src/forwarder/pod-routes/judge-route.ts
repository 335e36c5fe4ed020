import { formatAddress } from '../../domain/address.ts';
import type { RouteAnswer } from '../../system/rtnetlink.ts';
import {
  describeRoute,
  POD_ROUTE_PROTOCOL,
  type PodRoute,
  showRoute,
  type WantedRoute,
} from './pod-route.ts';

/** What becomes of a wanted route. */
export type Judgement =
  | { readonly kind: 'make'; readonly route: PodRoute }
  /** Somebody else's route leads the same way, and stays. */
  | { readonly kind: 'leave' }
  /** A sentence with a remedy. */
  | { readonly kind: 'refuse'; readonly problem: string };

/** What the kernel says of a wanted route. */
export interface RouteFacts {
  /** How it would send to the Node. */
  readonly toNode: RouteAnswer;
  /** Which entry decides for the first address of the Pod network. */
  readonly toPods: RouteAnswer;
}

const ELSEWHERE =
  'let the CNI announce its Pods by BGP, or add a static route by way of the router';

/**
 * Only a Node on the link of an interface can be a gateway. A route to the very network that somebody
 * else made is left as it is, and ours is not made beside it.
 */
export function judgeRoute(wanted: WantedRoute, { toNode, toPods }: RouteFacts): Judgement {
  const { gateway, node } = wanted;
  const refuse = (problem: string): Judgement => ({ kind: 'refuse', problem });
  const foreign = foreignOf(wanted, toPods);
  if (foreign === 'same way') return { kind: 'leave' };
  if (foreign !== '') {
    const problem = `${describeRoute(wanted)} is left as it is: ${foreign}`;
    return refuse(`${problem}; see "${showRoute(wanted.destination)}", and remove that route`);
  }
  const where = `Node ${node} (${formatAddress(gateway)})`;
  if (toNode.kind === 'none') {
    return refuse(`${where} cannot be reached (${toNode.code}), so its Pods are not routed`);
  }
  const { kind, gateway: router, ifindex } = toNode.route;
  if (kind !== 'unicast' || ifindex === 0) {
    return refuse(`${where} is on no interface of this box, so its Pods are not routed`);
  }
  if (router === undefined) return { kind: 'make', route: { ...wanted, ifindex } };
  const problem = `${where} is behind a router: ${formatAddress(router)} leads to it`;
  return refuse(`${problem}, and may not know its Pods; ${ELSEWHERE}`);
}

/** What somebody else decided about the network; empty when nobody did. */
function foreignOf({ destination, gateway }: WantedRoute, toPods: RouteAnswer): string {
  // A blackhole for more than this network; one for just this network counts before ours.
  if (toPods.kind === 'none') return '';
  const { route } = toPods;
  const { base, length } = route.destination;
  if (route.protocol === POD_ROUTE_PROTOCOL || length !== destination.length) return '';
  if (base !== destination.base) return '';
  if (route.gateway === gateway) return 'same way';
  return route.gateway === undefined
    ? 'it has a route by an interface'
    : `it has a route by way of ${formatAddress(route.gateway)}`;
}
