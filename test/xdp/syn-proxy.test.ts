import test, { type ExecutionContext } from 'ava';
import fc from 'fast-check';
import { dataplaneAbi } from '../../src/system/bpf.ts';
import { exhaustBudget } from '../support/budget.ts';
import {
  BACKEND_MAC,
  EDGE_BACKEND_MAC,
  expectPacket,
  NAT_V4,
  NAT_V6,
  openDataplane,
  u32,
} from '../support/dataplane-fixture.ts';
import { invariantBreaches } from '../support/flow-invariants.ts';
import { CLIENT_MAC, EDGE_MAC, type PacketFields, tcp } from '../support/packet.ts';
import { cookieTick, sipHash, synCookie } from '../support/syn-cookie.ts';

const dataplane = openDataplane();
const { constants } = dataplaneAbi();
const KEY = new Uint8Array(16).map((_, i) => 0xa0 + i);
const ISN = 0x1122_3344;
/** Near the end of the numbers, so that they wrap. */
const BACKEND_ISN = 0xffff_fff0;
const WINDOW = 29_200;

const WORLDS = {
  IPv4: {
    client: '198.51.100.7:50123',
    vip: '192.0.2.10:80',
    backends: ['10.1.0.5', '10.1.0.6'],
    backend: '10.1.0.5:8080',
    nat: (port: number) => `${NAT_V4}:${port}`,
    mss: [536, 1300, 1440, 1460],
    offered: 1460,
    least: 536,
  },
  IPv6: {
    client: '[2001:db8:77::7]:50123',
    vip: '[2001:db8::10]:80',
    backends: ['fd01::5', 'fd01::6'],
    backend: '[fd01::5]:8080',
    nat: (port: number) => `[${NAT_V6}]:${port}`,
    mss: [1220, 1360, 1420, 1440],
    offered: 1440,
    least: 1220,
  },
} as const;
type Family = keyof typeof WORLDS;
const FAMILIES = ['IPv4', 'IPv6'] as const;

test.afterEach((t) => t.deepEqual(invariantBreaches(dataplane), []));

/** One client, one VIP, one backend, and no budget for unknown clients. */
function world(family: Family) {
  const { client, vip, backends, backend, nat } = WORLDS[family];
  dataplane.reset({ cookie_key: KEY });
  const address = vip.replace(/^\[?([^\]]*)\]?:80$/, '$1');
  dataplane.server({ index: 1, vip: address, port: 80, protocol: 'tcp', ring: [1] });
  backends.forEach((each, i) => {
    dataplane.backend({ index: i + 1, address: each, port: 8080, server: 1 });
  });
  exhaustBudget(dataplane);
  const cookie = (fields: { mssIndex?: number; tick?: number; isn?: number } = {}) =>
    synCookie({
      key: KEY,
      from: client,
      to: vip,
      isn: ISN,
      tick: cookieTick(),
      mssIndex: 3,
      ...fields,
    });
  const toClient = { srcMac: EDGE_MAC, dstMac: CLIENT_MAC };
  const toBackend = { srcMac: EDGE_BACKEND_MAC, dstMac: BACKEND_MAC, ttl: 63 };
  const fromBackend = { srcMac: BACKEND_MAC, dstMac: EDGE_BACKEND_MAC };
  const natEnd = () => nat(dataplane.flows()[0]?.natPort ?? 0);
  return {
    cookie,
    /** What client and backend send, and what the other shall get. */
    client: (fields: Partial<PacketFields>) =>
      tcp({ from: client, to: vip, window: WINDOW, ...fields }),
    backend: (fields: Partial<PacketFields>) =>
      tcp({ from: backend, to: natEnd(), ...fromBackend, ...fields }),
    atClient: (fields: Partial<PacketFields>) =>
      whole(tcp({ from: vip, to: client, ttl: 63, ...toClient, ...fields })),
    atBackend: (fields: Partial<PacketFields>) =>
      whole(tcp({ from: natEnd(), to: backend, window: WINDOW, ...toBackend, ...fields })),
    unpadded: (fields: Partial<PacketFields>) =>
      tcp({ from: vip, to: client, ttl: 63, ...toClient, ...fields }),
    unpaddedAtBackend: (fields: Partial<PacketFields>) =>
      tcp({ from: natEnd(), to: backend, window: WINDOW, ...toBackend, ...fields }),
  };
}
type World = ReturnType<typeof world>;

/** As it leaves when we made it: no shorter than Ethernet wants. */
function whole(packet: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(Math.max(60, packet.length));
  bytes.set(packet);
  return bytes;
}

function mssOption(mss: number): Uint8Array {
  return new Uint8Array([2, 4, mss >> 8, mss & 255]);
}

function counter(name: string): number {
  return dataplane.counters()[name] ?? 0;
}

/** SYN and the client's ACK: the backend has got its SYN. */
function open(t: ExecutionContext, { client, cookie }: World): void {
  t.is(dataplane.send(client({ flags: 'S', seq: ISN, tcpOptions: mssOption(1460) })).verdict, 'tx');
  const ack = cookie() + 1;
  t.is(dataplane.send(client({ flags: 'A', seq: ISN + 1, ack })).verdict, 'tx');
}

/** As far as both know of each other. */
function establish(t: ExecutionContext, made: World): void {
  open(t, made);
  const { backend, client, cookie } = made;
  dataplane.send(backend({ flags: 'SA', seq: BACKEND_ISN, ack: ISN + 1 }));
  dataplane.send(client({ flags: 'A', seq: ISN + 1, ack: cookie() + 1 }));
  t.is(dataplane.flows()[0]?.state, constants['TG_FLOW_ESTABLISHED']);
}

test.serial('sipHash() is SipHash-2-4: the example of its authors', (t) => {
  const count = (length: number) => new Uint8Array(length).map((_, i) => i);
  t.is(sipHash(count(16), count(15)), 0xa129ca6149be45e5n);
});

const OPTIONS: ReadonlyArray<readonly [string, (mss: number) => readonly number[]]> = [
  ['alone', (mss) => [2, 4, mss >> 8, mss & 255]],
  [
    'as Linux sends it',
    (mss) => [2, 4, mss >> 8, mss & 255, 4, 2, 8, 10, ...Array(8).fill(9), 1, 3, 3, 7],
  ],
  ['last', (mss) => [4, 2, 1, 3, 3, 7, 1, 1, 2, 4, mss >> 8, mss & 255]],
];

for (const family of FAMILIES) {
  const { mss, offered, least } = WORLDS[family];

  for (const [name, options] of OPTIONS) {
    test.serial(
      `a SYN over budget is answered by a cookie; MSS option ${name} (${family})`,
      (t) => {
        const { client, cookie, unpadded } = world(family);
        for (const [asked, mssIndex] of [
          [65535, 3],
          [mss[3], 3],
          [mss[3] - 1, 2],
          [mss[1], 1],
          [mss[1] - 1, 0],
          [100, 0],
        ] as const) {
          const tcpOptions = new Uint8Array(options(asked));
          const syn = client({ flags: 'S', seq: ISN, tcpOptions, payload: 'early data' });
          const seq = cookie({ mssIndex });
          const answer = {
            flags: 'SA',
            seq,
            ack: ISN + 1,
            window: 0,
            ttl: 64,
            tcpOptions: mssOption(offered),
          };
          expectPacket(t, dataplane.send(syn), 'tx', whole(unpadded(answer)));
        }
        t.deepEqual(dataplane.flows(), []);
        t.deepEqual(dataplane.counters(), { cookie_sent: 6 });
      },
    );
  }

  const WITHOUT: ReadonlyArray<readonly [string, readonly number[]]> = [
    ['no options', []],
    ['the end of options before it', [0, 0, 0, 0, 2, 4, 5, 180]],
    ['an option of no length before it', [8, 0, 1, 1, 2, 4, 5, 180]],
    ['an option beyond the header before it', [8, 200, 1, 1, 2, 4, 5, 180]],
    ['a wrong length', [2, 3, 5, 180, 1, 0, 0, 0]],
  ];
  for (const [name, options] of WITHOUT) {
    test.serial(`a SYN with ${name} counts as one of MSS ${least} (${family})`, (t) => {
      const { client, cookie } = world(family);
      const tcpOptions = new Uint8Array(options);
      const { packet } = dataplane.send(client({ flags: 'S', seq: ISN, tcpOptions }));
      const at = family === 'IPv4' ? 38 : 58;
      t.is(new DataView(packet.buffer).getUint32(at), cookie({ mssIndex: 0 }));
    });
  }

  for (const [name, data] of [
    ["the client's ACK", {}],
    ['its data, when the ACK was lost', { payload: 'GET / HTTP/1.1\r\n' }],
    ['its FIN', { flags: 'FA' }],
    ['its question whether the window is open, one number behind', { seq: ISN }],
  ] as const) {
    test.serial(`a cookie that is returned opens the flow: ${name} (${family})`, (t) => {
      const { client, cookie, atBackend } = world(family);
      for (const [mssIndex, value] of mss.entries()) {
        world(family);
        dataplane.send(client({ flags: 'S', seq: ISN }));
        const ack = cookie({ mssIndex }) + 1;
        const got = dataplane.send(client({ flags: 'A', seq: ISN + 1, ack, ...data }));
        const syn = { flags: 'S', seq: ISN, ack: 0, tcpOptions: mssOption(value) };
        expectPacket(t, got, 'tx', atBackend(syn));
        t.is(dataplane.flows()[0]?.state, constants['TG_FLOW_HALF_OPEN']);
        t.is(counter('cookie_returned'), 1);
      }
    });
  }

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

  test.serial(`only the whole cookie of this connection counts (${family})`, (t) => {
    const { client, cookie } = world(family);
    dataplane.send(client({ flags: 'S', seq: ISN }));
    const right = { flags: 'A', seq: ISN + 1, ack: cookie() + 1 };
    const [other] = family === 'IPv4' ? ['198.51.100.8:50123'] : ['[2001:db8:77::8]:50123'];
    const wrong: Array<Partial<PacketFields>> = [
      ...Array.from({ length: 32 }, (_, bit) => ({ ack: ((cookie() ^ (1 << bit)) >>> 0) + 1 })),
      { seq: ISN + 2 },
      { seq: ISN, payload: 'x' },
      { from: other },
      { from: WORLDS[family].client.replace('50123', '50124') },
      { flags: 'RA' },
      { flags: 'SA' },
      { flags: 'R' },
      { flags: '' },
    ];
    for (const fields of wrong)
      t.is(dataplane.send(client({ ...right, ...fields })).verdict, 'drop');
    t.deepEqual(dataplane.flows(), []);
    t.is(counter('drop_no_flow'), wrong.length);
    t.is(dataplane.send(client(right)).verdict, 'tx');
  });

  test.serial(`a cookie holds for this tick and the next (${family})`, (t) => {
    const { client, cookie } = world(family);
    const tick = cookieTick();
    for (const [age, verdict] of [
      [3, 'drop'],
      [2, 'drop'],
      [-1, 'drop'],
      [1, 'tx'],
    ] as const) {
      dataplane.send(client({ flags: 'S', seq: ISN }));
      const ack = cookie({ tick: tick - age }) + 1;
      t.is(dataplane.send(client({ flags: 'A', seq: ISN + 1, ack })).verdict, verdict, `${age}`);
    }
  });
}

test.serial('without a cookie in the last ticks nobody is asked for one', (t) => {
  const { client, cookie } = world('IPv4');
  const ack = { flags: 'A', seq: ISN + 1, ack: cookie() + 1 };
  const seconds = Number(process.hrtime.bigint() / 1_000_000_000n);
  const cookies = new Uint32Array(dataplane.map('cookies').mapped());
  cookies[0] = seconds - 150;
  t.is(dataplane.send(client(ack)).verdict, 'drop');
  cookies[0] = seconds - 100;
  t.is(dataplane.send(client(ack)).verdict, 'tx');
});

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

test.serial('who returns a cookie and gets no flow is reset', (t) => {
  const { client, cookie, atClient } = world('IPv4');
  dataplane.send(client({ flags: 'S', seq: ISN }));
  dataplane.server({ index: 1, vip: '192.0.2.10', port: 80, protocol: 'tcp', ring: [] });
  const got = dataplane.send(client({ flags: 'A', seq: ISN + 1, ack: cookie() + 1 }));
  expectPacket(
    t,
    got,
    'tx',
    atClient({ flags: 'R', seq: cookie() + 1, ack: 0, window: 0, ttl: 64 }),
  );
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

test.serial('SYNs with IP options get no cookie: nothing of theirs is repeated', (t) => {
  const { client } = world('IPv4');
  const ipOptions = new Uint8Array([1, 1, 1, 0]);
  t.is(dataplane.send(client({ flags: 'S', seq: ISN, ipOptions })).verdict, 'drop');
  t.deepEqual(dataplane.counters(), { drop_over_budget: 1 });
});

test.serial('tags stay: the cookie goes back by the VLAN its SYN came from', (t) => {
  const { client, cookie, unpadded } = world('IPv4');
  const vlans = [{ id: 20, priority: 5 }];
  const syn = client({ flags: 'S', seq: ISN, vlans, tcpOptions: mssOption(1460) });
  const answer = {
    flags: 'SA',
    seq: cookie(),
    ack: ISN + 1,
    window: 0,
    ttl: 64,
    tcpOptions: mssOption(1460),
    vlans,
  };
  expectPacket(t, dataplane.send(syn), 'tx', whole(unpadded(answer)));
  const got = dataplane.send(client({ flags: 'A', seq: ISN + 1, ack: cookie() + 1, vlans }));
  t.is(got.verdict, 'tx');
  t.is(new DataView(got.packet.buffer).getUint16(12), 0x0800);
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

function segmentOf({ client, backend, cookie }: World, step: string): Uint8Array {
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
function checkNumbers(t: ExecutionContext, { cookie }: World, packet: Uint8Array): void {
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
