import test from 'ava';
import type { Mac } from '../../../src/domain/mac.ts';
import { parsePrefix } from '../../../src/domain/prefix.ts';
import { dataplaneLayout } from '../../../src/forwarder/xdp/abi.ts';
import {
  type Capture,
  type CaptureFilter,
  startCapture,
} from '../../../src/forwarder/xdp/capture.ts';
import { sharedArray } from '../../../src/forwarder/xdp/shared-array.ts';
import { dataplaneAbi } from '../../../src/system/bpf.ts';
import {
  BACKEND_MAC,
  EDGE_BACKEND_MAC,
  LOOPBACK,
  NAT_V4,
  openDataplane,
} from '../../support/dataplane-fixture.ts';
import { address } from '../../support/objects.ts';
import { tcp, udp } from '../../support/packet.ts';

const dataplane = openDataplane();
const abi = dataplaneAbi();
const config = sharedArray(dataplane.map('config'), dataplaneLayout(abi).config);
const EDGE_MAC = 0x0200_0000_00eb as Mac;
const VIP = '192.0.2.10';

let capture: Capture | undefined;
test.beforeEach(() => {
  dataplane.reset();
  dataplane.backend({ index: 1, address: '10.1.0.5', port: 8080, server: 1 });
  dataplane.server({ index: 1, vip: VIP, port: 80, protocol: 'tcp', ring: [1] });
  dataplane.server({ index: 2, vip: '192.0.2.99', port: 80, protocol: 'tcp', ring: [1] });
});
test.afterEach.always(() => capture?.stop());

function start(filter: Partial<CaptureFilter> = {}): Capture {
  capture = startCapture(
    {
      object: dataplane.object,
      config,
      abi,
      interfaceName: (ifindex) => `port${ifindex}`,
      interfaceOfMac: (mac) => (mac === EDGE_MAC ? 'edge' : undefined),
      nowNs: () => BigInt(Date.now()) * 1_000_000n,
    },
    { vip: address(VIP), port: 0, client: undefined, sample: 1, snapLength: 2048, ...filter },
  );
  return capture;
}

const syn = (from = '198.51.100.7:50123', to = `${VIP}:80`) => tcp({ from, to, flags: 'S' });
const answer = () =>
  tcp({
    from: '10.1.0.5:8080',
    to: `${NAT_V4}:${dataplane.flows()[0]?.natPort}`,
    flags: 'SA',
    srcMac: BACKEND_MAC,
    dstMac: EDGE_BACKEND_MAC,
  });

test.serial('a capture has each packet of the VIP as it came and as it left, both ways', (t) => {
  const running = start();
  const beforeNs = BigInt(Date.now() - 1000) * 1_000_000n;
  const sent = dataplane.send(syn());
  const returned = dataplane.send(answer());
  const { packets, lost } = running.read();
  t.is(lost, 0);
  t.deepEqual(
    packets.map(({ direction, interface: port, verdict }) => ({ direction, port, verdict })),
    [
      { direction: 'in', port: `port${LOOPBACK}`, verdict: 0 },
      { direction: 'out', port: 'edge', verdict: 3 },
      { direction: 'in', port: `port${LOOPBACK}`, verdict: 0 },
      { direction: 'out', port: `port${LOOPBACK}`, verdict: 3 },
    ],
  );
  const bytes = packets.map((packet) => Buffer.from(packet.bytes).toString('hex'));
  const hex = (frame: Uint8Array) => Buffer.from(frame).toString('hex');
  t.deepEqual(bytes.slice(0, 2), [hex(syn()), hex(sent.packet)]);
  t.is(bytes[3], hex(returned.packet));
  t.is(packets[0]?.id, packets[1]?.id);
  t.not(packets[1]?.id, packets[2]?.id);
  for (const { timeNs } of packets) t.true(timeNs > beforeNs && timeNs < beforeNs + 5_000_000_000n);
});

test.serial('what is dropped has come and not left', (t) => {
  const running = start();
  dataplane.send(tcp({ from: '198.51.100.7:50123', to: `${VIP}:81`, flags: 'A' }));
  const [came, left] = running.read().packets;
  t.is(came?.bytes.length, 54);
  t.like(left, { direction: 'out', verdict: 1, length: 54 });
  t.is(left?.bytes.length, 0);
});

test.serial('other VIPs, ports and clients are not captured', (t) => {
  const client = parsePrefix('198.51.100.0/24');
  const running = start({ port: 80, client });
  dataplane.send(syn('198.51.100.7:50123', '192.0.2.99:80'));
  dataplane.send(udp({ from: '198.51.100.7:50123', to: `${VIP}:53` }));
  dataplane.send(syn('198.51.101.7:50123'));
  dataplane.send(syn('203.0.113.1:1', '203.0.113.2:2'));
  t.deepEqual(running.read().packets, []);
  dataplane.send(syn());
  dataplane.send(answer());
  t.is(running.read().packets.length, 4);
});

test.serial('a sample takes some connections, and those whole', (t) => {
  const running = start({ sample: 4 });
  for (let port = 1; port <= 400; port++) {
    dataplane.send(syn(`198.51.100.7:${port}`));
    dataplane.send(tcp({ from: `198.51.100.7:${port}`, to: `${VIP}:80`, flags: 'A' }));
  }
  const { packets } = running.read();
  const perClient = new Map<number, number>();
  for (const { direction, bytes } of packets.filter((each) => each.direction === 'in')) {
    const port = new DataView(bytes.buffer, bytes.byteOffset).getUint16(34);
    perClient.set(port, (perClient.get(port) ?? 0) + (direction === 'in' ? 1 : 0));
  }
  t.true(perClient.size > 50 && perClient.size < 150, `${perClient.size}`);
  t.true([...perClient.values()].every((count) => count === 2));
});

test.serial('packets are cut at the snap length, and long ones at 2048 bytes', (t) => {
  const running = start({ snapLength: 100 });
  const large = {
    from: '198.51.100.7:50123',
    to: `${VIP}:81`,
    flags: 'S',
    payload: 'x'.repeat(3000),
  };
  dataplane.send(tcp(large));
  t.like(running.read().packets[0], { length: 3054 });
  dataplane.send(tcp(large));
  t.is(running.read().packets[0]?.bytes.length, 100);
  running.stop();
  const whole = start();
  dataplane.send(tcp(large));
  t.is(whole.read().packets[0]?.bytes.length, 2048);
});

test.serial('a reader that does not read loses packets, which are counted', (t) => {
  const running = start();
  const packet = tcp({
    from: '198.51.100.7:50123',
    to: `${VIP}:81`,
    flags: 'A',
    payload: 'x'.repeat(1000),
  });
  for (let i = 0; i < 3000; i++) dataplane.send(packet);
  const { packets, lost } = running.read();
  t.true(packets.length > 800, `${packets.length}`);
  t.is(packets.length + lost, 6000);
});

test.serial('nothing is copied before a capture and after it', (t) => {
  dataplane.send(syn());
  const first = start();
  t.is(config.get(0).capture, 1);
  t.deepEqual(first.read().packets, []);
  first.stop();
  first.stop();
  t.is(config.get(0).capture, 0);
  dataplane.send(syn());
  t.deepEqual(start().read().packets, []);
});
