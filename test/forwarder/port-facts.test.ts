import test from 'ava';
import { followNetwork } from '../../src/forwarder/network.ts';
import { followPortFacts, type PortFacts, portFacts } from '../../src/forwarder/port-facts.ts';
import type { InterfaceAddress } from '../../src/protocol/rtnetlink/interface-address.ts';
import type { Link } from '../../src/protocol/rtnetlink/link.ts';
import { fakeClock } from '../support/fake-clock.ts';
import { fakeRtnetlink, interfaceAddress, link } from '../support/fake-rtnetlink.ts';
import { address } from '../support/objects.ts';
import { recordingLog } from '../support/recording-log.ts';

function factsOf(
  links: readonly Link[],
  addresses: readonly InterfaceAddress[],
  ports: readonly number[],
  local?: number,
): PortFacts {
  const network = {
    links: new Map(links.map((each) => [each.ifindex, each])),
    addresses: () => addresses,
  };
  return portFacts(network, { ports, local });
}

test('portFacts() has MAC address, MTU and one address of each family', (t) => {
  const addresses = [interfaceAddress(2, '192.0.2.1'), interfaceAddress(2, '2001:db8::1')];
  t.deepEqual(factsOf([link(2, 'eth0')], addresses, [2]), {
    ports: [
      {
        ifindex: 2,
        mac: 0x0200_0000_0002 as never,
        mtu: 1500,
        ipv4: address('192.0.2.1'),
        ipv6: address('2001:db8::1'),
        isLocal: false,
      },
    ],
    mtu: 1500,
  });
});

test('portFacts() prefers global addresses, and always the same of several', (t) => {
  const texts = ['fe80::1', '169.254.1.1', '2001:db8::9', '192.0.2.9', '192.0.2.3', '2001:db8::3'];
  const addresses = texts.map((text) => interfaceAddress(2, text));
  const [fact] = factsOf([link(2, 'eth0')], addresses, [2]).ports;
  t.like(fact, { ipv4: address('192.0.2.3'), ipv6: address('2001:db8::3') });
  const [poor] = factsOf([link(2, 'eth0')], addresses.slice(0, 2), [2]).ports;
  t.like(poor, { ipv4: address('169.254.1.1'), ipv6: address('fe80::1') });
});

test('portFacts() has no address where there is none that may be used', (t) => {
  const tentative = { ...interfaceAddress(2, '2001:db8::1'), isUsable: false };
  const [fact] = factsOf(
    [link(2, 'eth0')],
    [tentative, interfaceAddress(3, '10.0.0.1')],
    [2],
  ).ports;
  t.like(fact, { ipv4: undefined, ipv6: undefined });
});

test("portFacts() takes a VLAN device's address where the port has none", (t) => {
  const vlan = link(5, 'eth0.9', { kind: 'vlan', parent: 2, vlan: { tpid: 0x8100, vid: 9 } });
  const addresses = [interfaceAddress(5, '10.9.0.1'), interfaceAddress(5, '2001:db8:9::1')];
  const own = interfaceAddress(2, '192.0.2.1');
  const links = [link(2, 'eth0'), vlan];
  t.like(factsOf(links, addresses, [2]).ports[0], { ipv4: address('10.9.0.1') });
  t.like(factsOf(links, [...addresses, own], [2]).ports[0], {
    ipv4: address('192.0.2.1'),
    ipv6: address('2001:db8:9::1'),
  });
});

test("portFacts() knows the smallest MTU, to which the local port's does not count", (t) => {
  const links = [
    link(2, 'a', { mtu: 9000 }),
    link(3, 'b', { mtu: 1500 }),
    link(4, 'c', { mtu: 1280 }),
  ];
  t.is(factsOf(links, [], [2]).mtu, 9000);
  t.is(factsOf(links, [], [3, 2]).mtu, 1500);
  t.is(factsOf(links, [], [2, 3], 4).mtu, 1500);
  t.is(factsOf(links, [], [], 4).mtu, undefined);
});

test("the local port speaks with another port's addresses", (t) => {
  const links = [link(2, 'a'), link(3, 'b'), link(4, 'tidegate1')];
  const addresses = [interfaceAddress(2, '192.0.2.1'), interfaceAddress(3, '2001:db8::1')];
  const { ports } = factsOf(links, addresses, [3, 2], 4);
  t.deepEqual(
    ports.map(({ ifindex, isLocal }) => [ifindex, isLocal]),
    [
      [2, false],
      [3, false],
      [4, true],
    ],
  );
  t.like(ports[2], { ipv4: address('192.0.2.1'), ipv6: address('2001:db8::1') });
});

test('followPortFacts() tells of changes, and of nothing else', async (t) => {
  const kernel = fakeRtnetlink();
  const log = recordingLog();
  const network = await followNetwork({ open: kernel.open, clock: fakeClock(), log });
  const told: (number | undefined)[] = [];
  let ports = [2];
  const followed = followPortFacts({
    network,
    indexes: () => ({ ports, local: undefined }),
    onChange: ({ mtu }) => told.push(mtu),
  });
  t.is(followed.current().mtu, 1500);
  followed.portsChanged();
  kernel.tell({ kind: 'link', link: link(3, 'eth1', { mtu: 1280 }), removed: false });
  t.deepEqual(told, []);
  kernel.tell({ kind: 'link', link: link(2, 'eth0', { mtu: 9000 }), removed: false });
  t.deepEqual(told, [9000]);
  ports = [2, 3];
  followed.portsChanged();
  t.deepEqual(told, [9000, 1280]);
  kernel.tell({ kind: 'address', address: interfaceAddress(3, '10.3.0.1'), removed: false });
  t.is(followed.current().ports[1]?.ipv4, address('10.3.0.1'));
  followed.stop();
  kernel.tell({ kind: 'link', link: link(2, 'eth0', { mtu: 1500 }), removed: false });
  t.is(told.length, 3);
});

test("portFacts() says of a bond's members what it says of the bond", (t) => {
  const links = [
    link(2, 'bond0', { kind: 'bond', mtu: 9000 }),
    link(3, 'eth0', { master: 2 }),
    link(4, 'eth1', { master: 9 }),
  ];
  const { ports, mtu } = factsOf(links, [interfaceAddress(2, '192.0.2.1')], [2]);
  t.deepEqual(
    ports.map((port) => [port.ifindex, port.mtu, port.ipv4]),
    [
      [2, 9000, address('192.0.2.1')],
      [3, 9000, address('192.0.2.1')],
    ],
  );
  t.is(mtu, 9000);
});
