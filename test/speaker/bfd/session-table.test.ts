import { hash } from 'node:crypto';
import test from 'ava';
import { formatAddress } from '../../../src/domain/address.ts';
import type { BfdSession } from '../../../src/domain/bgp/bfd-session.ts';
import { encodeControlPacket } from '../../../src/protocol/bfd/control-packet.ts';
import { BFD_SESSIONS_MAX } from '../../../src/speaker/bfd/bfd.ts';
import type { SessionOrder } from '../../../src/speaker/bfd/order.ts';
import { createSessionTable, type SessionTable } from '../../../src/speaker/bfd/session-table.ts';
import { bfdNetwork, failure, type NetworkHost } from '../../support/bfd-network.ts';
import { controlPacket } from '../../support/bfd-packets.ts';
import { type FakeClock, fakeClock } from '../../support/fake-clock.ts';
import { createMutator } from '../../support/mutate.ts';
import { address } from '../../support/objects.ts';

const LEFT = address('192.0.2.1');
const RIGHT = address('192.0.2.2');

interface Side {
  readonly host: NetworkHost;
  readonly table: SessionTable;
  readonly changes: [key: string, session: BfdSession][];
  readonly drops: string[];
}

function side(clock: FakeClock, host: NetworkHost, first = 1): Side {
  const mutator = createMutator(first);
  let discriminator = first;
  const changes: Side['changes'] = [];
  const drops: string[] = [];
  const table = createSessionTable({
    wire: host.wire,
    clock,
    random: () => mutator.random(1_000_000) / 1_000_000,
    discriminator: () => discriminator++,
    sha1: (bytes) => hash('sha1', bytes, 'buffer'),
    onChange: (key, session) => changes.push([key, session]),
    onDrop: (reason, { source }) => drops.push(`${reason} from ${formatAddress(source)}`),
    onSocketError: (error) => {
      throw error;
    },
  });
  return { host, table, changes, drops };
}

function order(
  path: Partial<SessionOrder['path']> = {},
  changes: Partial<SessionOrder> = {},
): SessionOrder {
  return {
    path: {
      remote: RIGHT,
      local: undefined,
      interface: undefined,
      multihop: false,
      authentication: undefined,
      ...path,
    },
    timers: { transmitUs: 50_000, receiveUs: 50_000, detectMultiplier: 3 },
    passive: false,
    minimumTtl: 255,
    echoMode: false,
    profile: 'fast',
    ...changes,
  };
}

function keyed(text: string): NonNullable<SessionOrder['path']['authentication']> {
  return { kind: 'keyedSha1', keyId: 1, key: new TextEncoder().encode(text) };
}

function alone(): Side {
  const clock = fakeClock();
  return side(clock, bfdNetwork(clock).host(LEFT));
}

/** Two boxes that watch each other. */
function pair(left: Partial<SessionOrder['path']> = {}, right = left) {
  const clock = fakeClock();
  const network = bfdNetwork(clock);
  const a = side(clock, network.host(LEFT), 1);
  const b = side(clock, network.host(RIGHT), 1000);
  a.table.want(new Map([['b', order({ ...left, remote: RIGHT })]]));
  b.table.want(new Map([['a', order({ ...right, remote: LEFT })]]));
  clock.advance(3000);
  return { clock, network, a, b };
}

function stateOf({ table }: Side, key: string): BfdSession | undefined {
  return table.views().get(key);
}

test('two boxes bring a session up, and count it', (t) => {
  const { a, b } = pair();
  t.like(stateOf(a, 'b'), {
    state: 'Up',
    remoteState: 'Up',
    localDiscriminator: 1,
    remoteDiscriminator: 1000,
    detectionTimeMs: 150,
    transmitIntervalMs: 50,
    upEvents: 1,
    downEvents: 0,
    obstacle: '',
  });
  t.is(stateOf(b, 'a')?.localAddress, RIGHT);
  t.true((stateOf(a, 'b')?.packetsSent ?? 0) > 50);
  t.deepEqual(a.drops, []);
});

test('silence ends a session after the detection time, and both ends know', (t) => {
  const { clock, network, a, b } = pair();
  network.muted.add(LEFT);
  clock.advance(100);
  t.is(stateOf(b, 'a')?.state, 'Up');
  clock.advance(60);
  t.like(stateOf(b, 'a'), { state: 'Down', localDiagnostic: 'Control Detection Time Expired' });
  t.like(stateOf(a, 'b'), { state: 'Down', remoteDiagnostic: 'Control Detection Time Expired' });
  network.muted.clear();
  clock.advance(4000);
  t.like(stateOf(a, 'b'), { state: 'Up', upEvents: 2, downEvents: 1 });
});

test('a late timer looks into the sockets before it takes silence for a failure', (t) => {
  const { clock, a, b } = pair();
  a.host.busy = true;
  clock.advance(140);
  t.is(stateOf(a, 'b')?.state, 'Up');
  clock.advance(40);
  t.is(stateOf(a, 'b')?.state, 'Up');
  a.host.busy = false;
  a.host.settle();
  t.is(stateOf(b, 'a')?.downEvents, 0);
});

test('changed timers are negotiated, and the session goes on', (t) => {
  const { clock, a, b } = pair();
  const slower = { transmitUs: 200_000, receiveUs: 100_000, detectMultiplier: 4 };
  a.table.want(new Map([['b', order({}, { timers: slower })]]));
  clock.advance(1000);
  t.like(stateOf(a, 'b'), {
    transmitIntervalMs: 200,
    receiveIntervalMs: 100,
    localDiscriminator: 1,
    downEvents: 0,
  });
  t.like(stateOf(b, 'a'), { detectionTimeMs: 800, transmitIntervalMs: 100, downEvents: 0 });
});

test('a session that is not wanted any more ends with AdminDown, and its sockets close', (t) => {
  const { clock, a, b } = pair();
  a.table.want(new Map());
  t.is(stateOf(a, 'b'), undefined);
  clock.advance(1);
  t.like(stateOf(b, 'a'), { state: 'Down', remoteState: 'AdminDown' });
  t.is(a.host.senders.size, 1);
  clock.advance(200);
  t.is(a.host.senders.size, 0);
  t.is(a.host.receivers.size, 0);
  t.deepEqual(new Set(a.drops), new Set(['adminDown from 192.0.2.2']));
});

test('stop() tells every peer', async (t) => {
  const { clock, a, b } = pair();
  const stopped = a.table.stop();
  clock.advance(1000);
  await stopped;
  t.like(stateOf(b, 'a'), { state: 'Down', remoteState: 'AdminDown' });
  t.is(a.table.views().size, 0);
});

test('another key or source makes it another session', (t) => {
  const { clock, a } = pair({ authentication: keyed('old') });
  t.is(stateOf(a, 'b')?.state, 'Up');
  a.table.want(new Map([['b', order({ authentication: keyed('new') })]]));
  t.like(stateOf(a, 'b'), { state: 'Down', localDiscriminator: 2 });
  clock.advance(6000);
  t.true(a.drops.includes('wrongDigest from 192.0.2.2'), a.drops.join());
  t.true((stateOf(a, 'b')?.packetsDropped ?? 0) > 0);
});

test('a peer that began anew is believed once its old sequence is forgotten', (t) => {
  const authentication = { ...keyed('secret'), kind: 'meticulousKeyedSha1' as const };
  const { clock, network, a } = pair({ authentication });
  const host = network.host(RIGHT);
  const reborn = side(clock, host, 5000);
  clock.advance(400);
  reborn.table.want(new Map([['a', order({ remote: LEFT, authentication })]]));
  clock.advance(5000);
  t.like(stateOf(a, 'b'), { state: 'Up', remoteDiscriminator: 5000 });
});

const UP = { state: 'Up', yourDiscriminator: 1 } as const;
const REFUSED: readonly [
  what: string,
  packet: Parameters<typeof controlPacket>[0],
  how: { readonly port?: number; readonly ttl?: number; readonly source?: string },
  reason: string,
][] = [
  [
    'a discriminator that is none of ours',
    { ...UP, yourDiscriminator: 77 },
    {},
    'unknownDiscriminator',
  ],
  ['a stranger', {}, { source: '198.51.100.9' }, 'unknownSource'],
  ['a first packet to the other port', {}, { port: 4784, source: '192.0.2.2' }, 'unknownSource'],
  ['our discriminator at the other port', UP, { port: 4784 }, 'wrongPort'],
  ['a packet that came through a router', UP, { ttl: 254 }, 'ttl'],
  ['Detect Mult 0', { ...UP, detectMultiplier: 0 }, {}, 'zeroMultiplier'],
];

for (const [what, packet, how, reason] of REFUSED) {
  test(`${what} is refused: ${reason}`, (t) => {
    const { a } = pair();
    const far = order({ remote: address('192.0.2.9'), multihop: true }, { minimumTtl: 250 });
    a.table.want(
      new Map([
        ['b', order()],
        ['far', far],
      ]),
    );
    const before = stateOf(a, 'b');
    const source = address(how.source ?? '192.0.2.2');
    const bytes = encodeControlPacket(controlPacket(packet));
    a.host.arrive(how.port ?? 3784, { bytes, source, ttl: how.ttl ?? 255 });
    t.deepEqual(a.table.drops(), { [reason]: 1 });
    t.is(stateOf(a, 'b')?.state, before?.state);
    t.is(stateOf(a, 'b')?.packetsReceived, before?.packetsReceived);
    t.is(stateOf(a, 'b')?.packetsDropped, ['ttl', 'wrongPort'].includes(reason) ? 1 : 0);
  });
}

test('a multihop session takes packets down to its least TTL', (t) => {
  const clock = fakeClock();
  const a = side(clock, bfdNetwork(clock).host(LEFT));
  a.table.want(new Map([['far', order({ multihop: true }, { minimumTtl: 250 })]]));
  const bytes = encodeControlPacket(controlPacket());
  a.host.arrive(4784, { bytes, source: RIGHT, ttl: 249 });
  t.is(stateOf(a, 'far')?.state, 'Down');
  a.host.arrive(4784, { bytes, source: RIGHT, ttl: 250 });
  t.is(stateOf(a, 'far')?.state, 'Init');
});

test('once known, a peer may change its address', (t) => {
  const { a } = pair();
  const bytes = encodeControlPacket(controlPacket({ ...UP, myDiscriminator: 1000, diagnostic: 5 }));
  a.host.arrive(3784, { bytes, source: address('198.51.100.9') });
  t.is(stateOf(a, 'b')?.remoteDiagnostic, 'Path Down');
});

test('sessions with one link-local address on two interfaces are told apart', (t) => {
  const clock = fakeClock();
  const a = side(clock, bfdNetwork(clock).host(address('fe80::1')));
  const remote = address('fe80::2');
  a.host.interfaces.set('eth1', 3);
  a.table.want(
    new Map([
      ['zero', order({ remote, interface: 'eth0' })],
      ['one', order({ remote, interface: 'eth1' })],
    ]),
  );
  t.is(a.host.receivers.size, 2);
  const [, second] = a.host.receivers;
  const bytes = encodeControlPacket(controlPacket());
  second?.take({
    bytes,
    source: remote,
    sourcePort: 50_000,
    destination: a.host.address,
    ttl: 255,
    ifindex: 3,
  });
  t.is(stateOf(a, 'zero')?.state, 'Down');
  t.is(stateOf(a, 'one')?.state, 'Init');
});

const IMPOSSIBLE: readonly [what: string, SessionOrder, RegExp][] = [
  ['echo mode', order({}, { echoMode: true }), /"fast" asks for echo mode.*"echoMode" to false/],
  ['a link-local address', order({ remote: address('fe80::1') }), /fe80::1 .*"interface"/],
  ['two families', order({ local: address('2001:db8::1') }), /two families/],
  ['no key', order({ authentication: keyed('') }), /1 to 20 bytes/],
  ['a long key', order({ authentication: keyed('x'.repeat(21)) }), /this one has 21/],
];

for (const [what, impossible, words] of IMPOSSIBLE) {
  test(`an order with ${what} is an obstacle, and no session`, (t) => {
    const a = alone();
    a.table.want(new Map([['x', impossible]]));
    a.table.want(new Map([['x', impossible]]));
    t.is(a.changes.length, 1);
    t.regex(stateOf(a, 'x')?.obstacle ?? '', words);
    t.is(stateOf(a, 'x')?.state, 'AdminDown');
    t.is(a.host.senders.size, 0);
    a.table.want(new Map([['x', order()]]));
    t.like(stateOf(a, 'x'), { state: 'Down', obstacle: '' });
  });
}

test('an order that becomes impossible ends its session', (t) => {
  const { clock, a, b } = pair();
  a.table.want(new Map([['b', order({}, { echoMode: true })]]));
  clock.advance(1);
  t.regex(stateOf(a, 'b')?.obstacle ?? '', /echo/);
  t.is(stateOf(b, 'a')?.remoteState, 'AdminDown');
});

test('a path is watched once', (t) => {
  const a = alone();
  a.table.want(
    new Map([
      ['x', order()],
      ['y', order()],
    ]),
  );
  t.is(stateOf(a, 'x')?.obstacle, '');
  t.is(stateOf(a, 'y')?.obstacle, 'The path is watched already, for "x"');
  a.table.want(new Map([['y', order()]]));
  t.is(stateOf(a, 'y')?.obstacle, '');
});

test('more sessions than there may be are an obstacle, and those that run go on', (t) => {
  const a = alone();
  const orders = Array.from({ length: BFD_SESSIONS_MAX + 1 }, (_, i): [string, SessionOrder] => [
    `p${i}`,
    order({ remote: address(`10.0.${i >> 8}.${i & 255}`) }),
  ]);
  a.table.want(new Map(orders));
  t.is(stateOf(a, `p${BFD_SESSIONS_MAX - 1}`)?.obstacle, '');
  t.regex(stateOf(a, `p${BFD_SESSIONS_MAX}`)?.obstacle ?? '', /512 BFD sessions already/);
  const ports = [...a.host.senders].map(({ port }) => port);
  t.is(new Set(ports).size, BFD_SESSIONS_MAX);
  t.true(ports.every((port) => port >= 49_152 && port <= 65_535));
});

test('discriminators are never 0, and never given twice', (t) => {
  const offered = [0, 5, 5, 6];
  const clock = fakeClock();
  const host = bfdNetwork(clock).host(LEFT);
  const table = createSessionTable({
    wire: host.wire,
    clock,
    random: Math.random,
    discriminator: () => offered.shift() ?? 9,
    sha1: (bytes) => bytes,
    onChange: () => {},
    onDrop: () => {},
    onSocketError: () => {},
  });
  table.want(
    new Map([
      ['x', order()],
      ['y', order({ remote: address('192.0.2.3') })],
    ]),
  );
  t.deepEqual(
    [...table.views().values()].map((view) => view.localDiscriminator),
    [5, 6],
  );
});

test('an interface that is not there is an obstacle, and used once it is', (t) => {
  const { clock, a } = pair({ interface: 'eth0' });
  t.is(stateOf(a, 'b')?.state, 'Up');
  const [port] = [...a.host.senders].map((sender) => sender.port);
  a.host.interfaces.delete('eth0');
  a.host.sendError = failure('ENODEV');
  clock.advance(1100);
  t.like(stateOf(a, 'b'), { downEvents: 1, obstacle: 'No interface is named "eth0"' });
  t.is(a.host.senders.size, 0);
  a.host.interfaces.set('eth0', 9);
  a.host.sendError = undefined;
  clock.advance(5000);
  t.like(stateOf(a, 'b'), { state: 'Up', obstacle: '' });
  t.is([...a.host.senders][0]?.port, port);
});

test('an error of sending is an obstacle until sending works again', (t) => {
  const { clock, a } = pair();
  a.host.sendError = failure('ENETUNREACH');
  clock.advance(60);
  t.is(stateOf(a, 'b')?.obstacle, 'Refused: ENETUNREACH');
  a.host.sendError = undefined;
  clock.advance(60);
  t.like(stateOf(a, 'b'), { obstacle: '', state: 'Up' });
  t.deepEqual(
    a.changes.map(([, { obstacle }]) => obstacle).filter((words, i, all) => words !== all[i - 1]),
    ['', 'Refused: ENETUNREACH', ''],
  );
});

test('a taken port is an obstacle that says so, and tried again', (t) => {
  const clock = fakeClock();
  const a = side(clock, bfdNetwork(clock).host(LEFT));
  a.host.openError = failure('EADDRINUSE');
  a.table.want(new Map([['x', order({}, { passive: true })]]));
  t.regex(stateOf(a, 'x')?.obstacle ?? '', /port 3784 is taken; stop the other BFD program/);
  a.host.openError = undefined;
  clock.advance(1000);
  t.is(stateOf(a, 'x')?.obstacle, '');
});

test('sockets are shared, and closed with the last session that needs them', (t) => {
  const clock = fakeClock();
  const a = side(clock, bfdNetwork(clock).host(LEFT));
  const other = address('192.0.2.3');
  a.table.want(
    new Map([
      ['x', order()],
      ['y', order({ remote: other })],
    ]),
  );
  t.is(a.host.receivers.size, 1);
  a.table.want(new Map([['y', order({ remote: other })]]));
  clock.advance(1);
  t.is(a.host.receivers.size, 1);
  a.table.want(new Map());
  clock.advance(1);
  t.is(a.host.receivers.size, 0);
});
