/** What tests of SYN cookies send, as seen from the client and from the backend. */
import { exhaustBudget } from './budget.ts';
import {
  BACKEND_MAC,
  type Dataplane,
  EDGE_BACKEND_MAC,
  NAT_V4,
  NAT_V6,
} from './dataplane-fixture.ts';
import { CLIENT_MAC, EDGE_MAC, type PacketFields, tcp } from './packet.ts';
import { cookieTick, synCookie } from './syn-cookie.ts';

const KEY = new Uint8Array(16).map((_, i) => 0xa0 + i);
/** The client's initial sequence number. */
export const ISN = 0x1122_3344;
const WINDOW = 29_200;

export const WORLDS = {
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
export type Family = keyof typeof WORLDS;
export const FAMILIES = ['IPv4', 'IPv6'] as const;

/** One client, one VIP, one backend, and no budget for unknown clients. */
export function cookieWorld(dataplane: Dataplane, family: Family) {
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
export type CookieWorld = ReturnType<typeof cookieWorld>;

/** As it leaves when we made it: no shorter than Ethernet wants. */
export function whole(packet: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(Math.max(60, packet.length));
  bytes.set(packet);
  return bytes;
}

export function mssOption(mss: number): Uint8Array {
  return new Uint8Array([2, 4, mss >> 8, mss & 255]);
}
