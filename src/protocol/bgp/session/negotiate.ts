import type { Family } from '../../../domain/address.ts';
import { AFI, familyOfPair, SAFI_UNICAST } from '../address-family.ts';
import type { Capability, GracefulRestartCapability, OpenMessage } from '../message.ts';
import { type Refusal, refuseFamilies, refuseOpen } from './check-open.ts';
import type { Negotiated, PeerGracefulRestart } from './negotiated.ts';
import type { SessionConfig } from './session-config.ts';
import { agreedHoldMs, agreedKeepaliveMs } from './timing.ts';

/** What a peer's OPEN and this side's agree on, or why the peer's cannot be accepted. */
export function negotiate(
  config: SessionConfig,
  open: OpenMessage,
): { readonly negotiated: Negotiated } | { readonly refusal: Refusal } {
  const refusal = refuseOpen(config, open);
  if (refusal !== undefined) return { refusal };
  const families = commonFamilies(config, open);
  if (families.length === 0) return { refusal: refuseFamilies(config) };
  const holdTimeMs = agreedHoldMs(config, open.holdTimeSec);
  const internal = open.asn === config.localAsn;
  return {
    negotiated: {
      peerAsn: open.asn,
      peerRouterId: open.routerId,
      internal,
      holdTimeMs,
      keepaliveMs: agreedKeepaliveMs(config, holdTimeMs),
      codec: {
        fourOctetAs: has(open, 'fourOctetAs'),
        extendedMessage: has(open, 'extendedMessage'),
        internal,
        families,
        extendedNextHop: config.extendedNextHop && families.includes(4) && mixesNextHops(open),
      },
      routeRefresh: has(open, 'routeRefresh'),
      enhancedRouteRefresh: has(open, 'routeRefresh') && has(open, 'enhancedRouteRefresh'),
      gracefulRestart: peerGracefulRestart(config, open, families),
    },
  };
}

function has(open: OpenMessage, kind: Capability['kind']): boolean {
  return open.capabilities.some((capability) => capability.kind === kind);
}

/** RFC 4760 §8: who says nothing of families speaks IPv4 unicast. */
function commonFamilies(config: SessionConfig, open: OpenMessage): Family[] {
  const offered = open.capabilities.flatMap((capability) =>
    capability.kind === 'multiprotocol' ? [familyOfPair(capability.afi, capability.safi)] : [],
  );
  const theirs = offered.length === 0 ? [4] : offered;
  return config.families.filter((family) => theirs.includes(family));
}

function mixesNextHops(open: OpenMessage): boolean {
  return open.capabilities.some(
    (capability) =>
      capability.kind === 'extendedNextHop' &&
      capability.entries.some(
        ({ afi, safi, nextHopAfi }) =>
          afi === AFI.ipv4 && safi === SAFI_UNICAST && nextHopAfi === AFI.ipv6,
      ),
  );
}

/** The last one counts when a peer repeats it (RFC 4724 §3). */
function peerGracefulRestart(
  config: SessionConfig,
  open: OpenMessage,
  families: readonly Family[],
): PeerGracefulRestart | undefined {
  const capability = open.capabilities.findLast(
    (one): one is GracefulRestartCapability => one.kind === 'gracefulRestart',
  );
  if (config.gracefulRestart === undefined || capability === undefined) return undefined;
  return {
    restarting: capability.restarting,
    notification: capability.notification,
    restartTimeMs: capability.restartTimeSec * 1000,
    families: families.flatMap((family) => {
      const kept = capability.families.find(({ afi, safi }) => familyOfPair(afi, safi) === family);
      return kept === undefined ? [] : [{ family, forwarding: kept.forwarding }];
    }),
  };
}
