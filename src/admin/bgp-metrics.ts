import { formatAddress } from '../domain/address.ts';
import type { BfdSession } from '../domain/bgp/bfd-session.ts';
import type { BgpSession } from '../domain/bgp/bgp-session.ts';
import { nameOf, type ObjectKey } from '../domain/object.ts';
import type { MetricFamily, Sample } from '../telemetry/metrics.ts';
import type { BgpView } from './bgp-view.ts';

/**
 * `peer` is where the peer is, as in MetalLB's metrics: its address, or the interface where it is looked
 * for; `name` that of its BGPPeer.
 */
const LABELS = ['peer', 'name', 'vrf'];

/**
 * BGP and BFD, under MetalLB's names (`metallb_bgp_…`, `frrk8s_bgp_…`) with a prefix of ours, so that one
 * relabelling rule serves its dashboards: what it calls a total there is what there is now of prefixes.
 */
export function bgpFamilies(view: BgpView): MetricFamily[] {
  return [...sessionFamilies(view), ...messageFamilies(view), ...bfdFamilies(view)];
}

function sessionFamilies(view: BgpView): MetricFamily[] {
  const gauge = ofSessions(view, 'gauge');
  return [
    gauge('session_up', '1 while the session is established', ({ state }) =>
      Number(state === 'Established'),
    ),
    gauge(
      'announced_prefixes_total',
      'Prefixes that the peer has been told',
      (session) => session.prefixes.announced,
    ),
    gauge(
      'pending_prefixes_total',
      'Prefixes that it has not been told yet',
      (session) => session.prefixes.pending,
    ),
    gauge(
      'received_prefixes_total',
      'Prefixes of the peer that are kept to be looked at',
      (session) => session.prefixes.received,
    ),
    gauge(
      'queued_bytes',
      'Octets that wait for the peer to read them',
      (session) => session.queuedBytes,
    ),
    ofSessions(view, 'counter')(
      'established_total',
      'Times the session came up',
      (session) => session.established,
    ),
  ];
}

type Messages = BgpSession['messages'];

function messageFamilies(view: BgpView): MetricFamily[] {
  const counter = ofSessions(view, 'counter');
  const count = (name: string, help: string, of: keyof Messages) =>
    counter(name, help, ({ messages }) => messages[of]);
  const sum = (name: string, help: string, way: 'Sent' | 'Received') =>
    counter(name, help, ({ messages }) =>
      Object.entries(messages).reduce(
        (all, [key, value]) => all + (key.endsWith(way) ? value : 0),
        0,
      ),
    );
  return [
    count('opens_sent', 'OPEN messages sent', 'opensSent'),
    count('opens_received', 'OPEN messages received', 'opensReceived'),
    count('updates_total', 'UPDATE messages sent', 'updatesSent'),
    count('updates_total_received', 'UPDATE messages received', 'updatesReceived'),
    count('keepalives_sent', 'KEEPALIVE messages sent', 'keepalivesSent'),
    count('keepalives_received', 'KEEPALIVE messages received', 'keepalivesReceived'),
    count('notifications_sent', 'NOTIFICATION messages sent', 'notificationsSent'),
    count('notifications_received', 'NOTIFICATION messages received', 'notificationsReceived'),
    count('route_refresh_sent', 'ROUTE-REFRESH messages sent', 'refreshesSent'),
    count('route_refresh_received', 'ROUTE-REFRESH messages received', 'refreshesReceived'),
    sum('total_sent', 'Messages sent', 'Sent'),
    sum('total_received', 'Messages received', 'Received'),
  ];
}

function ofSessions(view: BgpView, type: MetricFamily['type']) {
  return (name: string, help: string, value: (session: BgpSession) => number): MetricFamily => ({
    name: `tidegate_bgp_${name}`,
    help,
    type,
    labels: LABELS,
    collect: () =>
      [...view.sessions().values()].map((session): Sample => {
        const { peer, remoteAddress, interface: port } = session;
        const place = remoteAddress === undefined ? (port ?? '') : formatAddress(remoteAddress);
        return { labels: labelsOf(view, peer, place), value: value(session) };
      }),
  });
}

function labelsOf(view: BgpView, key: ObjectKey, peer: string) {
  const vrf = view.planned()?.peers.get(key)?.peer.vrf ?? '';
  return { peer, name: nameOf(key), vrf };
}

function bfdFamilies(view: BgpView): MetricFamily[] {
  const of =
    (type: MetricFamily['type']) =>
    (name: string, help: string, value: (session: BfdSession) => number): MetricFamily => ({
      name: `tidegate_bfd_${name}`,
      help,
      type,
      labels: LABELS,
      collect: () =>
        [...view.bfd.sessions()].map(([key, session]) => ({
          labels: labelsOf(view, key, formatAddress(session.remoteAddress)),
          value: value(session),
        })),
    });
  const gauge = of('gauge');
  const counter = of('counter');
  return [
    gauge('session_up', '1 while the session is up', ({ state }) => Number(state === 'Up')),
    gauge(
      'detection_seconds',
      'Silence after which it is down',
      ({ detectionTimeMs }) => detectionTimeMs / 1000,
    ),
    counter('control_packet_input', 'Packets received', ({ packetsReceived }) => packetsReceived),
    counter('control_packet_output', 'Packets sent', ({ packetsSent }) => packetsSent),
    counter('session_up_events', 'Times it came up', ({ upEvents }) => upEvents),
    counter('session_down_events', 'Times it went down', ({ downEvents }) => downEvents),
    {
      name: 'tidegate_bfd_refused_packets_total',
      help: 'Packets that were refused',
      type: 'counter',
      labels: ['reason'],
      collect: () =>
        Object.entries(view.bfd.drops()).map(([reason, count = 0]) => ({
          labels: { reason },
          value: count,
        })),
    },
  ];
}
