import { AFI, SAFI_UNICAST } from '../address-family.ts';
import type { Capability } from '../message.ts';
import { CAPABILITY } from './capability.ts';

/** By code (IANA): what routers have, spoken here or not. */
const NAMES: ReadonlyMap<number, string> = new Map([
  [CAPABILITY.multiprotocol, 'multiprotocol'],
  [CAPABILITY.routeRefresh, 'route refresh'],
  [3, 'outbound route filtering'],
  [CAPABILITY.extendedNextHop, 'extended next hop'],
  [CAPABILITY.extendedMessage, 'extended message'],
  [7, 'BGPsec'],
  [8, 'multiple labels'],
  [9, 'role'],
  [CAPABILITY.gracefulRestart, 'graceful restart'],
  [CAPABILITY.fourOctetAs, '4-octet AS'],
  [67, 'dynamic capability'],
  [68, 'multisession'],
  [69, 'ADD-PATH'],
  [CAPABILITY.enhancedRouteRefresh, 'enhanced route refresh'],
  [71, 'long-lived graceful restart'],
  [72, 'routing policy distribution'],
  [73, 'host name'],
  [75, 'software version'],
  [76, 'paths limit'],
  [128, 'route refresh (Cisco)'],
]);

const AFI_NAMES: ReadonlyMap<number, string> = new Map([
  [AFI.ipv4, 'IPv4'],
  [AFI.ipv6, 'IPv6'],
  [25, 'L2VPN'],
]);

const SAFI_NAMES: ReadonlyMap<number, string> = new Map([
  [SAFI_UNICAST, 'unicast'],
  [2, 'multicast'],
  [4, 'labeled unicast'],
  [70, 'EVPN'],
  [128, 'VPN'],
  [133, 'flow specification'],
]);

export function capabilityName(code: number): string {
  return NAMES.get(code) ?? `capability ${code}`;
}

/** `IPv4 unicast`. */
export function describePair(afi: number, safi: number): string {
  const family = AFI_NAMES.get(afi) ?? `AFI ${afi}`;
  return `${family} ${SAFI_NAMES.get(safi) ?? `SAFI ${safi}`}`;
}

/** For people: `IPv6 unicast`, `4-octet AS`, `graceful restart`. */
export function describeCapability(capability: Capability): string {
  if (capability.kind === 'multiprotocol') return describePair(capability.afi, capability.safi);
  if (capability.kind === 'unknown') return capabilityName(capability.code);
  return capabilityName(CAPABILITY[capability.kind]);
}
