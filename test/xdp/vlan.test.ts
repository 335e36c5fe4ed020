import test from 'ava';
import { dataplaneAbi } from '../../src/system/bpf.ts';
import {
  BACKEND_MAC,
  be16,
  EDGE_BACKEND_MAC,
  expectPacket,
  NAT_V4,
  NAT_V6,
  openDataplane,
} from '../support/dataplane-fixture.ts';
import {
  CLIENT_MAC,
  EDGE_MAC,
  icmp,
  type PacketFields,
  tcp,
  type Vlan,
} from '../support/packet.ts';

const abi = dataplaneAbi();
const dataplane = openDataplane();

const FAMILIES = {
  IPv4: {
    client: '198.51.100.7:50123',
    vip: '192.0.2.10',
    backend: '10.1.0.5',
    at: (address: string, port: number) => `${address}:${port}`,
    nat: NAT_V4,
  },
  IPv6: {
    client: '[2001:db8:77::7]:50123',
    vip: '2001:db8::10',
    backend: 'fd01::5',
    at: (address: string, port: number) => `[${address}]:${port}`,
    nat: NAT_V6,
  },
} as const;
type Family = keyof typeof FAMILIES;

const TO_BACKEND = { srcMac: EDGE_BACKEND_MAC, dstMac: BACKEND_MAC, ttl: 63 };
const FROM_BACKEND = { srcMac: BACKEND_MAC, dstMac: EDGE_BACKEND_MAC };
const TO_CLIENT = { srcMac: EDGE_MAC, dstMac: CLIENT_MAC, ttl: 63 };

/** A backend whose way out has these tags, behind one VIP. */
function world(family: Family, vlans: readonly Vlan[]) {
  const { client, vip, backend, at, nat } = FAMILIES[family];
  dataplane.reset();
  dataplane.backend({ index: 1, address: backend, port: 8080, server: 1 });
  dataplane.server({ index: 1, vip, port: 80, protocol: 'tcp', ring: [1] });
  tagBackend(vlans);
  const natAt = () => at(nat, dataplane.flows()[0]?.natPort ?? 0);
  return {
    request: (fields: Partial<PacketFields>) =>
      tcp({ from: client, to: at(vip, 80), flags: 'S', payload: 'data', ...fields }),
    forwarded: (fields: Partial<PacketFields>) =>
      tcp({
        from: natAt(),
        to: at(backend, 8080),
        flags: 'S',
        payload: 'data',
        ...TO_BACKEND,
        ...fields,
      }),
    answer: (fields: Partial<PacketFields>) =>
      tcp({ from: at(backend, 8080), to: natAt(), flags: 'SA', ...FROM_BACKEND, ...fields }),
    returned: (fields: Partial<PacketFields>) =>
      tcp({ from: at(vip, 80), to: client, flags: 'SA', ...TO_CLIENT, ...fields }),
  };
}

/** As the daemon writes it: the VLAN's number, and the type of its tag. */
function tagBackend(vlans: readonly Vlan[]): void {
  const layout = abi.structs['tg_backend'];
  const memory = new Uint8Array(dataplane.map('backends').mapped());
  const words = vlans.map(({ id, service }) =>
    be16(id | (service ? (abi.constants['TG_VLAN_8021AD'] ?? 0) : 0)),
  );
  const base = layout?.size ?? 0;
  memory.set(words[0] ?? [0, 0], base + (layout?.offsets['vlan'] ?? 0));
  memory.set(words[1] ?? [0, 0], base + (layout?.offsets['inner_vlan'] ?? 0));
}

const C7 = { id: 7 };
const C9 = { id: 9 };
const S100 = { id: 100, service: true };
const Q100 = { id: 100 };
/** A priority and no VLAN. */
const PRIORITY = { id: 0, priority: 0xa };

/** The client's tags, the backend's, and those that the client's answers get. */
const WAYS: ReadonlyArray<readonly [string, readonly Vlan[], readonly Vlan[], readonly Vlan[]]> = [
  ['a tag is kept', [C7], [C7], [C7]],
  ['a tag is changed', [C7], [C9], [C7]],
  ['a tag is added for the backend', [], [C9], []],
  ['a tag is removed for the backend', [C7], [], [C7]],
  ['a second tag is added for the backend', [C7], [S100, C9], [C7]],
  ['two tags become one', [S100, C7], [C9], [S100, C7]],
  ['two tags are added', [], [S100, C7], []],
  ['two tags are removed', [S100, C7], [], [S100, C7]],
  ['two tags are changed', [S100, C7], [Q100, C9], [S100, C7]],
  ['a service tag alone is one', [S100], [C7], [S100]],
  ['802.1Q tags may be stacked, too', [Q100, C7], [C9], [Q100, C7]],
  ['a tag of VLAN 0 is no VLAN', [PRIORITY], [], []],
  ['a tag of VLAN 0 before another is read over', [PRIORITY, C7], [], [C7]],
  ['the highest VLAN', [{ id: 4094 }], [{ id: 4094, service: true }], [{ id: 4094 }]],
];

for (const family of ['IPv4', 'IPv6'] as const) {
  for (const [name, ofClient, ofBackend, back] of WAYS) {
    test.serial(`${name} (${family})`, (t) => {
      const { request, forwarded, answer, returned } = world(family, ofBackend);
      const there = dataplane.send(request({ vlans: ofClient }));
      const kept = ofClient.map(({ priority = 0 }) => priority);
      const tagged = ofBackend.map((vlan, i) => ({
        ...vlan,
        priority: kept[kept.length > 1 ? i : 0] ?? 0,
      }));
      expectPacket(t, there, 'tx', forwarded({ vlans: tagged }));
      const here = dataplane.send(answer({ vlans: ofBackend }));
      expectPacket(t, here, 'tx', returned({ vlans: back }));
      t.deepEqual(dataplane.counters(), { flow_created: 1, forwarded: 1, returned: 1 });
    });
  }
}

test.serial('the priority is the packet’s own, in both directions', (t) => {
  const { request, forwarded, answer, returned } = world('IPv4', [S100, C9]);
  const there = dataplane.send(request({ vlans: [{ ...C7, priority: 0xb }] }));
  const both = [
    { ...S100, priority: 0xb },
    { ...C9, priority: 0xb },
  ];
  expectPacket(t, there, 'tx', forwarded({ vlans: both }));
  const tags = [
    { ...S100, priority: 6 },
    { ...C9, priority: 2 },
  ];
  const here = dataplane.send(answer({ vlans: tags }));
  expectPacket(t, here, 'tx', returned({ vlans: [{ ...C7, priority: 6 }] }));
});

test.serial('answers carry the tags by which the client was heard last', (t) => {
  const { request, answer, returned } = world('IPv4', []);
  dataplane.send(request({ vlans: [C7] }));
  dataplane.send(request({ vlans: [S100, C9] }));
  expectPacket(t, dataplane.send(answer({})), 'tx', returned({ vlans: [S100, C9] }));
  dataplane.send(request({}));
  expectPacket(t, dataplane.send(answer({})), 'tx', returned({}));
});

test.serial('a frame grows and shrinks with its padding', (t) => {
  const { request, forwarded } = world('IPv4', [C7]);
  const grown = dataplane.send(request({ payload: 'x', padding: 5 }));
  expectPacket(t, grown, 'tx', forwarded({ payload: 'x', padding: 5, vlans: [C7] }));
});

test.serial('an echo request within tags is answered within them', (t) => {
  world('IPv4', []);
  for (const vlans of [[C7], [S100, { ...C9, priority: 5 }]]) {
    const got = dataplane.send(icmp({ from: '198.51.100.7', to: '192.0.2.10', type: 8, vlans }));
    const reply = { from: '192.0.2.10', to: '198.51.100.7', srcMac: EDGE_MAC, dstMac: CLIENT_MAC };
    expectPacket(t, got, 'tx', icmp({ ...reply, type: 0, vlans }));
  }
});

const UNTOUCHED: ReadonlyArray<readonly [string, Partial<PacketFields>]> = [
  ['three tags', { vlans: [S100, C7, C9] }],
  ['a tag cut short', { vlans: [C7], cut: 17 }],
  ['a tag and half an IP header', { vlans: [C7], cut: 37 }],
  ['a tag in a broadcast frame', { vlans: [C7], dstMac: 'ff:ff:ff:ff:ff:ff' }],
  ['a tag before another address', { vlans: [C7], to: '192.0.2.11:80' }],
  ['two tags before another address', { vlans: [S100, C7], to: '192.0.2.11:80' }],
];
for (const [name, fields] of UNTOUCHED) {
  test.serial(`to the kernel, untouched: ${name}`, (t) => {
    const packet = world('IPv4', []).request(fields);
    expectPacket(t, dataplane.send(packet), 'pass', packet);
    t.deepEqual(dataplane.counters(), { passed: 1 });
  });
}

test.serial('what is dropped within tags is dropped for the same reasons', (t) => {
  const { request } = world('IPv4', []);
  dataplane.send(request({ vlans: [C7], to: '192.0.2.10:81' }));
  dataplane.send(request({ vlans: [C7], lie: { length: 999 } }));
  dataplane.send(request({ vlans: [C7], ttl: 1 }));
  t.like(dataplane.counters(), { drop_no_port: 1, drop_malformed: 1, drop_ttl: 1 });
});
