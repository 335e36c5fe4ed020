import type { Negotiated } from './negotiated.ts';

/** What both sides can do, in words, as people see it of a session. */
export function capabilityNames(negotiated: Negotiated): string[] {
  const { codec, routeRefresh, enhancedRouteRefresh, gracefulRestart } = negotiated;
  const names: readonly (readonly [boolean, string])[] = [
    [codec.families.includes(4), 'IPv4 unicast'],
    [codec.families.includes(6), 'IPv6 unicast'],
    [codec.extendedNextHop, 'IPv6 next hops for IPv4'],
    [codec.fourOctetAs, '4-octet AS'],
    [routeRefresh, 'route refresh'],
    [enhancedRouteRefresh, 'enhanced route refresh'],
    [codec.extendedMessage, 'extended messages'],
    [gracefulRestart !== undefined, 'graceful restart'],
    [gracefulRestart?.notification ?? false, 'graceful restart after NOTIFICATION'],
  ];
  return names.filter(([both]) => both).map(([, name]) => name);
}
