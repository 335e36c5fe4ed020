import type { CheckHealth } from '../../domain/health.ts';
import type { KeyedMap } from '../../domain/keyed-map.ts';
import { ZONE_LABEL } from '../../domain/node.ts';
import type { Place } from './forward-settings.ts';
import { type CheckedCandidate, standingOf } from './usable.ts';

/** Candidates after hints were followed, and a sentence where they could not be. */
export interface Near {
  readonly checked: readonly CheckedCandidate[];
  readonly notes: readonly string[];
}

/**
 * Leaves new flows to those that EndpointSlices hint for where this box is, as kube-proxy does: only
 * when each ready endpoint has hints and one of them is for us; a hint for the Node that we are
 * before one for our zone (KEP-2433, KEP-3015). What `spec.trafficDistribution` says is in the hints.
 *
 * Unlike kube-proxy it looks at health checks: while all of those near us fail, the others serve.
 */
export function preferNear(
  checked: readonly CheckedCandidate[],
  place: Place | undefined,
  health: KeyedMap<CheckHealth>,
): Near {
  const ready = checked.filter(({ candidate }) => candidate.stage === 'ready');
  if (!place || ready.length === 0) return { checked, notes: [] };
  const works = (each: CheckedCandidate) => standingOf(each, health).state !== 'down';
  const ours = (hint: 'nodeHints' | 'zoneHints', name: string | undefined) => {
    const hinted = ready.every(({ candidate }) => candidate.hints[hint].length > 0);
    if (!hinted || name === undefined) return { hinted, near: [] };
    return { hinted, near: ready.filter(({ candidate }) => candidate.hints[hint].includes(name)) };
  };
  const onNode = ours('nodeHints', place.node).near;
  if (onNode.some(works)) return { checked: withOnly(checked, onNode), notes: [] };
  const { hinted, near } = ours('zoneHints', place.zone);
  if (near.some(works)) return { checked: withOnly(checked, near), notes: [] };
  return { checked, notes: hinted && near.length === 0 ? [unmetNote(place)] : [] };
}

/** The other ready ones keep their flows. */
function withOnly(
  checked: readonly CheckedCandidate[],
  near: readonly CheckedCandidate[],
): CheckedCandidate[] {
  const chosen = new Set(near);
  return checked.map((each) => {
    const { candidate } = each;
    if (candidate.stage !== 'ready' || chosen.has(each)) return each;
    const { zoneHints, nodeHints } = candidate.hints;
    const whose = zoneHints.length > 0 ? `zone ${zoneHints.join(', ')}` : nodeHints.join(', ');
    return { ...each, candidate: { ...candidate, stage: 'leaving', reason: `meant for ${whose}` } };
  });
}

function unmetNote({ zone }: Place): string {
  const problem =
    zone === undefined
      ? 'Its endpoints have hints for zones, and this box has no zone'
      : `None of its endpoints is meant for the zone "${zone}" of this box`;
  return `${problem}, so all of them are used; see ${ZONE_LABEL} in the setting labels`;
}
