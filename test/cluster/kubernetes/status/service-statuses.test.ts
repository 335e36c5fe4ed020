import test from 'ava';
import {
  createServiceStatuses,
  KEEP_LOST_MS,
} from '../../../../src/cluster/kubernetes/status/service-statuses.ts';
import {
  type StatusBase,
  statusBaseOf,
} from '../../../../src/cluster/kubernetes/status/status-base.ts';
import { createStore } from '../../../../src/cluster/store.ts';
import { formatAddress } from '../../../../src/domain/address.ts';
import type { ServiceEvent } from '../../../../src/domain/service.ts';
import { fakeClock } from '../../../support/fake-clock.ts';

function base(ips: readonly string[], uid = 'u1', resourceVersion = '5'): StatusBase {
  return statusBaseOf({
    metadata: { namespace: 'default', name: 'web', uid, resourceVersion },
    status: { loadBalancer: { ingress: ips.map((ip) => ({ ip })) } },
  });
}

const EVENT: ServiceEvent = {
  ...{
    type: 'Normal',
    reason: 'IPAllocated',
    message: 'Assigned',
    firstMs: 1,
    lastMs: 1,
    count: 1,
  },
};

function world() {
  const store = createStore();
  const clock = fakeClock();
  const events = new Map<string, readonly ServiceEvent[]>();
  const eventsOf = (uid: string) => events.get(uid) ?? [];
  const statuses = createServiceStatuses({ store, clock, eventsOf });
  const shown = () => store.publish().statuses.get('default/web')?.addresses.map(formatAddress);
  return { store, clock, events, statuses, shown };
}

test('a status stands in the store with the events that this process wrote', (t) => {
  const { store, events, statuses, shown } = world();
  statuses.set('default/web', base(['192.0.2.1']), false);
  t.deepEqual(shown(), ['192.0.2.1']);
  events.set('u1', [EVENT]);
  statuses.refresh('default/web');
  t.deepEqual(store.publish().statuses.get('default/web')?.events, [EVENT]);
  statuses.delete('default/web');
  t.is(shown(), undefined);
  t.is(statuses.base('default/web'), undefined);
});

test('addresses that a restored server has lost stay until they are written again', (t) => {
  const { clock, statuses, shown } = world();
  statuses.set('default/web', base(['192.0.2.1']), false);
  statuses.set('default/web', base([], 'u1', '3'), true);
  t.deepEqual(shown(), ['192.0.2.1']);
  t.deepEqual(statuses.base('default/web')?.ingress, []);
  t.deepEqual([...statuses.lost().keys()], ['default/web']);
  // Somebody changes a label.
  statuses.set('default/web', base([], 'u1', '6'), false);
  t.deepEqual(shown(), ['192.0.2.1']);
  // The leader has decided otherwise.
  statuses.set('default/web', base(['192.0.2.7'], 'u1', '8'), false);
  t.deepEqual(shown(), ['192.0.2.7']);
  t.is(statuses.lost().size, 0);
  clock.advance(KEEP_LOST_MS);
  t.deepEqual(shown(), ['192.0.2.7']);
});

test('an address that a restored server has instead does not take its place at once', (t) => {
  const { statuses, shown } = world();
  statuses.set('default/web', base(['192.0.2.1']), false);
  statuses.set('default/web', base(['192.0.2.9'], 'u1', '3'), true);
  t.deepEqual(shown(), ['192.0.2.1']);
});

test('lost addresses are given up after a time, or with their Service', (t) => {
  const { clock, statuses, shown } = world();
  statuses.set('default/web', base(['192.0.2.1']), false);
  statuses.set('default/web', base([], 'u1', '3'), true);
  clock.advance(KEEP_LOST_MS - 1);
  // The same list once more.
  statuses.set('default/web', base([], 'u1', '3'), true);
  t.deepEqual(shown(), ['192.0.2.1']);
  clock.advance(1);
  t.is(shown(), undefined);
  t.is(statuses.lost().size, 0);

  statuses.set('default/web', base(['192.0.2.1'], 'u1', '8'), false);
  statuses.set('default/web', base([], 'u1', '4'), true);
  statuses.set('default/web', base([], 'u2', '9'), false);
  t.is(shown(), undefined);
});

test('what a restored server still has is not lost', (t) => {
  const { statuses } = world();
  statuses.set('default/web', base(['192.0.2.1']), false);
  statuses.set('default/web', base(['192.0.2.1'], 'u1', '3'), true);
  t.is(statuses.lost().size, 0);
});
