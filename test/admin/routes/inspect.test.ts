import test from 'ava';
import { buildApi } from '../../../src/admin/build.ts';
import { readCapture } from '../../../src/protocol/pcap/read-capture.ts';
import { createMetrics } from '../../../src/telemetry/metrics.ts';
import { fakeAdminView } from '../../support/fake-admin-view.ts';
import { tcp } from '../../support/packet.ts';
import { recordingLog } from '../../support/recording-log.ts';

async function api(roles: Parameters<typeof fakeAdminView>[0] = ['forwarder']) {
  return buildApi({ view: fakeAdminView(roles), metrics: createMetrics(), log: recordingLog() });
}

const PACKET = {
  source: '198.51.100.7',
  destination: '192.0.2.1',
  destinationPort: 80,
  protocol: 'TCP',
};

test('POST /v1/trace traces the packet it is told of', async (t) => {
  const app = await api();
  const payload = { ...PACKET, flags: 'SA', ttl: 9, size: 60, sourcePort: 1234 };
  const answer = await app.inject({ method: 'POST', url: '/v1/trace', payload });
  t.is(answer.statusCode, 200);
  const { interface: port, items } = answer.json();
  t.is(port, 'eth0');
  t.is(items.length, 1);
  t.is(
    items[0].before.line,
    '02:00:00:00:00:01 > 02:00:00:00:00:eb, IP 198.51.100.7:1234 > 192.0.2.1:80: TCP [S.], ttl 9, length 60',
  );
  t.is(items[0].before.hex.length, 2 * (14 + 60));
  t.regex(items[0].after.line, /ttl 8, length 60$/);
  t.deepEqual(items[0].steps[1], {
    name: 'vip_port',
    facts: { server: '192.0.2.1 TCP 80', scheduler: 'hash', places: 1021 },
  });
});

const MISTAKES: readonly (readonly [string, object, RegExp])[] = [
  ['no address', { ...PACKET, source: 'x' }, /source is "x", which is not an IP address/],
  [
    'two families',
    { ...PACKET, source: '::1' },
    /source and destination are of different families/,
  ],
  ['a size below the headers', { ...PACKET, size: 39 }, /size is 39, below the headers' 40 bytes/],
  ['a size beyond jumbo', { ...PACKET, size: 9001 }, /size must be <= 9000/],
  ['unknown flags', { ...PACKET, flags: 'X' }, /flags must match pattern/],
  ['another protocol', { ...PACKET, protocol: 'SCTP' }, /protocol must be/],
  ['what is not known', { ...PACKET, colour: 'red' }, /must NOT have additional properties/],
];

for (const [what, payload, message] of MISTAKES) {
  test(`POST /v1/trace refuses ${what}`, async (t) => {
    const answer = await (await api()).inject({ method: 'POST', url: '/v1/trace', payload });
    t.is(answer.statusCode, 400);
    t.regex(answer.json().message, message);
  });
}

test('POST /v1/trace names the interfaces that carry the program when another is asked for', async (t) => {
  const payload = { ...PACKET, interface: 'eth7' };
  const answer = await (await api()).inject({ method: 'POST', url: '/v1/trace', payload });
  t.is(answer.statusCode, 409);
  t.regex(answer.json().message, /"eth7" does not carry the program; these do: eth0/);
});

test('POST /v1/trace/capture traces the packets of a file', async (t) => {
  const app = await api();
  const file = (await app.inject('/v1/capture?vip=192.0.2.1&count=3')).rawPayload;
  const request = {
    method: 'POST',
    url: '/v1/trace/capture',
    headers: { 'content-type': 'application/octet-stream' },
  } as const;
  const answer = await app.inject({ ...request, payload: file });
  t.is(answer.statusCode, 200);
  const outcomes = answer.json().items.map(({ outcome }: { outcome: string }) => outcome);
  t.deepEqual(outcomes.slice(0, 3), ['forwarded', 'dropped', 'passed']);
  t.is(answer.json().items[1].reason, 'nat_ports');
  const lie = await app.inject({ ...request, payload: Buffer.alloc(30) });
  t.is(lie.statusCode, 400);
  t.regex(lie.json().message, /neither pcap nor pcapng/);
  const large = await app.inject({ ...request, payload: Buffer.alloc(5_000_000) });
  t.is(large.statusCode, 413);
});

test('GET /v1/capture is a pcapng file of so many packets, and says how many were lost', async (t) => {
  const app = await api();
  const answer = await app.inject('/v1/capture?vip=192.0.2.1&count=5');
  t.is(answer.statusCode, 200);
  t.is(answer.headers['content-type'], 'application/x-pcapng');
  t.is(answer.trailers['x-tidegate-capture'], 'packets=5; lost=5');
  // The first, third and fifth leave.
  t.is(readCapture(answer.rawPayload).frames?.length, 5 + 3);
  // The next one may begin.
  t.is((await app.inject('/v1/capture?vip=192.0.2.1&count=1')).statusCode, 200);
});

for (const [query, message] of [
  ['vip=x', /Query "vip" is "x", which is not an IP address/],
  ['vip=192.0.2.1&client=10.0.0.0%2F33', /neither an IP address nor a prefix/],
  ['vip=192.0.2.1&count=0', /count must be >= 1/],
  ['vip=192.0.2.1&seconds=3601', /seconds must be <= 3600/],
  ['vip=192.0.2.1&snap=9000', /snap must be <= 2048/],
  ['port=80', /must have required property 'vip'|vip/],
] as const) {
  test(`GET /v1/capture refuses "${query}"`, async (t) => {
    const answer = await (await api()).inject(`/v1/capture?${query}`);
    t.is(answer.statusCode, 400);
    t.regex(answer.json().message, message);
  });
}

test('GET /v1/top tells each port of each VIP in all', async (t) => {
  const { atMs, items, packets } = (await (await api()).inject('/v1/top')).json();
  t.true(atMs > 0);
  t.is(items.length, 1);
  t.like(items[0], { service: 'shop/web', address: '192.0.2.1', port: 80, drops: 7, flows: 17 });
  t.is(packets.drop_no_port, 7);
});

test('who does not forward has nothing to look inside', async (t) => {
  const app = await api(['speaker']);
  for (const url of ['/v1/top', '/v1/capture?vip=192.0.2.1']) {
    t.is((await app.inject(url)).statusCode, 404, url);
  }
  const trace = await app.inject({ method: 'POST', url: '/v1/trace', payload: PACKET });
  t.is(trace.json().error, 'role_absent');
});

test('readCapture() reads what libpcap writes, in either byte order', (t) => {
  const frame = tcp({ from: '198.51.100.7:1', to: '192.0.2.1:80', flags: 'S' });
  for (const little of [true, false]) {
    const file = new Uint8Array(24 + 16 + frame.length);
    const view = new DataView(file.buffer);
    view.setUint32(0, 0xa1b2c3d4, little);
    view.setUint32(20, 1, little);
    view.setUint32(24 + 8, frame.length, little);
    file.set(frame, 40);
    t.deepEqual(readCapture(file).frames?.map(Buffer.from), [Buffer.from(frame)]);
    t.regex(readCapture(file.subarray(0, 60)).refusal ?? '', /ends in the middle of a packet/);
    view.setUint32(20, 113, little);
    t.regex(readCapture(file).refusal ?? '', /Only captures of Ethernet/);
  }
});
