import { formatAddress } from '../domain/address.ts';
import type { BgpSession, SaidError } from '../domain/bgp/bgp-session.ts';
import type { ObjectKey } from '../domain/object.ts';
import type { SpeakerBgp } from '../speaker/speaker.ts';
import type { EventHistory } from '../telemetry/event-history.ts';

/** Records BGP sessions that come up and end as events; the returned function ends it. */
export function recordSessions(bgp: Pick<SpeakerBgp, 'onChange'>, history: EventHistory) {
  const up = new Set<ObjectKey>();
  return bgp.onChange((session) => {
    const { peer, state } = session;
    const isUp = state === 'Established';
    if (isUp === up.has(peer)) return;
    if (isUp) up.add(peer);
    else up.delete(peer);
    history.record({
      severity: isUp ? 'info' : 'warning',
      role: 'speaker',
      reason: isUp ? 'BgpSessionUp' : 'BgpSessionDown',
      message: `${placeOf(session)}: ${isUp ? capabilitiesOf(session) : newestError(session)}`,
      object: { kind: 'BGPPeer', key: peer },
    });
  });
}

function placeOf({ remoteAddress, interface: link, peer }: BgpSession): string {
  if (remoteAddress === undefined) return link ?? peer;
  return link ? `${formatAddress(remoteAddress)} on ${link}` : formatAddress(remoteAddress);
}

function capabilitiesOf({ capabilities, holdTimeMs }: BgpSession): string {
  return [...capabilities, `hold time ${holdTimeMs / 1000} s`].join(', ');
}

function newestError({ lastError: { sent, received, transport } }: BgpSession): string {
  const newest = [sent, received, transport].reduce<SaidError | undefined>(
    (best, error) => (error && error.atMs >= (best?.atMs ?? 0) ? error : best),
    undefined,
  );
  return newest?.text ?? 'closed';
}
