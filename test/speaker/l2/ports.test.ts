import test from 'ava';
import type { Mac } from '../../../src/domain/mac.ts';
import { ETHERTYPE_ARP, ETHERTYPE_IPV6 } from '../../../src/protocol/ethernet.ts';
import type { Link } from '../../../src/protocol/rtnetlink/link.ts';
import { createCounterTable } from '../../../src/speaker/l2/counters.ts';
import { openPorts } from '../../../src/speaker/l2/ports.ts';
import { fakeClock } from '../../support/fake-clock.ts';
import { link as linkOf } from '../../support/fake-rtnetlink.ts';
import { address } from '../../support/objects.ts';
import { recordingLog } from '../../support/recording-log.ts';
import { fakeWire } from '../fake-wire.ts';

const VIP = address('192.0.2.100');
const VIP6 = address('2001:db8::100');
const link = (ifindex: number, fields: Partial<Link> = {}) =>
  linkOf(ifindex, `eth${ifindex}`, fields);

function ports(patterns: readonly string[] = []) {
  const wire = fakeWire();
  const clock = fakeClock(0);
  let changes = 0;
  const opened = openPorts({
    patterns,
    gratuitous: { burst: 1, spacingMs: 1000, refreshMs: 3_600_000 },
    counters: createCounterTable(),
    wire,
    clock,
    log: recordingLog(),
    random: () => 0.5,
    onChange: () => {
      changes += 1;
    },
  });
  return { wire, clock, ports: opened, changes: () => changes };
}

test('a VIP is announced on every interface, also on one that comes later', (t) => {
  const { wire, ports: all, changes } = ports();
  all.follow([link(1)]);
  all.announce(VIP);
  t.deepEqual(all.announcing(VIP), ['eth1']);
  t.is(wire.sent.length, 2);
  all.follow([link(1), link(2)]);
  t.deepEqual(all.announcing(VIP), ['eth1', 'eth2']);
  t.is(wire.sent.length, 4, 'nothing anew on the interface that stayed');
  t.is(changes(), 2);
  all.follow([link(2)]);
  t.deepEqual(all.announcing(VIP), ['eth2']);
  t.deepEqual(wire.open(), [`2 ${ETHERTYPE_ARP}`, `2 ${ETHERTYPE_IPV6}`]);
  all.withdraw(VIP);
  t.deepEqual(all.announcing(VIP), []);
});

test('a VIP is announced only on the interfaces it is allowed on, as they are now', (t) => {
  const { wire, ports: all } = ports();
  all.follow([link(1), link(2)]);
  all.announce(VIP, ['eth2', 'eth3']);
  t.deepEqual(all.announcing(VIP), ['eth2']);
  all.follow([link(1), link(2), link(3)]);
  t.deepEqual(all.announcing(VIP), ['eth2', 'eth3']);
  t.is(wire.sent.length, 4);
  all.announce(VIP, ['eth1', 'eth3']);
  t.deepEqual(all.announcing(VIP), ['eth1', 'eth3']);
  t.is(wire.sent.length, 6, 'nothing anew on the interface that stays');
  all.announce(VIP);
  t.deepEqual(all.announcing(VIP), ['eth1', 'eth2', 'eth3']);
  t.true(all.canAnnounce(['eth9', 'eth1']));
  t.false(all.canAnnounce(['eth9']));
});

test('an interface with another MAC announces anew; other changes do not matter', (t) => {
  const { wire, ports: all, changes } = ports(['eth1']);
  all.follow([link(1), link(2)]);
  all.announce(VIP);
  all.follow([link(1, { mtu: 9000, xdp: 'native' }), link(2, { mac: 0x0200_0000_0099 as Mac })]);
  t.is(wire.sent.length, 2);
  t.is(changes(), 1);
  all.follow([link(1, { mac: 0x0200_0000_0077 as Mac })]);
  t.is(wire.sent.length, 4);
  t.is(all.status()[0]?.mac, '02:00:00:00:00:77');
});

test('an interface that cannot be opened is tried again, and told of meanwhile', (t) => {
  const { wire, clock, ports: all } = ports();
  wire.fail('open', 'EPERM');
  all.follow([link(1)]);
  all.announce(VIP);
  t.deepEqual(all.announcing(VIP), []);
  t.deepEqual(all.failures(), [{ object: 'eth1', error: 'Cannot open: EPERM' }]);
  wire.fail('open', undefined);
  clock.advance(1000);
  t.deepEqual(all.announcing(VIP), ['eth1']);
  t.deepEqual(all.failures(), []);
});

test('a group that cannot be joined on a new interface is tried again without a new burst', (t) => {
  const { wire, clock, ports: all } = ports();
  all.announce(VIP6);
  wire.fail('join', 'ENOBUFS');
  all.follow([link(1)]);
  t.deepEqual(all.announcing(VIP6), ['eth1']);
  t.is(all.failures().length, 1);
  wire.fail('join', undefined);
  clock.advance(1000);
  t.deepEqual(all.failures(), []);
  t.is(wire.groups.size, 1);
  t.is(wire.sent.length, 1);
});

test('close() closes every interface', async (t) => {
  const { wire, ports: all } = ports();
  all.follow([link(1), link(2)]);
  all.announce(VIP);
  await all.close();
  t.deepEqual(wire.open(), []);
});
