import test from 'ava';
import { formatAddress } from '../../../src/domain/address.ts';
import { formatMac, type Mac, parseMac } from '../../../src/domain/mac.ts';
import { chooseSource, createProbeWire } from '../../../src/forwarder/neighbours/probe-wire.ts';
import { followNetwork } from '../../../src/forwarder/network.ts';
import { decodeArp, encodeArp } from '../../../src/protocol/arp.ts';
import { decodeEthernet, encodeEthernet } from '../../../src/protocol/ethernet.ts';
import { decodeNdp, encodeNdp, UNSPECIFIED } from '../../../src/protocol/ndp.ts';
import type { PacketMessage, PacketOptions } from '../../../src/system/sockets.ts';
import { fakeClock } from '../../support/fake-clock.ts';
import { fakeRtnetlink, interfaceAddress, link } from '../../support/fake-rtnetlink.ts';
import { address } from '../../support/objects.ts';
import { recordingLog } from '../../support/recording-log.ts';

const MAC = parseMac('02:00:00:00:00:aa') as Mac;
const OURS = parseMac('02:00:00:00:00:02') as Mac;
const V4 = { ifindex: 2, address: address('10.0.0.11') };
const V6 = { ifindex: 2, address: address('2001:db8::11') };

async function bench() {
  const kernel = fakeRtnetlink();
  const log = recordingLog();
  kernel.addresses.push(interfaceAddress(2, 'fe80::2'), interfaceAddress(2, '2001:db8::2'));
  const network = await followNetwork({ open: kernel.open, clock: fakeClock(), log });
  const sent: Uint8Array[] = [];
  const opened: PacketOptions[] = [];
  const closed: number[] = [];
  const answers: string[] = [];
  const receivers = new Map<number, (message: PacketMessage) => void>();
  const trouble = { open: false, send: false };
  const wire = createProbeWire({
    network,
    log,
    openPacketSocket(options, onMessage) {
      if (trouble.open) throw Object.assign(new Error('Cannot open'), { code: 'EPERM' });
      opened.push(options);
      receivers.set(options.etherType, onMessage);
      return {
        send(frame) {
          if (trouble.send) throw Object.assign(new Error('Cannot send'), { code: 'ENETDOWN' });
          sent.push(frame);
        },
        joinMulticast: () => undefined,
        leaveMulticast: () => undefined,
        close: () => void closed.push(options.etherType),
      };
    },
    onAnswer: (ifindex, at, mac) =>
      answers.push(`${ifindex} ${formatAddress(at)} ${formatMac(mac)}`),
  });
  const receive = (etherType: number, payload: Uint8Array, source = MAC) => {
    const bytes = encodeEthernet({
      destination: OURS,
      source,
      vlan: undefined,
      etherType,
      payload,
    });
    receivers.get(etherType)?.({ bytes, ifindex: 2, packetType: 0, vlan: undefined });
  };
  return { kernel, log, wire, sent, opened, closed, answers, receive, trouble };
}

function frameOf(bytes: Uint8Array | undefined) {
  const frame = decodeEthernet(bytes ?? new Uint8Array()).value;
  if (!frame) throw new Error('No frame was sent');
  return frame;
}

test('an ARP request goes to one MAC address, or to everybody, from our address in the subnet', async (t) => {
  const { wire, sent } = await bench();
  t.true(wire.ask(V4, MAC));
  t.true(wire.ask(V4, undefined));
  const [alone, all] = sent.map(frameOf);
  t.is(formatMac(alone?.destination as Mac), '02:00:00:00:00:aa');
  t.is(formatMac(all?.destination as Mac), 'ff:ff:ff:ff:ff:ff');
  t.deepEqual(decodeArp(all?.payload ?? new Uint8Array()).value, {
    operation: 'request',
    senderMac: OURS,
    senderAddress: address('10.0.0.1'),
    targetMac: 0 as Mac,
    targetAddress: V4.address,
  });
});

test('a solicitation goes to one MAC address, or to the group, from our link-local address', async (t) => {
  const { wire, sent } = await bench();
  wire.ask(V6, MAC);
  wire.ask(V6, undefined);
  const [alone, all] = sent.map(frameOf);
  t.is(formatMac(alone?.destination as Mac), '02:00:00:00:00:aa');
  t.like(decodeNdp(alone?.payload ?? new Uint8Array()).value, {
    kind: 'solicitation',
    source: address('fe80::2'),
    destination: V6.address,
    sourceMac: OURS,
  });
  t.is(formatMac(all?.destination as Mac), '33:33:ff:00:00:11');
  t.like(decodeNdp(all?.payload ?? new Uint8Array()).value, {
    destination: address('ff02::1:ff00:11'),
    target: V6.address,
  });
});

test('answers are told with who they are about, and nothing else is', async (t) => {
  const { wire, answers, receive } = await bench();
  wire.ask(V4, MAC);
  wire.ask(V6, MAC);
  const arp = {
    senderMac: MAC,
    senderAddress: V4.address,
    targetMac: OURS,
    targetAddress: address('10.0.0.1'),
  };
  const advertisement = {
    kind: 'advertisement',
    source: V6.address,
    destination: address('fe80::2'),
    target: V6.address,
    router: false,
    solicited: true,
    override: false,
    targetMac: undefined,
  } as const;
  receive(0x0806, encodeArp({ ...arp, operation: 'reply' }));
  receive(0x86dd, encodeNdp(advertisement));
  t.deepEqual(answers.splice(0), [
    '2 10.0.0.11 02:00:00:00:00:aa',
    '2 2001:db8::11 02:00:00:00:00:aa',
  ]);
  receive(0x0806, encodeArp({ ...arp, operation: 'request' }));
  receive(0x86dd, encodeNdp({ ...advertisement, solicited: false }));
  receive(0x86dd, new Uint8Array(60));
  receive(0x0806, new Uint8Array(3));
  t.deepEqual(answers, []);
});

test('a link that is down, has no ARP or no address of ours is none to ask on', async (t) => {
  const { kernel, wire, sent } = await bench();
  const change = (fields: Parameters<typeof link>[2]) =>
    kernel.tell({ kind: 'link', link: link(2, 'eth0', fields), removed: false });
  for (const fields of [{ isUp: false }, { usesArp: false }, { hardwareType: 65_534 }]) {
    change(fields);
    t.false(wire.ask(V4, MAC));
  }
  change({});
  t.false(wire.ask({ ifindex: 9, address: V4.address }, MAC));
  kernel.tell({ kind: 'address', address: interfaceAddress(2, '10.0.0.1'), removed: true });
  t.false(wire.ask(V4, MAC));
  t.is(sent.length, 0);
});

test('one socket an interface and family, closed when the interface is gone', async (t) => {
  const { kernel, wire, opened, closed } = await bench();
  for (let i = 0; i < 3; i++) wire.ask(V4, MAC);
  wire.ask(V6, MAC);
  t.deepEqual(
    opened.map(({ etherType }) => etherType),
    [0x0806, 0x86dd],
  );
  kernel.tell({ kind: 'link', link: link(2, 'eth0'), removed: true });
  t.deepEqual(closed, [0x0806, 0x86dd]);
  wire.close();
  t.is(closed.length, 2);
});

test('a socket that cannot be opened is said once, and tried again when the link changes', async (t) => {
  const { kernel, log, wire, trouble } = await bench();
  trouble.open = true;
  t.false(wire.ask(V4, MAC));
  t.false(wire.ask(V4, MAC));
  t.is(log.lines.length, 1);
  trouble.open = false;
  kernel.tell({ kind: 'link', link: link(2, 'eth0', { mtu: 9000 }), removed: false });
  t.true(wire.ask(V4, MAC));
});

test('a frame that cannot be sent was not asked', async (t) => {
  const { wire, trouble } = await bench();
  trouble.send = true;
  t.false(wire.ask(V4, MAC));
});

test('chooseSource() prefers the subnet, then the interface, then the box', (t) => {
  const all = [
    interfaceAddress(1, '127.0.0.1'),
    interfaceAddress(3, '192.0.2.1'),
    interfaceAddress(2, '10.9.0.1'),
    interfaceAddress(2, '10.0.0.1'),
  ];
  t.is(chooseSource(all, 2, V4.address), address('10.0.0.1'));
  t.is(chooseSource(all, 3, V4.address), address('192.0.2.1'));
  t.is(chooseSource(all, 4, V4.address), address('192.0.2.1'));
  t.is(chooseSource(all, 2, V6.address), undefined);
  t.is(chooseSource([interfaceAddress(3, 'fe80::3')], 2, V6.address), undefined);
  t.not(chooseSource(all, 2, V4.address), UNSPECIFIED);
});
