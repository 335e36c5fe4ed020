import test, { type ExecutionContext } from 'ava';
import {
  BACKEND_MAC,
  EDGE_BACKEND_MAC,
  expectPacket,
  LOOPBACK,
  NAT_V4,
  openDataplane,
  VERDICTS,
  type Verdict,
} from '../support/dataplane-fixture.ts';
import { fragmentId, fragmentOf } from '../support/fragments.ts';
import { type PacketFields, tcp, udp } from '../support/packet.ts';

/** Frames in several buffers, of which a program reads and writes only the first. */
const dataplane = openDataplane();
const PAYLOAD = Uint8Array.from({ length: 7000 }, (_, i) => i * 3);
const HEADERS = 54;

test.beforeEach(() => {
  dataplane.reset();
  const way = { address: '10.1.0.5', port: 8080, mtu: 9000 };
  dataplane.backend({ index: 1, server: 1, ...way });
  dataplane.backend({ index: 2, server: 2, ...way });
  dataplane.server({ index: 1, vip: '192.0.2.10', port: 80, protocol: 'tcp', ring: [1] });
  dataplane.server({ index: 2, vip: '192.0.2.10', port: 53, protocol: 'udp', ring: [2] });
});

const REQUEST = { from: '198.51.100.7:50123', to: '192.0.2.10:80', flags: 'S', payload: PAYLOAD };

/** Undefined where the kernel cannot say how a frame is divided. */
function send(
  t: ExecutionContext,
  packet: Uint8Array,
  linear: number,
): { verdict: Verdict; packet: Uint8Array } | undefined {
  try {
    const got = dataplane.object.testRun(packet, { ifindex: LOOPBACK, linear });
    return { verdict: VERDICTS[got.verdict] ?? 'aborted', packet: got.packet };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EINVAL') throw error;
    t.log('Linux before 6.18 divides frames itself');
    t.pass();
    return undefined;
  }
}

function forwarded(fields: Partial<PacketFields> = {}): Uint8Array {
  const from = `${NAT_V4}:${dataplane.flows()[0]?.natPort}`;
  const macs = { srcMac: EDGE_BACKEND_MAC, dstMac: BACKEND_MAC };
  return tcp({ ...REQUEST, from, to: '10.1.0.5:8080', ttl: 63, ...macs, ...fields });
}

for (const linear of [HEADERS, HEADERS + 1, 2048]) {
  test.serial(`a jumbo frame whose first buffer has ${linear} bytes is forwarded whole`, (t) => {
    const got = send(t, tcp(REQUEST), linear);
    if (got) expectPacket(t, got, 'tx', forwarded());
  });
}

test.serial('tags are taken from a frame in several buffers', (t) => {
  const vlans = [{ id: 100, service: true }, { id: 7 }];
  const got = send(t, tcp({ ...REQUEST, vlans }), HEADERS + 8);
  if (got) expectPacket(t, got, 'tx', forwarded());
});

test.serial('headers that are not in the first buffer are malformed', (t) => {
  for (const linear of [34, 41, 53]) {
    const packet = tcp(REQUEST);
    const got = send(t, packet, linear);
    if (!got) return;
    expectPacket(t, got, 'drop', packet);
  }
  t.deepEqual(dataplane.counters(), { drop_malformed: 3 });
});

test.serial('without an IP header in the first buffer it is the kernel’s', (t) => {
  const packet = tcp(REQUEST);
  for (const linear of [14, 33]) {
    const got = send(t, packet, linear);
    if (got) expectPacket(t, got, 'pass', packet);
  }
});

test.serial('a later fragment in several buffers follows its first', (t) => {
  const whole = udp({ ...REQUEST, to: '192.0.2.10:53' });
  const got = [
    { from: 0, to: 4000 },
    { from: 4000, to: 7008 },
  ].map((piece) => send(t, fragmentOf(whole, piece, 77), HEADERS));
  const ids = got.map((each) => each && fragmentId(each.packet));
  if (ids.includes(undefined)) return;
  t.deepEqual(
    got.map((each) => each?.verdict),
    ['tx', 'tx'],
  );
  t.is(ids[0], ids[1]);
});
