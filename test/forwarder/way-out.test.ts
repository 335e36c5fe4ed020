import test from 'ava';
import { carrierOf, wayOut } from '../../src/forwarder/way-out.ts';
import type { Link } from '../../src/protocol/rtnetlink/link.ts';
import { link } from '../support/fake-rtnetlink.ts';

const tag = (vid: number, tpid = 0x8100) => ({ tpid, vid });
const vlan = (ifindex: number, name: string, parent: number, vid: number, tpid = 0x8100) =>
  link(ifindex, name, { kind: 'vlan', parent, vlan: tag(vid, tpid) });

const ETH0 = link(2, 'eth0');
const OUTER = vlan(3, 'eth0.100', 2, 100, 0x88a8);
const INNER = vlan(4, 'eth0.100.7', 3, 7);
const THIRD = vlan(5, 'eth0.100.7.9', 4, 9);
const BOND = link(6, 'bond0', { kind: 'bond' });
const SLAVE = link(7, 'eth1', { master: 6 });
const ON_BOND = vlan(8, 'bond0.5', 6, 5);
const VRF = link(9, 'red', { kind: 'vrf' });
const IN_VRF = link(10, 'eth2', { master: 9 });
const BRIDGE = link(11, 'br0', { kind: 'bridge' });
const MEMBER = vlan(12, 'eth0.30', 2, 30);
const ALL = [ETH0, OUTER, INNER, THIRD, BOND, SLAVE, ON_BOND, VRF, IN_VRF, BRIDGE, MEMBER];
const LINKS = new Map(ALL.map((each) => [each.ifindex, each]));

const out = (from: Link, ...ports: readonly number[]) =>
  wayOut(LINKS, from, (ifindex) => ports.includes(ifindex));

test('wayOut() of an interface with the program is itself, untagged', (t) => {
  t.deepEqual(out(ETH0, 2), { ifindex: 2, vlans: [] });
});

test('wayOut() of a VLAN device is its parent, with the tags in the order of the wire', (t) => {
  t.deepEqual(out(OUTER, 2), { ifindex: 2, vlans: [tag(100, 0x88a8)] });
  t.deepEqual(out(INNER, 2), { ifindex: 2, vlans: [tag(100, 0x88a8), tag(7)] });
  t.deepEqual(out(ON_BOND, 6), { ifindex: 6, vlans: [tag(5)] });
});

test('wayOut() of a VLAN device that carries the program itself needs no tag', (t) => {
  t.deepEqual(out(OUTER, 2, 3), { ifindex: 3, vlans: [] });
});

test('wayOut() refuses a third tag', (t) => {
  t.regex(out(THIRD, 2).problem ?? '', /eth0\.100\.7\.9, with more than 2 VLAN tags/);
});

test('wayOut() names the interface that lacks the program', (t) => {
  const problem = out(INNER).problem ?? '';
  t.regex(problem, /leads by eth0\.100\.7, which does not carry .*; add eth0 to forwarder/);
});

test('wayOut() of a VLAN device whose parent is elsewhere asks for the device itself', (t) => {
  const orphan = vlan(20, 'wan', 0, 4);
  const links = new Map([[20, orphan]]);
  t.regex(wayOut(links, orphan, () => false).problem ?? '', /add wan to forwarder\.interfaces/);
});

test('carrierOf() is the parent of VLAN devices and the master of bond members', (t) => {
  const carrier = (each: Link) => carrierOf(LINKS, each).name;
  t.is(carrier(ETH0), 'eth0');
  t.is(carrier(INNER), 'eth0');
  t.is(carrier(SLAVE), 'bond0');
  t.is(carrier(ON_BOND), 'bond0');
  t.is(carrier(IN_VRF), 'eth2');
});

test('carrierOf() of a bridge member is the bridge, whatever lies below the member', (t) => {
  const links = new Map(LINKS).set(12, { ...MEMBER, master: 11 });
  t.is(carrierOf(links, links.get(12) as Link).name, 'br0');
});

test('carrierOf() ends where links lead in a circle', (t) => {
  const links = new Map([
    [1, vlan(1, 'a', 2, 1)],
    [2, vlan(2, 'b', 1, 2)],
  ]);
  t.true(['a', 'b'].includes(carrierOf(links, links.get(1) as Link).name));
});
