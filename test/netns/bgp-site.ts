import type { Host } from '../../lab/host.ts';
import type { Lab } from '../../lab/lab.ts';
import { buildLan } from '../../lab/lan.ts';

/** A box among routers on its link, on a link without IPv4, and one hop away. */
export interface BgpSite {
  readonly box: Host;
  host(name: string): Host;
  /** IPv4 then IPv6. */
  addresses(name: string): readonly [string, string];
  /** The switch; ports are named after the hosts. */
  readonly bridge: Host;
}

export interface BgpSiteHosts {
  readonly near: readonly string[];
  readonly sixOnly?: readonly string[];
  readonly far?: readonly string[];
}

/**
 * Builds the site:
 *
 *      10.0.0.0/24, fd00::/64
 *     box ─┬─ near routers
 *      │   └─ hop ── far routers (10.0.1.0/24, fd00:1::/64)
 *      └─ routers without IPv4 (fd00:2::/64)
 */
export function buildBgpSite(lab: Lab, { near, far = [], sixOnly = [] }: BgpSiteHosts): BgpSite {
  const lan = buildLan(lab, ['box', 'hop', ...near], (name) =>
    name === 'hop' ? 'forwards' : 'end',
  );
  const [hop, box] = [lan.host('hop'), lan.host('box')];
  const [hop4, hop6] = lan.addresses('hop');
  box.ip(`route add 10.0.1.0/24 via ${hop4}`, `route add fd00:1::/64 via ${hop6}`);
  hop.ip(
    'link add far type bridge',
    'addr add 10.0.1.1/24 dev far',
    'addr add fd00:1::1/64 dev far nodad',
    'link set far up',
  );
  const others = new Map<string, Host>();
  const addressesOf = new Map<string, readonly [string, string]>();
  for (const [index, name] of far.entries()) {
    const host = lab.host(name);
    const [v4, v6] = [`10.0.1.${index + 2}`, `fd00:1::${index + 2}`];
    const end = { host, name: 'eth0', addresses: [`${v4}/24`, `${v6}/64`] };
    lab.cable(end, { host: hop, name });
    hop.ip(`link set ${name} master far`);
    host.ip('route add 10.0.0.0/24 via 10.0.1.1', 'route add fd00::/64 via fd00:1::1');
    others.set(name, host);
    addressesOf.set(name, [v4, v6]);
  }
  if (sixOnly.length > 0) {
    lan.bridge.ip('link add six type bridge', 'link set six up');
    const end = { host: box, name: 'eth1', addresses: ['fd00:2::1/64'] };
    lab.cable(end, { host: lan.bridge, name: 'box-six' });
    lan.bridge.ip('link set box-six master six');
  }
  for (const [index, name] of sixOnly.entries()) {
    const host = lab.host(name);
    const [v4, v6] = [`10.0.2.${index + 2}`, `fd00:2::${index + 2}`];
    const end = { host, name: 'eth0', addresses: [`${v6}/64`] };
    lab.cable(end, { host: lan.bridge, name });
    lan.bridge.ip(`link set ${name} master six`);
    others.set(name, host);
    addressesOf.set(name, [v4, v6]);
  }
  return {
    box,
    bridge: lan.bridge,
    host: (name) => others.get(name) ?? lan.host(name),
    addresses: (name) => addressesOf.get(name) ?? lan.addresses(name),
  };
}

/** The box's address on the link without IPv4. */
export const BOX_SIX = 'fd00:2::1';
