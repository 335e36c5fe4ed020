import { createHash } from 'node:crypto';
import type { Host } from '../../../lab/host.ts';
import type { Lab } from '../../../lab/lab.ts';

/** Two edge boxes on one segment with a router, and servers behind both of them. */
export interface EdgePair {
  /** Somebody on the Internet, behind the router. */
  readonly client: Host;
  /** Its interface `front` is on the segment of the VIPs. */
  readonly router: Host;
  readonly edges: Readonly<Record<BoxName, Host>>;
  readonly pods: readonly PairPod[];
}

export interface PairPod {
  readonly name: string;
  readonly host: Host;
  /** IPv4 first. */
  readonly addresses: readonly [string, string];
}

export type BoxName = 'edge-1' | 'edge-2';
export const BOXES: readonly BoxName[] = ['edge-1', 'edge-2'];
/** Of the boxes on the segment of the VIPs. */
export const MACS: Readonly<Record<BoxName, string>> = {
  'edge-1': '02:00:00:00:00:e1',
  'edge-2': '02:00:00:00:00:e2',
};

const PODS = 3;

/**
 * Builds it:
 *
 *     client ── router ──┬── edge-1 ──┬── pod-1
 *     203.0.113.0/24     └── edge-2 ──┼── pod-2
 *     2001:db8:c::/64                 └── pod-3
 *         front 192.0.2.0/24    back 10.10.0.0/24
 *         2001:db8:f::/64       fd00:10::/64
 */
export function buildEdgePair(lab: Lab): EdgePair {
  const client = lab.host('client');
  const router = lab.host('router', 'forwards');
  const lan = lab.host('switch');
  lan.ip(
    'link add front type bridge',
    'link add back type bridge',
    'link set front up',
    'link set back up',
  );
  const plug = (segment: 'front' | 'back', host: Host, name: string, last: number, xdp = false) => {
    const port = `${segment[0]}-${host.name}`;
    const own = { host, name, addresses: addressesOn(segment, last), xdp };
    lab.cable(own, { host: lan, name: port });
    lan.ip(`link set ${port} master ${segment}`);
  };
  lab.cable(
    { host: client, name: 'eth0', addresses: ['203.0.113.10/24', '2001:db8:c::10/64'] },
    { host: router, name: 'clients', addresses: ['203.0.113.1/24', '2001:db8:c::1/64'] },
  );
  client.ip('route add default via 203.0.113.1', 'route add default via 2001:db8:c::1');
  plug('front', router, 'front', 1);
  const addEdge = (name: BoxName, last: number) => {
    const host = lab.host(name, 'forwards');
    plug('front', host, 'front', last, true);
    plug('back', host, 'back', last, true);
    host.ip(
      `link set front address ${MACS[name]}`,
      'route add default via 192.0.2.1',
      'route add default via 2001:db8:f::1',
    );
    return host;
  };
  const edges = { 'edge-1': addEdge('edge-1', 2), 'edge-2': addEdge('edge-2', 3) };
  const pods = Array.from({ length: PODS }, (_, index) => {
    const name = `pod-${index + 1}`;
    const host = lab.host(name);
    plug('back', host, 'eth0', 21 + index);
    const [v4 = '', v6 = ''] = addressesOn('back', 21 + index).map(withoutLength);
    return { name, host, addresses: [v4, v6] as const };
  });
  return { client, router, edges, pods };
}

function addressesOn(segment: 'front' | 'back', last: number): readonly string[] {
  const [v4, v6] = segment === 'front' ? ['192.0.2', '2001:db8:f'] : ['10.10.0', 'fd00:10'];
  return [`${v4}.${last}/24`, `${v6}::${last}/64`];
}

function withoutLength(address: string): string {
  return address.replace(/\/.*/, '');
}

/** The box that MetalLB's speakers would choose for an address, of the two. */
export function chosenFor(vip: string): BoxName {
  const rank = (name: BoxName) => createHash('sha256').update(`${name}#${vip}`).digest('hex');
  return rank('edge-1') < rank('edge-2') ? 'edge-1' : 'edge-2';
}

/** An address of the pool 192.0.2.100 to .199, or of its like in IPv6, that a box is chosen for. */
export function vipOf(box: BoxName, family: 4 | 6, number = 0): string {
  const all = Array.from({ length: 100 }, (_, index) => 100 + index).map((last) =>
    family === 4 ? `192.0.2.${last}` : `2001:db8:f::${last}`,
  );
  return all.filter((vip) => chosenFor(vip) === box)[number] ?? '';
}
