import { formatAddress, ipv4 } from '../../../domain/address.ts';
import { AS_TRANS } from '../as-number.ts';
import type { NotificationContent, OpenMessage } from '../message.ts';
import { NOTIFICATION, notification, OPEN_ERROR } from '../notification-codes.ts';
import { encodeCapability } from '../open/capability.ts';
import { BGP_VERSION } from '../open/open.ts';
import { multiprotocol } from './own-open.ts';
import type { SessionConfig } from './session-config.ts';

/** Why a peer's OPEN ends the connection: as it is told to the peer, and to people here. */
export interface Refusal {
  readonly notification: NotificationContent;
  readonly why: string;
}

/** What cannot be accepted in a peer's OPEN (RFC 4271 §6.2), but for its families. */
export function refuseOpen(config: SessionConfig, open: OpenMessage): Refusal | undefined {
  if (open.version !== BGP_VERSION) {
    const why = `The peer speaks version ${open.version} of BGP, and this side only ${BGP_VERSION}`;
    return refusal(OPEN_ERROR.unsupportedVersion, why, Uint8Array.of(0, BGP_VERSION));
  }
  const wrongAs = refuseAsn(config, open.asn);
  if (wrongAs !== undefined) return refusal(OPEN_ERROR.badPeerAs, wrongAs);
  const wrongId = refuseRouterId(config, open);
  if (wrongId !== undefined) return refusal(OPEN_ERROR.badIdentifier, wrongId);
  if (open.holdTimeSec === 1 || open.holdTimeSec === 2) {
    const why = `The peer wants a hold time of ${open.holdTimeSec} s, and 3 s is the shortest`;
    return refusal(OPEN_ERROR.unacceptableHoldTime, why);
  }
  return undefined;
}

/** When no family is common to both: names those that this side has (RFC 5492 §5). */
export function refuseFamilies(config: SessionConfig): Refusal {
  const wanted = config.families.map((family) => `IPv${family} unicast`).join(' or ');
  const parts = multiprotocol(config).map(encodeCapability);
  const why = `The peer does not offer ${wanted}: activate the address family for this neighbour there`;
  return refusal(OPEN_ERROR.unsupportedCapability, why, joined(parts));
}

function refuseAsn({ peerAsn, localAsn }: SessionConfig, asn: number): string | undefined {
  // RFC 7607 and RFC 6793 §9: neither number is anybody's.
  if (asn === 0 || asn === AS_TRANS) return `The peer says AS ${asn}, which nobody can have`;
  const remedy = 'correct the BGPPeer, or the AS of the peer';
  if (peerAsn === 'internal')
    return asn === localAsn
      ? undefined
      : `The peer is of AS ${asn}, and "internal" means AS ${localAsn}: ${remedy}`;
  if (peerAsn === 'external')
    return asn !== localAsn
      ? undefined
      : `The peer is of AS ${asn} as this side is, and "external" means another: ${remedy}`;
  return asn === peerAsn
    ? undefined
    : `The peer is of AS ${asn}, and AS ${peerAsn} is configured: ${remedy}`;
}

/** RFC 6286 §2.2: not 0; and of two in one AS, each has its own. */
function refuseRouterId(config: SessionConfig, open: OpenMessage): string | undefined {
  if (open.routerId === 0) return 'The peer has router ID 0.0.0.0, which nobody can have';
  if (open.routerId !== config.routerId || open.asn !== config.localAsn) return undefined;
  const text = formatAddress(ipv4(open.routerId));
  return `The peer has router ID ${text} as this side has, in the same AS: give one of them another`;
}

function refusal(subcode: number, why: string, data?: Uint8Array<ArrayBuffer>): Refusal {
  return { notification: notification(NOTIFICATION.open, subcode, data), why };
}

function joined(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
