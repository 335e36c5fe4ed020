import test from 'ava';
import { formatAddress } from '../../../src/domain/address.ts';
import { formatMac } from '../../../src/domain/mac.ts';
import {
  createSolicitedGroups,
  GROUPS_PER_SOCKET,
} from '../../../src/speaker/l2/solicited-groups.ts';
import { address } from '../../support/objects.ts';
import { fakeWire } from '../fake-wire.ts';

function groupsOnWire() {
  const wire = fakeWire();
  const frames = wire.openPacketSocket(
    { family: 'packet', ifindex: 2, etherType: 0x86dd },
    () => {},
    () => {},
  );
  const groups = createSolicitedGroups(frames, () => wire.openGroupSocket(2));
  return { wire, groups };
}

test('join() enters the group of an IPv6 address by MAC and by address; IPv4 needs none', (t) => {
  const { wire, groups } = groupsOnWire();
  groups.join(address('192.0.2.1'));
  t.is(wire.groups.size, 0);
  groups.join(address('2001:db8::12:3456'));
  t.deepEqual([...wire.groups].map(formatAddress), ['ff02::1:ff12:3456']);
  t.deepEqual([...wire.macs].map(formatMac), ['33:33:ff:12:34:56']);
  groups.leave(address('192.0.2.1'));
  groups.leave(address('2001:db8::12:3456'));
  t.is(wire.groups.size + wire.macs.size, 0);
});

test('a group is left with the last address that needs it', (t) => {
  const { wire, groups } = groupsOnWire();
  const [a, b] = [address('2001:db8:1::5'), address('2001:db8:2::5')];
  groups.join(a);
  groups.join(a);
  groups.join(b);
  t.is(wire.groups.size, 1);
  groups.leave(a);
  groups.leave(a);
  t.is(wire.groups.size, 1);
  groups.leave(b);
  t.is(wire.groups.size, 0);
});

test('many groups are spread over sockets, whose room is used again', (t) => {
  const { wire, groups } = groupsOnWire();
  const all = Array.from({ length: GROUPS_PER_SOCKET * 2 + 1 }, (_, i) =>
    address(`2001:db8::${i.toString(16)}`),
  );
  for (const each of all) groups.join(each);
  t.is(wire.groups.size, all.length);
  t.is(wire.groupSockets(), 3);
  for (const each of all) groups.leave(each);
  for (const each of all) groups.join(each);
  t.is(wire.groupSockets(), 3);
  groups.close();
  t.is(wire.groups.size, 0);
});

test('join() that the kernel refuses can be tried again', (t) => {
  const { wire, groups } = groupsOnWire();
  const vip = address('2001:db8::1');
  wire.fail('join', 'ENOBUFS');
  t.throws(() => groups.join(vip), { code: 'ENOBUFS' });
  groups.leave(vip);
  wire.fail('join', undefined);
  groups.join(vip);
  t.is(wire.groups.size, 1);
});
