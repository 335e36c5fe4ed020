import { formatAddress } from '../domain/address.ts';
import type { Clock } from '../domain/clock.ts';
import type { Backend, VirtualServer } from '../domain/forwarding.ts';
import type { MetricFamily, Sample } from '../telemetry/metrics.ts';
import { bgpFamilies } from './bgp-metrics.ts';
import { clusterFamilies, writeFamilies } from './cluster-metrics.ts';
import type { ServerTotals } from './inspect-view.ts';
import { statusOf } from './read-status.ts';
import { vipIndex, vipOf } from './read-vips.ts';
import type {
  AdminView,
  AllocationView,
  AnnouncingView,
  AnswerCounters,
  ForwardingView,
} from './view.ts';

/**
 * Most addresses, servers or backends with series of their own; what is beyond is counted by
 * `tidegate_series_omitted`, and `/v1` has it all. A scrape runs on the process's one thread, some
 * 10 microseconds a sample: this keeps it below a quarter of a second.
 */
const DETAILED_MAX = 1000;
/** Families of one scrape share what was read, for so long. */
const SHARED_MS = 500;

type Read = () => Iterable<Sample>;

/** Everything that `/metrics` tells of this process, read from its view at each scrape. */
export function metricFamilies(view: AdminView, clock: Clock): MetricFamily[] {
  return [
    ...processFamilies(view, clock),
    ...(view.cluster ? clusterFamilies(view.cluster) : []),
    ...(view.allocation ? allocationFamilies(view.allocation) : []),
    ...(view.announcing ? announcingFamilies(view.announcing) : []),
    ...(view.announcing ? bgpFamilies(view.announcing.bgp) : []),
    ...(view.forwarding ? forwardingFamilies(view, view.forwarding, clock) : []),
  ];
}

const gauge = (name: string, help: string, labels: string[], collect: Read): MetricFamily => ({
  name: `tidegate_${name}`,
  help,
  type: 'gauge',
  labels,
  collect,
});

const counter = (name: string, help: string, labels: string[], collect: Read): MetricFamily => ({
  ...gauge(name, help, labels, collect),
  type: 'counter',
});

function processFamilies(view: AdminView, clock: Clock): MetricFamily[] {
  const { instance, node, version } = view.identity;
  const status = shared(clock, () => statusOf(view));
  return [
    gauge('info', 'What runs here', ['instance', 'node', 'version'], () => [
      { labels: { instance, node, version }, value: 1 },
    ]),
    gauge('role_ready', '1 while the role does its work', ['role'], () =>
      view.roles().map(({ role, ready }) => ({ labels: { role }, value: ready ? 1 : 0 })),
    ),
    gauge('snapshot_revision', 'Revision of the newest snapshot of the cluster', [], () => [
      { value: view.snapshot().revision },
    ]),
    gauge('problems', 'Problems of the input and of the roles here', ['severity'], () =>
      (['error', 'warning'] as const).map((severity) => ({
        labels: { severity },
        value: view.problems().filter((problem) => problem.severity === severity).length,
      })),
    ),
    gauge('services', 'Services of ours, by what they have', ['state'], () => {
      const { ours, withAddress } = status().services;
      return [
        { labels: { state: 'with_address' }, value: withAddress },
        { labels: { state: 'without_address' }, value: ours - withAddress },
      ];
    }),
  ];
}

function allocationFamilies(allocation: AllocationView): MetricFamily[] {
  return [
    ...writeFamilies(allocation),
    gauge('pool_addresses', 'Addresses of a pool', ['pool', 'state', 'family'], function* () {
      for (const [pool, usage] of allocation.pools()) {
        for (const state of ['assigned', 'available'] as const) {
          for (const family of ['IPv4', 'IPv6'] as const) {
            yield { labels: { pool, state, family }, value: Number(usage[`${state}${family}`]) };
          }
        }
      }
    }),
    gauge('pool_services', 'Services with an address of the pool', ['pool'], function* () {
      for (const [pool, { services }] of allocation.pools()) {
        yield { labels: { pool }, value: services };
      }
    }),
    gauge('services_refused', 'Services without all they ask for', ['reason'], () => {
      const counts = new Map<string, number>();
      for (const { refusal } of allocation.assignments().values()) {
        if (refusal) counts.set(refusal.reason, (counts.get(refusal.reason) ?? 0) + 1);
      }
      return [...counts].map(([reason, value]) => ({ labels: { reason }, value }));
    }),
  ];
}

function announcingFamilies(announcing: AnnouncingView): MetricFamily[] {
  const counts = (name: keyof AnswerCounters): Read =>
    function* () {
      for (const [vip, counters] of first(announcing.counters())) {
        yield { labels: { vip }, value: counters[name] };
      }
    };
  return [
    gauge('vip_announced', '1 while this box announces the address', ['vip'], function* () {
      for (const [vip, { announced }] of first(announcing.announcements())) {
        yield { labels: { vip }, value: announced ? 1 : 0 };
      }
    }),
    gauge('vip_peers', 'BGPPeers that have a route to the address', ['vip'], function* () {
      for (const [vip, { peers }] of first(announcing.announcements())) {
        yield { labels: { vip }, value: peers.length };
      }
    }),
    counter(
      'vip_requests_received_total',
      'ARP and ND requests',
      ['vip'],
      counts('requestsReceived'),
    ),
    counter('vip_responses_sent_total', 'ARP and ND answers', ['vip'], counts('responsesSent')),
    counter(
      'vip_gratuitous_sent_total',
      'Unasked announcements',
      ['vip'],
      counts('gratuitousSent'),
    ),
    counter('vip_conflicts_total', 'Others claimed the address', ['vip'], counts('conflicts')),
    counter('send_errors_total', 'Frames not sent', ['interface'], () =>
      announcing
        .interfaces()
        .map(({ name, sendErrors }) => ({ labels: { interface: name }, value: sendErrors })),
    ),
  ];
}

function forwardingFamilies(
  view: AdminView,
  forwarding: ForwardingView,
  clock: Clock,
): MetricFamily[] {
  const index = vipIndex(view);
  const vips = shared(clock, () => first(index()).map((use) => vipOf(view, use)));
  return [
    gauge('flows', 'Flows in the table, at the last sweep', [], () => [
      { value: forwarding.usage().flows.used },
    ]),
    gauge('flows_limit', 'Size of the flow table', [], () => [
      { value: forwarding.usage().flows.limit },
    ]),
    counter('packets_total', 'What became of packets', ['result'], () =>
      [...forwarding.counters()].map(([result, count]) => ({
        labels: { result },
        value: Number(count),
      })),
    ),
    gauge('vip_backends', 'Backends of an address', ['vip', 'state'], function* () {
      for (const { address: vip, serving } of vips()) {
        yield { labels: { vip, state: 'usable' }, value: serving?.usable ?? 0 };
        yield { labels: { vip, state: 'total' }, value: serving?.total ?? 0 };
      }
    }),
    ...serverFamilies(forwarding, clock),
    ...backendFamilies(forwarding, clock),
    ...limitFamilies(forwarding),
  ];
}

const SERVER = ['service', 'vip', 'protocol', 'port'];
const WAYS = [...SERVER, 'direction'];
const BACKEND = [...SERVER, 'backend'];

function serverFamilies(forwarding: ForwardingView, clock: Clock): MetricFamily[] {
  const plan = () => [...(forwarding.plan()?.servers.values() ?? [])];
  const servers = shared(clock, () => {
    const totals = forwarding.inspect.totals();
    return first(plan()).flatMap((server) => {
      const found = totals.get(server.id);
      return found ? [{ labels: serverLabels(server), totals: found }] : [];
    });
  });
  const each = (name: keyof ServerTotals): Read =>
    function* () {
      for (const { labels, totals } of servers()) yield { labels, value: totals[name] };
    };
  const bothWays = (unit: 'Packets' | 'Bytes'): Read =>
    function* () {
      for (const { labels, totals } of servers()) {
        yield { labels: { ...labels, direction: 'in' }, value: totals[`in${unit}`] };
        yield { labels: { ...labels, direction: 'out' }, value: totals[`out${unit}`] };
      }
    };
  return [
    counter('server_new_flows_total', 'New flows', SERVER, each('newFlows')),
    counter('server_drops_total', 'Packets to the port that were dropped', SERVER, each('drops')),
    counter('server_packets_total', 'Forwarded packets', WAYS, bothWays('Packets')),
    counter('server_bytes_total', 'Forwarded bytes', WAYS, bothWays('Bytes')),
    gauge('server_flows', 'Flows in the table, at the last sweep', SERVER, each('flows')),
    gauge('series_omitted', 'Things without series of their own', ['of'], () => [
      { labels: { of: 'servers' }, value: omitted(plan().length) },
      {
        labels: { of: 'backends' },
        value: omitted(plan().reduce((sum, server) => sum + server.backends.length, 0)),
      },
    ]),
  ];
}

function backendFamilies(forwarding: ForwardingView, clock: Clock): MetricFamily[] {
  const backends = shared(clock, () =>
    first(backendsOf([...(forwarding.plan()?.servers.values() ?? [])])).map(
      ([server, { id, use }]) => ({
        labels: { ...serverLabels(server), backend: id },
        use,
        stats: forwarding.backendStats(server.id, id),
      }),
    ),
  );
  return [
    counter('backend_new_flows_total', 'New flows', BACKEND, function* () {
      for (const { labels, stats } of backends()) {
        yield { labels, value: Number(stats?.newFlows ?? 0n) };
      }
    }),
    counter('backend_bytes_total', 'Forwarded bytes', [...BACKEND, 'direction'], function* () {
      for (const { labels, stats } of backends()) {
        yield { labels: { ...labels, direction: 'in' }, value: Number(stats?.inBytes ?? 0n) };
        yield { labels: { ...labels, direction: 'out' }, value: Number(stats?.outBytes ?? 0n) };
      }
    }),
    gauge('backend_active', '1 while the backend takes new flows', BACKEND, () =>
      backends().map(({ labels, use }) => ({ labels, value: use === 'active' ? 1 : 0 })),
    ),
  ];
}

/** What runs out: NAT ports. And what should not run for long: a capture. */
function limitFamilies({ inspect }: ForwardingView): MetricFamily[] {
  return [
    gauge('nat_flows', 'Flows that leave from a NAT address, at the last sweep', ['nat'], () =>
      inspect.natUse().addresses.map(({ address, flows }) => ({
        labels: { nat: formatAddress(address) },
        value: flows,
      })),
    ),
    gauge(
      'nat_ports_used_ratio_max',
      'NAT ports in use to the backend port that has the most flows; at 1 it gets no more',
      [],
      () => [{ value: inspect.natUse().fullest }],
    ),
    gauge('capture_running', '1 while packets are captured', [], () => [
      { value: inspect.isCapturing() ? 1 : 0 },
    ]),
  ];
}

function* backendsOf(servers: readonly VirtualServer[]): Iterable<[VirtualServer, Backend]> {
  for (const server of servers) for (const backend of server.backends) yield [server, backend];
}

function first<T>(items: Iterable<T>): T[] {
  return [...Iterator.from(items).take(DETAILED_MAX)];
}

const omitted = (count: number): number => Math.max(0, count - DETAILED_MAX);

function serverLabels({ service, address, protocol, port }: VirtualServer) {
  return { service, vip: formatAddress(address), protocol, port: String(port) };
}

/** Reads at most once in `SHARED_MS`, so that the families of one scrape agree. */
function shared<T>(clock: Clock, read: () => T): () => T {
  let held: { readonly value: T; readonly atMs: number } | undefined;
  return () => {
    const nowMs = clock.monotonicMs();
    if (!held || nowMs - held.atMs > SHARED_MS) held = { value: read(), atMs: nowMs };
    return held.value;
  };
}
