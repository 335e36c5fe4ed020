/** One served port, a client and a backend of either family: who is who in tests about packets. */
import {
  BACKEND_MAC,
  type BackendFields,
  type Dataplane,
  EDGE_BACKEND_MAC,
  NAT_V4,
  NAT_V6,
  type ServerFields,
} from './dataplane-fixture.ts';
import { CLIENT_MAC, EDGE_MAC, type PacketFields, tcp, udp } from './packet.ts';

export type Family = 'IPv4' | 'IPv6';
export type Transport = 'TCP' | 'UDP';
export const FAMILIES: readonly Family[] = ['IPv4', 'IPv6'];
export const TRANSPORTS: readonly Transport[] = ['TCP', 'UDP'];

/** MACs of packets as backends send and get them, and as clients get them. */
export const FROM_BACKEND = { srcMac: BACKEND_MAC, dstMac: EDGE_BACKEND_MAC };
export const TO_BACKEND = { srcMac: EDGE_BACKEND_MAC, dstMac: BACKEND_MAC };
export const TO_CLIENT = { srcMac: EDGE_MAC, dstMac: CLIENT_MAC };

export interface Hosts {
  readonly client: string;
  readonly vip: string;
  readonly nat: string;
  readonly backend: string;
  /** Routers on the client's side and on the backend's. */
  readonly outerRouter: string;
  readonly innerRouter: string;
  /** The box's own address on the link that packets come by. */
  readonly box: string;
}

const HOSTS: Readonly<Record<Family, Hosts>> = {
  IPv4: {
    client: '198.51.100.7',
    vip: '192.0.2.10',
    nat: NAT_V4,
    backend: '10.1.0.5',
    outerRouter: '203.0.113.1',
    innerRouter: '10.1.0.1',
    box: '192.0.2.2',
  },
  IPv6: {
    client: '2001:db8:77::7',
    vip: '2001:db8::10',
    nat: NAT_V6,
    backend: 'fd01::5',
    outerRouter: '2001:db8:99::1',
    innerRouter: 'fd01::1',
    box: '2001:db8::2',
  },
};
const PORTS = { client: 50123, backend: 8080, TCP: 80, UDP: 53 } as const;

export interface NatWorld extends Hosts {
  readonly family: Family;
  readonly transport: Transport;
  /** Of the first flow. */
  natPort(): number;
  /** The four kinds of packets of the flow, as they stand on the wire. */
  request(fields?: Partial<PacketFields>): Uint8Array;
  forwarded(fields?: Partial<PacketFields>): Uint8Array;
  answer(fields?: Partial<PacketFields>): Uint8Array;
  returned(fields?: Partial<PacketFields>): Uint8Array;
  /** Sends what opens the flow: for TCP a whole handshake (client from 1000, backend from 5000). */
  open(): void;
}

/** Puts the server and its backend into the maps. */
export function natWorld(
  dataplane: Dataplane,
  family: Family,
  transport: Transport,
  backend: Partial<BackendFields> = {},
  server: Partial<ServerFields> = {},
): NatWorld {
  const hosts = HOSTS[family];
  const port = PORTS[transport];
  const build = transport === 'TCP' ? tcp : udp;
  dataplane.backend({
    index: 1,
    address: hosts.backend,
    port: PORTS.backend,
    server: 1,
    ...backend,
  });
  const protocol = transport === 'TCP' ? 'tcp' : 'udp';
  dataplane.server({ index: 1, vip: hosts.vip, port, protocol, ring: [1], ...server });
  const natPort = () => dataplane.flows()[0]?.natPort ?? 0;
  const client = at(hosts.client, PORTS.client);
  const vip = at(hosts.vip, port);
  const nat = () => at(hosts.nat, natPort());
  const target = at(hosts.backend, PORTS.backend);
  const world: NatWorld = {
    ...hosts,
    family,
    transport,
    natPort,
    request: (fields) => build({ from: client, to: vip, ...fields }),
    forwarded: (fields) => build({ from: nat(), to: target, ttl: 63, ...TO_BACKEND, ...fields }),
    answer: (fields) => build({ from: target, to: nat(), ...FROM_BACKEND, ...fields }),
    returned: (fields) => build({ from: vip, to: client, ttl: 63, ...TO_CLIENT, ...fields }),
    open: () => {
      dataplane.send(world.request({ flags: 'S', seq: 1000 }));
      dataplane.send(world.answer({ flags: 'SA', seq: 5000, ack: 1001 }));
      if (transport === 'TCP') dataplane.send(world.request({ seq: 1001, ack: 5001 }));
    },
  };
  return world;
}

/** `192.0.2.1:80` or `[2001:db8::1]:80`. */
export function at(address: string, port: number): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

/** The IP packet in an untagged frame, or its first bytes: what an ICMP error quotes. */
export function quoteOf(frame: Uint8Array, bytes = frame.length): Uint8Array {
  return frame.slice(14, 14 + bytes);
}
