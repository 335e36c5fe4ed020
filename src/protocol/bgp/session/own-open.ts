import { AFI, afiOf, SAFI_UNICAST } from '../address-family.ts';
import type { Capability, OpenMessage } from '../message.ts';
import { BGP_VERSION } from '../open/open.ts';
import type { SessionConfig } from './session-config.ts';
import { offeredHoldSec } from './timing.ts';

/** Longest that the field of 12 bits holds (RFC 4724 §3). */
const MAX_RESTART_SEC = 4095;

/** This side's OPEN (RFC 4271 §4.2), with all that it can do. */
export function ownOpen(config: SessionConfig): OpenMessage {
  return {
    kind: 'open',
    version: BGP_VERSION,
    asn: config.localAsn,
    holdTimeSec: offeredHoldSec(config),
    routerId: config.routerId,
    capabilities: ownCapabilities(config),
  };
}

function ownCapabilities(config: SessionConfig): Capability[] {
  return [
    ...multiprotocol(config),
    { kind: 'routeRefresh' },
    { kind: 'enhancedRouteRefresh' },
    { kind: 'fourOctetAs', asn: config.localAsn },
    { kind: 'extendedMessage' },
    ...extendedNextHop(config),
    ...gracefulRestart(config),
  ];
}

/** RFC 4760 §8, one for each family. */
export function multiprotocol({ families }: SessionConfig): Capability[] {
  return families.map((family) => ({
    kind: 'multiprotocol',
    afi: afiOf(family),
    safi: SAFI_UNICAST,
  }));
}

function extendedNextHop(config: SessionConfig): Capability[] {
  if (!config.extendedNextHop || !config.families.includes(4)) return [];
  const entry = { afi: AFI.ipv4, safi: SAFI_UNICAST, nextHopAfi: AFI.ipv6 };
  return [{ kind: 'extendedNextHop', entries: [entry] }];
}

function gracefulRestart({ gracefulRestart: own, families }: SessionConfig): Capability[] {
  if (own === undefined) return [];
  const { restarting, forwarding, restartTimeSec } = own;
  return [
    {
      kind: 'gracefulRestart',
      restarting,
      notification: true,
      restartTimeSec: Math.min(MAX_RESTART_SEC, Math.max(0, Math.floor(restartTimeSec))),
      families: families.map((family) => ({ afi: afiOf(family), safi: SAFI_UNICAST, forwarding })),
    },
  ];
}
