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
