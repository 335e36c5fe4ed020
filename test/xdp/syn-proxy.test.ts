import test, { type ExecutionContext } from 'ava';
import fc from 'fast-check';
import { dataplaneAbi } from '../../src/system/bpf.ts';
import { exhaustBudget } from '../support/budget.ts';
import {
  type CookieWorld,
  cookieWorld,
  FAMILIES,
  type Family,
  ISN,
  mssOption,
  WORLDS,
} from '../support/cookie-world.ts';
import { expectPacket, openDataplane, u32 } from '../support/dataplane-fixture.ts';
import { invariantBreaches } from '../support/flow-invariants.ts';

const dataplane = openDataplane();
const { constants } = dataplaneAbi();
/** Near the end of the numbers, so that they wrap. */
const BACKEND_ISN = 0xffff_fff0;
const world = (family: Family) => cookieWorld(dataplane, family);

test.afterEach((t) => t.deepEqual(invariantBreaches(dataplane), []));

function counter(name: string): number {
  return dataplane.counters()[name] ?? 0;
}

/** SYN and the client's ACK: the backend has got its SYN. */
function open(t: ExecutionContext, { client, cookie }: CookieWorld): void {
  t.is(dataplane.send(client({ flags: 'S', seq: ISN, tcpOptions: mssOption(1460) })).verdict, 'tx');
  const ack = cookie() + 1;
  t.is(dataplane.send(client({ flags: 'A', seq: ISN + 1, ack })).verdict, 'tx');
}

/** As far as both know of each other. */
function establish(t: ExecutionContext, made: CookieWorld): void {
  open(t, made);
  const { backend, client, cookie } = made;
  dataplane.send(backend({ flags: 'SA', seq: BACKEND_ISN, ack: ISN + 1 }));
  dataplane.send(client({ flags: 'A', seq: ISN + 1, ack: cookie() + 1 }));
  t.is(dataplane.flows()[0]?.state, constants['TG_FLOW_ESTABLISHED']);
}

for (const family of FAMILIES) {
  const { offered } = WORLDS[family];

  test.serial(
    `whatever the client sends while the backend is silent repeats the SYN (${family})`,
    (t) => {
      const made = world(family);
      const { client, cookie, atBackend } = made;
      open(t, made);
      const syn = atBackend({ flags: 'S', seq: ISN, ack: 0, tcpOptions: mssOption(offered) });
      for (const again of [
        { flags: 'A', seq: ISN },
        { flags: 'A', seq: ISN + 1 },
        { flags: 'PA', seq: ISN + 1, payload: 'data' },
        { flags: 'FA', seq: ISN + 1 },
        { flags: 'S', seq: ISN, tcpOptions: mssOption(700) },
      ])
        expectPacket(t, dataplane.send(client({ ack: cookie() + 1, ...again })), 'tx', syn);
      t.is(dataplane.flows().length, 1);
      t.is(counter('cookie_returned'), 1);
    },
  );

  test.serial(
    `the backend's SYN-ACK becomes an old byte and its window, each time (${family})`,
    (t) => {
      const made = world(family);
      const { backend, cookie, atClient } = made;
      open(t, made);
      const probe = { flags: 'A', seq: cookie(), ack: ISN + 1, window: 64_240, payload: '\0' };
      for (let i = 0; i < 3; i++) {
        const tcpOptions = mssOption(1460);
        const synAck = backend({
          flags: 'SA',
          seq: BACKEND_ISN,
          ack: ISN + 1,
          window: 64_240,
          tcpOptions,
        });
        expectPacket(t, dataplane.send(synAck), 'tx', atClient(probe));
      }
      t.is(dataplane.flows()[0]?.state, constants['TG_FLOW_HALF_OPEN']);
    },
  );

  test.serial(`sequence numbers are moved by the offset, both ways (${family})`, (t) => {
    const made = world(family);
    const { backend, client, cookie, unpadded, unpaddedAtBackend } = made;
    establish(t, made);
    const theirs = (n: number) => (BACKEND_ISN + 1 + n) >>> 0;
    const ours = (n: number) => (cookie() + 1 + n) >>> 0;
    const up = [
      [{ flags: 'PA', seq: ISN + 1, payload: 'hello' }, 0],
      [{ flags: 'A', seq: ISN + 6 }, 70_000],
      [{ flags: 'FA', seq: ISN + 6 }, 70_001],
      [{ flags: 'RA', seq: ISN + 7 }, 70_001],
    ] as const;
    for (const [fields, n] of up) {
      const got = dataplane.send(client({ ...fields, ack: ours(n) }));
      expectPacket(t, got, 'tx', unpaddedAtBackend({ ...fields, ack: theirs(n) }));
    }
    const reset = { flags: 'R', seq: ISN + 7, ack: 0 };
    expectPacket(t, dataplane.send(client(reset)), 'tx', unpaddedAtBackend(reset));
    const down = [
      [{ flags: 'A', ack: ISN + 6 }, 0],
      [{ flags: 'PA', ack: ISN + 6, payload: 'odd' }, 0],
      [{ flags: 'FA', ack: ISN + 7 }, 70_000],
      [{ flags: 'R', ack: 0 }, 70_001],
    ] as const;
    for (const [fields, n] of down) {
      const got = dataplane.send(backend({ ...fields, seq: theirs(n) }));
      expectPacket(t, got, 'tx', unpadded({ ...fields, seq: ours(n) }));
    }
  });

  test.serial(`a backend that refuses resets the client, and nobody else can (${family})`, (t) => {
    const made = world(family);
    const { backend, cookie, atClient } = made;
    open(t, made);
    for (const forged of [
      { flags: 'RA', ack: ISN + 2 },
      { flags: 'R', ack: ISN + 1 },
    ])
      t.is(dataplane.send(backend({ seq: 0, ...forged })).verdict, 'drop');
    t.is(counter('drop_handshake'), 2);
    const got = dataplane.send(backend({ flags: 'RA', seq: 0, ack: ISN + 1 }));
    expectPacket(
      t,
      got,
      'tx',
      atClient({ flags: 'RA', seq: cookie() + 1, ack: ISN + 1, window: 0 }),
    );
    t.is(dataplane.flows()[0]?.state, constants['TG_FLOW_CLOSING']);
  });

  test.serial(
    `a backend that holds an old connection gets the SYN from another port (${family})`,
    (t) => {
      const made = world(family);
      const { backend, client, cookie, atBackend, atClient } = made;
      open(t, made);
      const before = dataplane.flows()[0]?.natPort;
      const challenge = dataplane.send(backend({ flags: 'A', seq: 77, ack: 88 }));
      const again = atClient({ flags: 'A', seq: cookie(), ack: ISN + 1, window: 0, payload: '\0' });
      expectPacket(t, challenge, 'tx', again);
      const got = dataplane.send(client({ flags: 'A', seq: ISN + 1, ack: cookie() + 1 }));
      t.not(dataplane.flows()[0]?.natPort, before);
      t.is(dataplane.flows().length, 1);
      const syn = { flags: 'S', seq: ISN, ack: 0, tcpOptions: mssOption(offered) };
      expectPacket(t, got, 'tx', atBackend(syn));
    },
  );
}

test.serial('a cookie opens the flow anew where an earlier one is half-open or closed', (t) => {
  const made = world('IPv4');
  const { client, backend, cookie, atBackend } = made;
  const syn = client({ flags: 'S', seq: ISN });
  const ack = client({ flags: 'A', seq: ISN + 1, ack: cookie() + 1 });
  const opened = () => atBackend({ flags: 'S', seq: ISN, ack: 0, tcpOptions: mssOption(1460) });
  dataplane.send(syn); // the cookie is late: the client repeats its SYN, which finds room
  exhaustBudget(dataplane, false);
  dataplane.send(syn);
  t.is(dataplane.flows()[0]?.flags, 0);
  expectPacket(t, dataplane.send(ack), 'tx', opened());
  t.is(dataplane.flows()[0]?.flags, constants['TG_FLOW_PROXIED']);
  dataplane.send(backend({ flags: 'RA', seq: 0, ack: ISN + 1 }));
  t.is(dataplane.flows()[0]?.state, constants['TG_FLOW_CLOSING']);
  expectPacket(t, dataplane.send(ack), 'tx', opened());
  t.is(dataplane.flows().length, 1);
});

test.serial(
  'a SYN with another number takes the place of a handshake that began with a cookie',
  (t) => {
    const made = world('IPv4');
    open(t, made);
    const { client, cookie } = made;
    const { packet } = dataplane.send(
      client({ flags: 'S', seq: ISN + 9, tcpOptions: mssOption(1460) }),
    );
    t.is(new DataView(packet.buffer).getUint32(38), cookie({ isn: ISN + 9 }));
  },
);

test.serial(
  'another cookie of the same client takes the place of a handshake, its own does not',
  (t) => {
    const made = world('IPv4');
    open(t, made);
    const { client, cookie, atBackend, backend } = made;
    dataplane.send(backend({ flags: 'SA', seq: BACKEND_ISN, ack: ISN + 1 }));
    const isn = ISN + 77;
    dataplane.send(client({ flags: 'S', seq: isn, tcpOptions: mssOption(1460) }));
    const before = dataplane.flows()[0]?.natPort;
    const ack = cookie({ isn }) + 1;
    const got = dataplane.send(client({ flags: 'A', seq: isn + 1, ack }));
    const syn = { flags: 'S', seq: isn, ack: 0, tcpOptions: mssOption(1460) };
    expectPacket(t, got, 'tx', atBackend(syn));
    t.not(dataplane.flows()[0]?.natPort, before);
    const fresh = dataplane.flows()[0]?.natPort;
    expectPacket(
      t,
      dataplane.send(client({ flags: 'A', seq: isn + 1, ack })),
      'tx',
      atBackend(syn),
    );
    t.is(dataplane.flows()[0]?.natPort, fresh);
  },
);

test.serial('a cookie moves its flow from a silent backend that takes no new ones', (t) => {
  const made = world('IPv4');
  open(t, made);
  const { client, cookie } = made;
  const gone = { index: 1, address: '10.1.0.5', port: 8080, server: 1, active: false };
  dataplane.backend(gone);
  dataplane.server({ index: 1, vip: '192.0.2.10', port: 80, protocol: 'tcp', ring: [2] });
  const got = dataplane.send(client({ flags: 'A', seq: ISN + 1, ack: cookie() + 1 }));
  t.is(got.packet.subarray(30, 34).join('.'), '10.1.0.6');
  t.deepEqual(
    dataplane.flows().map(({ backend }) => backend),
    [2],
  );
});

test.serial('who returns a cookie and gets no flow is reset', (t) => {
  const { client, cookie, unpadded } = world('IPv4');
  dataplane.send(client({ flags: 'S', seq: ISN }));
  dataplane.server({ index: 1, vip: '192.0.2.10', port: 80, protocol: 'tcp', ring: [] });
  const got = dataplane.send(client({ flags: 'A', seq: ISN + 1, ack: cookie() + 1 }));
  const reset = { flags: 'R', seq: cookie() + 1, ack: 0, window: 0, ttl: 64, id: 0 };
  expectPacket(t, got, 'tx', unpadded(reset));
  t.deepEqual(dataplane.counters(), { cookie_sent: 1, drop_no_backend: 1, reset_sent: 1 });
});

test.serial('a client that gives up while the backend is silent resets it', (t) => {
  const made = world('IPv4');
  open(t, made);
  const { client, cookie, atBackend } = made;
  const got = dataplane.send(client({ flags: 'RA', seq: ISN + 1, ack: cookie() + 1 }));
  expectPacket(t, got, 'tx', atBackend({ flags: 'R', seq: ISN + 1, ack: 0, window: 0 }));
  t.is(dataplane.flows()[0]?.state, constants['TG_FLOW_CLOSING']);
});

test.serial('a SYN-ACK with another number than the one in use is dropped', (t) => {
  const made = world('IPv4');
  establish(t, made);
  const { backend } = made;
  const forged = backend({ flags: 'SA', seq: BACKEND_ISN + 5, ack: ISN + 1 });
  t.is(dataplane.send(forged).verdict, 'drop');
  t.is(counter('drop_handshake'), 1);
});

/** What may happen on the way: each segment is lost, comes twice, or late. */
test.serial('whatever is lost, doubled or late, each end sees one connection', (t) => {
  const step = fc.constantFrom('C:S', 'C:A', 'C:Z', 'C:D', 'C:F', 'B:SA', 'B:D', 'B:F', 'B:C');
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const made = world('IPv4');
      for (const each of steps) {
        const sent = segmentOf(made, each);
        const { verdict, packet } = dataplane.send(sent);
        if (verdict === 'tx') checkNumbers(t, made, packet);
        else t.deepEqual(packet, sent);
      }
      t.deepEqual(invariantBreaches(dataplane), []);
      t.true(dataplane.flows().length <= 1);
    }),
    { numRuns: 300 },
  );
});

function segmentOf({ client, backend, cookie }: CookieWorld, step: string): Uint8Array {
  const ack = cookie() + 1;
  const theirs = (BACKEND_ISN + 1) >>> 0;
  switch (step) {
    case 'C:S':
      return client({ flags: 'S', seq: ISN, tcpOptions: mssOption(1460) });
    case 'C:A':
      return client({ flags: 'A', seq: ISN + 1, ack });
    case 'C:Z':
      return client({ flags: 'A', seq: ISN, ack });
    case 'C:D':
      return client({ flags: 'PA', seq: ISN + 1, ack, payload: 'data' });
    case 'C:F':
      return client({ flags: 'FA', seq: ISN + 5, ack });
    case 'B:SA':
      return backend({ flags: 'SA', seq: BACKEND_ISN, ack: ISN + 1 });
    case 'B:D':
      return backend({ flags: 'PA', seq: theirs, ack: ISN + 1, payload: 'data' });
    case 'B:F':
      return backend({ flags: 'FA', seq: theirs, ack: ISN + 5 });
    default:
      return backend({ flags: 'A', seq: BACKEND_ISN, ack: 6 });
  }
}

/** To the client numbers count from the cookie, to the backend from its own. */
function checkNumbers(t: ExecutionContext, { cookie }: CookieWorld, packet: Uint8Array): void {
  const view = new DataView(packet.buffer, packet.byteOffset);
  if (packet.subarray(26, 30).join('.') === '192.0.2.10') {
    t.true((view.getUint32(38) - cookie()) >>> 0 <= 1, 'sequence number to the client');
    return;
  }
  const flags = view.getUint8(47);
  t.true((view.getUint32(38) - ISN) >>> 0 <= 5, 'sequence number to the backend');
  if (flags & 0x10) t.is(view.getUint32(42), (BACKEND_ISN + 1) >>> 0);
}

test.serial('the program forgets nothing of these flows when it is loaded anew', (t) => {
  const made = world('IPv4');
  establish(t, made);
  const index = dataplane.flows()[0]?.index ?? 0;
  const offset = dataplane.map('offsets').lookup(u32(index));
  const words = new Uint32Array(offset?.buffer ?? new ArrayBuffer(8));
  t.is(words[0], (made.cookie() - BACKEND_ISN) >>> 0);
  t.is(words[1], made.cookie());
});
