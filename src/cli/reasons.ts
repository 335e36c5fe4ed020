import type { Announcement } from '../admin/api.ts';

/** Why an address is not announced or served, in a sentence; words that nobody explained stay. */
const SENTENCES: Readonly<Record<string, string>> = {
  noEndpoints: 'no backend takes new flows',
  noIPAllocated: 'it has no address yet',
  invalidIP: 'the address may not be used for a Service',
  backendsFailing: 'every health check fails (forwarder.health.fallback is fail-closed)',
  backendsUnreachable: 'the way to no backend is known',
  forwardingFailed: 'the kernel refused the entries; see the problems in "tidegate status"',
  notOwner: 'another box announces it',
  noMatchingAdvertisement: 'no L2Advertisement or BGPAdvertisement lets this box announce it',
  sharedIPWithServiceSelector:
    'an L2Advertisement with serviceSelectors cannot be for a shared address',
  conflictingAdvertisements: 'two BGPAdvertisements for it say different things of the same routes',
  noPeer: 'no BGPPeer that this box speaks to takes it',
  noBgpSession: 'no session with a BGPPeer that takes it is up; see "tidegate bgp"',
  aggregationTooShort: 'the aggregation length of the BGPAdvertisement reaches beyond the pool',
  unknownCommunity: 'no Community object gives a name that its BGPAdvertisement uses',
  draining: 'this box is drained (spec.drain of its EdgeNode)',
  nodeNetworkUnavailable: 'the Node of this box has the condition NetworkUnavailable',
  nodeLabeledExcludeBalancers:
    'this box has the label node.kubernetes.io/exclude-from-external-load-balancers',
  serviceDeleted: 'the Service is being deleted',
  noInterface: 'no interface that may announce it is up',
  announceFailed: 'the interface refused it; see the problems in "tidegate status"',
  speakerStopped: 'the speaker was stopped',
  forwarderNotReady: 'the forwarder of this box has not reported yet',
  notForwarded: 'the forwarder of this box does not know the address yet',
};

export function reasonText(reason: string): string {
  return SENTENCES[reason] ?? reason;
}

/** Reasons by which the cluster's objects give an address to another box. */
const GIVEN_AWAY: ReadonlySet<string> = new Set([
  'notOwner',
  'noMatchingAdvertisement',
  'draining',
  'nodeNetworkUnavailable',
  'nodeLabeledExcludeBalancers',
]);

/** The other box that announces an address, as it should be; empty when that is not so. */
export function otherBox({ announced, reason, owner }: Announcement): string {
  return !announced && GIVEN_AWAY.has(reason) ? (owner ?? '') : '';
}

const DROPS: Readonly<Record<string, string>> = {
  malformed: 'a length or header that lies',
  no_port: 'a port or protocol that the address does not serve',
  no_backend: 'no backend takes new flows',
  backend_dead: 'the backend of a TCP connection failed its health checks: reset',
  source_range: 'a source in none of the loadBalancerSourceRanges',
  fragment_held: 'a fragment, kept until the first of its datagram has come',
  no_flow: 'TCP in mid-stream of an unknown connection',
  flow_table_full: 'the flow table is full: raise forwarder.limits.flows',
  nat_ports: 'no free NAT port: add forwarder.natAddresses',
  no_neighbour: 'the way to the backend is not known: look at routes and neighbours',
  fragment: 'a fragment of neither TCP nor UDP, or made to hide its ports',
  fragment_early: 'a fragment that came before the first of its datagram, and could not be kept',
  fragment_expired: 'a fragment whose datagram’s first one did not come within a second',
  fragment_refused: 'a fragment beyond those that are kept for their first one',
  fragment_failed: 'a kept fragment that could not be sent any more',
  source_route: 'a packet with a source route or routing header',
  extension: 'too many IPv6 extension headers',
  no_room: 'the driver leaves no room around packets for VLAN tags or an answer of ours',
  icmp: 'an ICMP message that is neither an echo request nor an error',
  icmp_unmatched: 'an ICMP error about no packet of a known flow',
  echo_limit: 'more echo requests than are answered',
  handshake: 'TCP that fits no step of a connection opened by a SYN cookie',
  over_budget: 'new UDP flows beyond forwarder.flood.newFlows',
  vip_limit: 'new flows beyond the limit of the Service',
  client_limit: 'new flows beyond the limit of their client',
  land: 'source and destination are the same',
  martian: 'a source address or port that no packet may have',
  stolen_source: 'from outside, with an address of this box as source',
  contended: 'two packets began one flow at the same moment',
  ttl: 'TTL or hop limit used up',
  too_big: 'larger than the way out',
};

/** What a drop counter counts, and what to do where something can be done. */
export function dropText(name: string): string {
  return DROPS[name] ?? '';
}
