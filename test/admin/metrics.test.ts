import test from 'ava';
import { metricFamilies } from '../../src/admin/metrics.ts';
import type { AdminView } from '../../src/admin/view.ts';
import type { VirtualServer } from '../../src/domain/forwarding.ts';
import { KeyedMap } from '../../src/domain/keyed-map.ts';
import { realClock } from '../../src/system/real-clock.ts';
import { fakeAdminView, PLAN } from '../support/fake-admin-view.ts';

function viewWithServers(count: number, onRead: () => void): AdminView {
  const view = fakeAdminView(['forwarder']);
  const { forwarding } = view;
  const [model] = [...PLAN.servers.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
  if (!forwarding || !model) throw new Error('The fake has no forwarder');
  const servers = KeyedMap.from(
    Array.from({ length: count }, (_, index): [string, VirtualServer] => {
      const id = `192.0.2.1 TCP ${index}`;
      return [id, { ...model, id, port: index }];
    }),
  );
  const totals = () => {
    onRead();
    const [one] = forwarding.inspect.totals().values();
    if (!one) throw new Error('The fake has no totals');
    return new Map([...servers.keys()].map((id) => [id, one]));
  };
  const inspect = { ...forwarding.inspect, totals };
  return {
    ...view,
    forwarding: { ...forwarding, plan: () => ({ ...PLAN, servers }), inspect },
  };
}

test('metricFamilies() gives each server series of its own up to a limit, and counts the rest', (t) => {
  const families = metricFamilies(
    viewWithServers(1200, () => {}),
    realClock,
  );
  const samples = (name: string) => [
    ...(families.find((family) => family.name === name)?.collect() ?? []),
  ];
  t.is(samples('tidegate_server_new_flows_total').length, 1000);
  t.is(samples('tidegate_server_bytes_total').length, 2000);
  t.is(samples('tidegate_backend_active').length, 1000);
  t.deepEqual(
    samples('tidegate_series_omitted').map(({ value }) => value),
    [200, 1400],
  );
});

test('metricFamilies() reads the servers once for all families of a scrape', (t) => {
  let reads = 0;
  const count = () => {
    reads += 1;
  };
  const families = metricFamilies(viewWithServers(10, count), realClock);
  t.is(reads, 0);
  for (const family of families.filter(({ name }) => name.startsWith('tidegate_server_'))) {
    t.true([...family.collect()].length > 0);
  }
  t.is(reads, 1);
});

test('metricFamilies() counts writes under the names that dashboards of MetalLB know', (t) => {
  const families = metricFamilies(fakeAdminView(['controller']), realClock);
  const values = families
    .filter(({ name }) => name.startsWith('metallb_'))
    .map(({ name, collect }) => [name, [...collect()][0]?.value]);
  t.deepEqual(Object.fromEntries(values), {
    metallb_k8s_client_updates_total: 3,
    metallb_k8s_client_update_errors_total: 1,
    metallb_k8s_client_config_loaded_bool: 1,
    metallb_k8s_client_config_stale_bool: 0,
  });
});

test('metricFamilies() tells of BGP and BFD under the names that MetalLB has for them', (t) => {
  const families = metricFamilies(fakeAdminView(['speaker']), realClock);
  const values = (prefix: string, name: string) =>
    Object.fromEntries(
      families
        .filter((family) => family.name.startsWith(prefix))
        .flatMap((family) =>
          [...family.collect()]
            .filter(({ labels }) => labels?.['name'] === name)
            .map(({ value }) => [family.name.slice(prefix.length), value]),
        ),
    );
  t.deepEqual(values('tidegate_bgp_', 'tor-a'), {
    session_up: 1,
    announced_prefixes_total: 1,
    pending_prefixes_total: 1,
    received_prefixes_total: 2,
    queued_bytes: 0,
    established_total: 2,
    opens_sent: 1,
    opens_received: 1,
    updates_total: 2,
    updates_total_received: 1,
    keepalives_sent: 30,
    keepalives_received: 31,
    notifications_sent: 0,
    notifications_received: 0,
    route_refresh_sent: 0,
    route_refresh_received: 0,
    total_sent: 33,
    total_received: 33,
  });
  t.like(values('tidegate_bgp_', 'tor-b'), { session_up: 0, notifications_sent: 1 });
  t.deepEqual(values('tidegate_bfd_', 'tor-a'), {
    session_up: 1,
    detection_seconds: 0.15,
    control_packet_input: 998,
    control_packet_output: 1000,
    session_up_events: 2,
    session_down_events: 1,
  });
  const samples = (name: string) => [
    ...(families.find((family) => family.name === name)?.collect() ?? []),
  ];
  t.deepEqual(samples('tidegate_bgp_session_up')[1]?.labels, {
    peer: '192.0.2.253',
    name: 'tor-b',
    vrf: '',
  });
  t.deepEqual(samples('tidegate_bfd_refused_packets_total')[0], {
    labels: { reason: 'ttl' },
    value: 2,
  });
  t.deepEqual(
    samples('tidegate_vip_peers').map(({ value }) => value),
    [1, 0],
  );
});

test('metricFamilies() tells how the API server is read, kind by kind', (t) => {
  const kind = {
    ...{ kind: 'Pod', installed: true, synced: true, objects: 7, contactAgeMs: 1500 },
    ...{ failures: 2, error: 'away', lists: 3, watches: 4, events: 5, garbage: 6 },
  };
  const fresh = { ...kind, kind: 'Node', synced: false, contactAgeMs: undefined };
  const families = metricFamilies(
    {
      ...fakeAdminView(['forwarder']),
      cluster: {
        state: () => ({
          ...{
            server: 'https://10.0.0.1:6443',
            synced: false,
            problems: [],
            unwritable: [],
            troubleMs: 2500,
          },
          kinds: [kind, fresh],
        }),
        isRemembered: () => true,
        leads: () => false,
        leader: () => '',
      },
    },
    realClock,
  );
  const samples = (name: string) => [
    ...(families.find((one) => one.name === `tidegate_cluster_${name}`)?.collect() ?? []),
  ];
  t.deepEqual(samples('remembered'), [{ value: 1 }]);
  t.deepEqual(samples('leader'), [{ value: 0 }]);
  t.deepEqual(samples('trouble_seconds'), [{ value: 2.5 }]);
  t.deepEqual(samples('kind_synced'), [
    { labels: { kind: 'Pod' }, value: 1 },
    { labels: { kind: 'Node' }, value: 0 },
  ]);
  t.deepEqual(samples('contact_age_seconds'), [{ labels: { kind: 'Pod' }, value: 1.5 }]);
  t.deepEqual(
    samples('events_total').map(({ value }) => value),
    [5, 5],
  );
});
