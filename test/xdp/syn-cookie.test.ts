import test from 'ava';
import { dataplaneAbi } from '../../src/system/bpf.ts';
import {
  cookieWorld,
  FAMILIES,
  type Family,
  ISN,
  mssOption,
  WORLDS,
  whole,
} from '../support/cookie-world.ts';
import { expectPacket, openDataplane } from '../support/dataplane-fixture.ts';
import { invariantBreaches } from '../support/flow-invariants.ts';
import type { PacketFields } from '../support/packet.ts';
import { cookieTick, sipHash } from '../support/syn-cookie.ts';

const dataplane = openDataplane();
const { constants } = dataplaneAbi();
const world = (family: Family) => cookieWorld(dataplane, family);

test.afterEach((t) => t.deepEqual(invariantBreaches(dataplane), []));

function counter(name: string): number {
  return dataplane.counters()[name] ?? 0;
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
