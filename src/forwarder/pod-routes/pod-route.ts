import { type Address, familyOf } from '../../domain/address.ts';
import { formatPrefix, type Prefix } from '../../domain/prefix.ts';
import type { Route } from '../../protocol/rtnetlink/route.ts';

/**
 * `RTPROT_*` of our routes, as `ip route show proto 74` finds them: a number that neither
 * linux/rtnetlink.h nor iproute2's rt_protos gives to anybody.
 */
export const POD_ROUTE_PROTOCOL = 74;
/** High, so that the route of anybody else to the same network counts before ours. */
export const POD_ROUTE_METRIC = 7464;

/** A Pod network of a Node, and the Node's address that leads to it. */
export interface WantedRoute {
  readonly destination: Prefix;
  readonly gateway: Address;
  readonly node: string;
}

/** One that can be made: the Node is on the link of an interface. */
export interface PodRoute extends WantedRoute {
  readonly ifindex: number;
}

/** `Pod network 10.244.1.0/24 of Node worker-1`, for sentences. */
export function describeRoute({ destination, node }: Omit<WantedRoute, 'gateway'>): string {
  return `Pod network ${formatPrefix(destination)} of Node ${node}`;
}

export function routeKey(destination: Prefix): string {
  return formatPrefix(destination);
}

/** True when the kernel's route is the one wanted. */
export function isHeld({ gateway, ifindex }: PodRoute, held: Route | undefined): boolean {
  return held !== undefined && held.gateway === gateway && held.ifindex === ifindex;
}

/** How to look at what is there. */
export function showRoute(destination: Prefix): string {
  const family = familyOf(destination.base) === 6 ? '-6 ' : '';
  return `ip ${family}route show ${formatPrefix(destination)}`;
}
