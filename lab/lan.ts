import type { Host, HostKind } from './host.ts';
import type { Lab } from './lab.ts';

/** Hosts on one switch. */
export interface Lan {
  /** Holds the bridge `lan`, with a port named after each host. */
  readonly bridge: Host;
  host(name: string): Host;
  /** Addresses of a host, IPv4 then IPv6. */
  addresses(name: string): readonly [string, string];
}

/**
 * Puts hosts on a switch, each with `eth0`: 10.0.0.1 and fd00::1 for the first, and so on; IPv6 addresses
 * count as IPv4 ones do, in decimal digits.
 */
export function buildLan(
  lab: Lab,
  names: readonly string[],
  kindOf: (name: string) => HostKind = () => 'end',
): Lan {
  const bridge = lab.host('switch');
  bridge.ip('link add lan type bridge', 'link set lan up');
  const addresses = (name: string): readonly [string, string] => {
    const number = names.indexOf(name) + 1;
    if (number === 0) throw new Error(`No host "${name}" on this switch`);
    return [`10.0.0.${number}`, `fd00::${number}`];
  };
  const hosts = new Map(
    names.map((name) => {
      const host = lab.host(name, kindOf(name));
      const [v4, v6] = addresses(name);
      const end = { host, name: 'eth0', addresses: [`${v4}/24`, `${v6}/64`] };
      lab.cable(end, { host: bridge, name });
      bridge.ip(`link set ${name} master lan`);
      return [name, host] as const;
    }),
  );
  return { bridge, addresses, host: (name) => hosts.get(name) as Host };
}
