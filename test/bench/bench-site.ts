import type { Host } from '../../lab/host.ts';
import type { Lab } from '../../lab/lab.ts';

/**
 * What is compared stands on sites of its own that are alike:
 *
 *     client 203.0.113.10 ── edge ──┬── backend 10.1.1.10 and up
 *                VIP 192.0.2.100    └── backend 10.1.2.10 and up
 */
export interface BenchSite {
  readonly client: Host;
  readonly edge: Host;
  readonly backends: readonly [Host, Host];
  /** Each backend's addresses. */
  readonly endpoints: readonly [readonly string[], readonly string[]];
}

export const VIP = '192.0.2.100';
/** Interfaces of the edge. */
export const FRONT = 'front';
export const BACKS = ['back1', 'back2'] as const;
/** The other ends of the cables. */
export const FAR_END = 'eth0';
const FIRST_ENDPOINT = 10;

export interface SiteOptions {
  readonly lab: Lab;
  readonly name: string;
  /** Addresses of each of the two backends. */
  readonly endpoints: number;
  /** Whether programs on the edge send by XDP: the far ends then get a program that passes all. */
  readonly xdp: boolean;
}

/**
 * Builds a site. End hosts send finished frames of at most an MTU, as a wire would carry them, and
 * the edge may merge what it receives (GRO), as it would with a network card.
 */
export function buildBenchSite({ lab, name, endpoints, xdp }: SiteOptions): BenchSite {
  const client = lab.host(`${name}-client`);
  const edge = lab.host(`${name}-edge`, 'forwards');
  lab.cable(
    { host: client, name: FAR_END, addresses: ['203.0.113.10/24'] },
    { host: edge, name: FRONT, addresses: ['203.0.113.1/24'], xdp },
  );
  client.ip('route add default via 203.0.113.1');
  const addBackend = (index: 0 | 1): Backend => {
    const back = BACKS[index];
    const host = lab.host(`${name}-${back}`);
    const network = `10.1.${index + 1}`;
    const addresses = Array.from(
      { length: endpoints },
      (_, i) => `${network}.${FIRST_ENDPOINT + i}`,
    );
    lab.cable(
      { host: edge, name: back, addresses: [`${network}.1/24`], xdp },
      { host, name: FAR_END, addresses: addresses.map((address) => `${address}/24`) },
    );
    host.ip(`route add default via ${network}.1`);
    return { host, addresses };
  };
  const made = [addBackend(0), addBackend(1)] as const;
  for (const port of [FRONT, ...BACKS]) edge.run(['ethtool', '-K', port, 'gro', 'on']);
  return {
    client,
    edge,
    backends: [made[0].host, made[1].host],
    endpoints: [made[0].addresses, made[1].addresses],
  };
}

interface Backend {
  readonly host: Host;
  readonly addresses: readonly string[];
}

export interface Link {
  readonly ifindex: number;
  readonly mac: string;
}

/** What the kernel says about a host's interface. */
export function linkOf(host: Host, port: string): Link {
  const [link] = JSON.parse(host.run(['ip', '-json', 'link', 'show', 'dev', port]));
  return { ifindex: link.ifindex, mac: link.address };
}
