import type { Host } from './host.ts';
import type { Lab } from './lab.ts';

/** A small bare-metal site with one edge box in front of two Kubernetes nodes. */
export interface EdgeSite {
  /** Somebody on the Internet, behind the router. */
  readonly client: Host;
  readonly router: Host;
  /** The box that runs Tidegate. */
  readonly edge: Host;
  /** The switch between edge box and nodes, a bridge called `lan`. */
  readonly lan: Host;
  readonly workers: readonly [Worker, Worker];
}

export interface Worker {
  readonly host: Host;
  /** Node addresses, IPv4 first. */
  readonly addresses: readonly [string, string];
  /** Pod networks of this node. */
  readonly podNetworks: readonly [string, string];
}

export interface Pod {
  readonly name: string;
  readonly host: Host;
  readonly node: string;
  /** Pod IPs, IPv4 first. */
  readonly addresses: readonly [string, string];
}

/** Interfaces of the edge box: towards the router, and towards the nodes. */
export const EDGE_INTERFACES = ['front', 'back'] as const;

/** The client's addresses, IPv4 then IPv6 of each; a lab's client can play several. */
export const CLIENT_ADDRESSES: readonly (readonly [string, string])[] = [10, 11, 12, 13].map(
  (host) => [`203.0.113.${host}`, `2001:db8:c::${host}`],
);

/**
 * Builds the site:
 *
 *     client ── router ──┬── edge ──┬── worker-1 ── Pods 10.244.1.0/24, fd00:244:1::/64
 *     203.0.113.0/24     │          └── worker-2 ── Pods 10.244.2.0/24, fd00:244:2::/64
 *     2001:db8:c::/64    │       nodes 10.10.0.0/24, fd00:10::/64
 *              front 192.0.2.0/24, 2001:db8:f::/64; VIPs from .100 up
 *
 * Edge and nodes share one LAN segment (a switch); Pod networks are routed over their node.
 */
export function buildEdgeSite(lab: Lab): EdgeSite {
  const client = lab.host('client');
  const router = lab.host('router', 'forwards');
  const edge = lab.host('edge', 'forwards');
  const lan = lab.host('switch');

  lab.cable(
    { host: client, name: 'eth0', addresses: CLIENT_ADDRESSES.flatMap(withLengths) },
    { host: router, name: 'clients', addresses: ['203.0.113.1/24', '2001:db8:c::1/64'] },
  );
  client.ip('route add default via 203.0.113.1', 'route add default via 2001:db8:c::1');
  lab.cable(
    { host: router, name: 'front', addresses: ['192.0.2.1/24', '2001:db8:f::1/64'] },
    { host: edge, name: 'front', addresses: ['192.0.2.2/24', '2001:db8:f::2/64'], xdp: true },
  );
  edge.ip('route add default via 192.0.2.1', 'route add default via 2001:db8:f::1');

  lan.ip('link add lan type bridge', 'link set lan up');
  lab.cable(
    { host: edge, name: 'back', addresses: ['10.10.0.1/24', 'fd00:10::1/64'], xdp: true },
    { host: lan, name: 'edge' },
  );
  lan.ip('link set edge master lan');
  const workers: [Worker, Worker] = [addWorker(lab, lan, 1), addWorker(lab, lan, 2)];
  for (const worker of workers) {
    const others = [edge, ...workers.filter((other) => other !== worker).map(({ host }) => host)];
    for (const other of others) {
      other.ip(
        ...worker.podNetworks.map(
          (network, index) => `route add ${network} via ${worker.addresses[index]}`,
        ),
      );
    }
  }
  return { client, router, edge, lan, workers };
}

/**
 * Adds a second edge box beside the first, on a link of its own to the router (192.0.3.0/24,
 * 2001:db8:e::/64) and on the nodes' switch (10.10.0.3).
 */
export function addEdge(lab: Lab, { router, lan, workers }: EdgeSite): Host {
  const edge = lab.host('edge-2', 'forwards');
  lab.cable(
    { host: router, name: 'front-2', addresses: ['192.0.3.1/24', '2001:db8:e::1/64'] },
    { host: edge, name: 'front', addresses: ['192.0.3.2/24', '2001:db8:e::2/64'], xdp: true },
  );
  edge.ip('route add default via 192.0.3.1', 'route add default via 2001:db8:e::1');
  lab.cable(
    { host: edge, name: 'back', addresses: ['10.10.0.3/24', 'fd00:10::3/64'], xdp: true },
    { host: lan, name: 'edge-2' },
  );
  lan.ip('link set edge-2 master lan');
  for (const { podNetworks, addresses } of workers)
    edge.ip(...podNetworks.map((network, index) => `route add ${network} via ${addresses[index]}`));
  return edge;
}

/** Adds a Pod to a node; `number` (11 and up) is the last part of its addresses. */
export function addPod(lab: Lab, worker: Worker, name: string, number: number): Pod {
  const [v4, v6] = worker.podNetworks.map((network) => network.replace(/0\/24$|\/64$/, ''));
  const addresses = [`${v4}${number}`, `${v6}${number}`] as const;
  const host = lab.host(name);
  lab.cable({ host, name: 'eth0', addresses: withLengths(addresses) }, { host: worker.host, name });
  worker.host.ip(`link set ${name} master pods`);
  host.ip(`route add default via ${v4}1`, `route add default via ${v6}1`);
  return { name, host, node: worker.host.name, addresses };
}

function addWorker(lab: Lab, lan: Host, number: 1 | 2): Worker {
  const host = lab.host(`worker-${number}`, 'forwards');
  const addresses = [`10.10.0.1${number}`, `fd00:10::1${number}`] as const;
  const port = `worker-${number}`;
  lab.cable({ host, name: 'eth0', addresses: withLengths(addresses) }, { host: lan, name: port });
  lan.ip(`link set ${port} master lan`);
  host.ip(
    'route add default via 10.10.0.1',
    'route add default via fd00:10::1',
    'link add pods type bridge',
    `addr add 10.244.${number}.1/24 dev pods`,
    `addr add fd00:244:${number}::1/64 dev pods nodad`,
    'link set pods up',
  );
  return {
    host,
    addresses,
    podNetworks: [`10.244.${number}.0/24`, `fd00:244:${number}::/64`],
  };
}

function withLengths([v4, v6]: readonly [string, string]): string[] {
  return [`${v4}/24`, `${v6}/64`];
}
