/**
 * Why a box does not announce an address. MetalLB's words where it has one: `notOwner` (another box
 * does), `noMatchingAdvertisement`, `sharedIPWithServiceSelector`, `nodeNetworkUnavailable`,
 * `nodeLabeledExcludeBalancers`, `serviceDeleted`, `invalidIP`, `noEndpoints`,
 * `conflictingAdvertisements` (those for one Service contradict one another). Others of ours:
 * `noPeer` (no BGPPeer of this box takes it), `aggregationTooShort` (the prefix would reach beyond the
 * pool), `unknownCommunity` (no Community object gives the name), `draining`, `forwarderNotReady` (it
 * has not spoken yet), `notForwarded` (it has, but not of this address), `noInterface`,
 * `noBgpSession` (no peer that takes it could be told), `announceFailed`, `speakerStopped`; and what the forwarder reports.
 */
export type WithholdReason = string;

/** Reasons that every box reads in the cluster's objects, or that pass before another could take over. */
const NOT_OF_THE_BOX: ReadonlySet<WithholdReason> = new Set([
  'notOwner',
  'noMatchingAdvertisement',
  'sharedIPWithServiceSelector',
  'conflictingAdvertisements',
  'noPeer',
  'aggregationTooShort',
  'unknownCommunity',
  'nodeNetworkUnavailable',
  'nodeLabeledExcludeBalancers',
  'serviceDeleted',
  'invalidIP',
  'draining',
  'noBgpSession',
  'announceFailed',
  'speakerStopped',
]);

/**
 * Whether the box tells others that it cannot announce an address, for this reason, so that one of
 * them does. A reason that came from the choice itself would undo the choice.
 */
export function isObstacleOfBox(reason: WithholdReason): boolean {
  return reason !== '' && !NOT_OF_THE_BOX.has(reason);
}
