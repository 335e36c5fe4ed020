import test from 'ava';
import type { Mac } from '../../../src/domain/mac.ts';
import { encodeArp } from '../../../src/protocol/arp.ts';
import { ETHERTYPE_ARP, ETHERTYPE_IPV6, encodeEthernet } from '../../../src/protocol/ethernet.ts';
import { createCounterTable } from '../../../src/speaker/l2/counters.ts';
import { DEFEND_INTERVAL_MS, openPort } from '../../../src/speaker/l2/port.ts';
import { fakeClock } from '../../support/fake-clock.ts';
import { address } from '../../support/objects.ts';
import { recordingLog } from '../../support/recording-log.ts';
import { fakeWire } from '../fake-wire.ts';

const VIP = address('192.0.2.100');
const VIP6 = address('2001:db8::100');
const MAC = 0x0200_0000_00ed as Mac;
const OTHER_MAC = 0x0200_0000_000a as Mac;

function port() {
  const wire = fakeWire();
  const clock = fakeClock(0);
  const log = recordingLog();
  const counters = createCounterTable();
  const opened = openPort({
    name: 'eth0',
    ifindex: 2,
    mac: MAC,
    isOwnMac: (mac) => mac === MAC,
    gratuitous: { burst: 1, spacingMs: 1000, refreshMs: 3_600_000 },
    counters,
    wire,
    clock,
    log,
    random: () => 0.5,
  });
  const receive = (sender: string, target: string) =>
    wire.receive(2, ETHERTYPE_ARP, arp(sender, target));
  return { wire, clock, log, counters, port: opened, receive };
}

function arp(sender: string, target: string): Uint8Array {
  return encodeEthernet({
    destination: MAC,
    source: OTHER_MAC,
    vlan: undefined,
    etherType: ETHERTYPE_ARP,
    payload: encodeArp({
      operation: 'request',
      senderMac: OTHER_MAC,
      senderAddress: address(sender),
      targetMac: 0 as Mac,
      targetAddress: address(target),
    }),
  });
}

test('a port answers from announce() to withdraw(), and counts', (t) => {
  const { wire, port: eth0, receive, counters } = port();
  receive('192.0.2.1', '192.0.2.100');
  t.is(wire.sent.length, 0);
  eth0.announce(VIP);
  eth0.announce(VIP);
  t.true(eth0.announces(VIP));
  t.is(wire.sent.length, 2, 'gratuitous, in both forms, once');
  receive('192.0.2.1', '192.0.2.100');
  receive('192.0.2.1', '192.0.2.101');
  t.is(wire.sent.length, 3);
  eth0.withdraw(VIP);
  receive('192.0.2.1', '192.0.2.100');
  t.is(wire.sent.length, 3);
  t.deepEqual(counters.get(VIP), {
    requestsReceived: 1,
    responsesSent: 1,
    gratuitousSent: 2,
    conflicts: 0,
  });
  t.deepEqual(eth0.status(), {
    name: 'eth0',
    mac: '02:00:00:00:00:ed',
    drops: { notVip: 3 },
    sendErrors: 0,
  });
});

test('a conflict is counted each time, and defended and logged at most once in ten seconds', (t) => {
  const { wire, clock, log, port: eth0, receive, counters } = port();
  eth0.announce(VIP);
  const before = wire.sent.length;
  const claim = () => receive('192.0.2.100', '192.0.2.100');
  for (let i = 0; i < 100; i++) {
    claim();
    clock.advance(50);
  }
  t.is(wire.sent.length - before, 2);
  clock.advance(DEFEND_INTERVAL_MS - 5000 - 1);
  claim();
  t.is(wire.sent.length - before, 2);
  clock.advance(1);
  claim();
  t.is(wire.sent.length - before, 4);
  t.is(counters.get(VIP).conflicts, 102);
  t.is(counters.get(VIP).gratuitousSent, wire.sent.length);
  const lines = log.lines.filter(({ level }) => level === 'warn');
  t.is(lines.length, 2);
  t.like(lines[0]?.fields, {
    vip: '192.0.2.100',
    interface: 'eth0',
    claimant: '02:00:00:00:00:0a',
  });
});

test('a group that cannot be joined is an error, but the VIP is announced meanwhile', (t) => {
  const { wire, port: eth0 } = port();
  wire.fail('join', 'ENOBUFS');
  t.throws(() => eth0.announce(VIP6), { code: 'ENOBUFS' });
  t.true(eth0.announces(VIP6));
  t.is(wire.sent.length, 1);
  wire.fail('join', undefined);
  eth0.announce(VIP6);
  t.is(wire.sent.length, 1, 'no second burst');
  t.is(wire.groups.size, 1);
  eth0.withdraw(VIP6);
  t.is(wire.groups.size, 0);
});

test('a failed send is counted and logged now and then, but not when the interface is down', (t) => {
  const { wire, clock, log, port: eth0, receive, counters } = port();
  eth0.announce(VIP);
  wire.fail('send', 'ENETDOWN');
  receive('192.0.2.1', '192.0.2.100');
  t.is(log.lines.length, 0);
  wire.fail('send', 'ENOBUFS');
  for (let i = 0; i < 10; i++) receive('192.0.2.1', '192.0.2.100');
  t.is(log.lines.length, 1);
  clock.advance(10_000);
  receive('192.0.2.1', '192.0.2.100');
  t.is(log.lines.length, 2);
  t.is(eth0.status().sendErrors, 12);
  t.like(counters.get(VIP), { requestsReceived: 12, responsesSent: 0 });
});

test('close() leaves nothing open', (t) => {
  const { wire, clock, port: eth0 } = port();
  eth0.announce(VIP);
  eth0.announce(VIP6);
  t.deepEqual(wire.open(), [`2 ${ETHERTYPE_ARP}`, `2 ${ETHERTYPE_IPV6}`]);
  const before = wire.sent.length;
  eth0.close();
  clock.advance(10_000_000);
  t.deepEqual(wire.open(), []);
  t.is(wire.groups.size, 0);
  t.is(wire.sent.length, before);
});
