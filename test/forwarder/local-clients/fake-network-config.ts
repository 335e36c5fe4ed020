import { type Address, type Family, familyOf, formatAddress } from '../../../src/domain/address.ts';
import { formatPrefix } from '../../../src/domain/prefix.ts';
import type { Link } from '../../../src/protocol/rtnetlink/link.ts';
import type { Route } from '../../../src/protocol/rtnetlink/route.ts';
import type { Rule } from '../../../src/protocol/rtnetlink/rule.ts';
import type { NetworkConfig } from '../../../src/system/network-config.ts';
import { link, route } from '../../support/fake-rtnetlink.ts';

/** A kernel's interfaces, routes of one table and rules, changed by what is tested. */
export interface FakeNetworkConfig extends NetworkConfig {
  readonly table: Map<string, Link>;
  readonly routes: Set<Address>;
  /** Routes by way of a router, by destination and protocol. */
  readonly gatewayRoutes: Map<string, Route>;
  readonly allRules: Rule[];
  /** What was changed, in order. */
  readonly done: string[];
  /** Makes a change fail with this code when its description begins so. */
  refusal: { readonly of: string; readonly code: string } | undefined;
  isClosed: boolean;
}

export function fakeNetworkConfig(): FakeNetworkConfig {
  const note = (what: string) => {
    if (fake.refusal && what.startsWith(fake.refusal.of)) {
      const { code } = fake.refusal;
      throw Object.assign(new Error(`The kernel refuses to ${what}: ${code}`), { code });
    }
    fake.done.push(what);
  };
  const fake: FakeNetworkConfig = {
    table: new Map([['eth0', link(2, 'eth0')]]),
    routes: new Set(),
    gatewayRoutes: new Map(),
    allRules: [],
    done: [],
    refusal: undefined,
    isClosed: false,
    links: async () => [...fake.table.values()],
    async addVethPair({ names: [near, far], mtu }) {
      note(`add ${near} ${far}`);
      const fields = { kind: 'veth', mtu, isUp: false };
      fake.table.set(near, link(11, near, { ...fields, parent: 12 }));
      fake.table.set(far, link(12, far, { ...fields, parent: 11 }));
    },
    async changeLink(ifindex, change) {
      note(`change ${ifindex} ${JSON.stringify(change)}`);
      const { ipv6Addresses: _, ...fields } = change;
      for (const [name, each] of fake.table) {
        if (each.ifindex === ifindex) fake.table.set(name, { ...each, ...fields });
      }
    },
    async removeLink(ifindex) {
      note(`remove ${ifindex}`);
      for (const [name, each] of fake.table) {
        if (each.ifindex === ifindex || each.parent === ifindex) fake.table.delete(name);
      }
    },
    hostRoutes: async (family: Family) =>
      [...fake.routes].filter((each) => familyOf(each) === family),
    async addHostRoute({ destination, ifindex, table }) {
      note(`route ${formatAddress(destination)} dev ${ifindex} table ${table}`);
      fake.routes.add(destination);
    },
    async removeHostRoute({ destination }) {
      note(`unroute ${formatAddress(destination)}`);
      fake.routes.delete(destination);
    },
    routesOf: async (protocol, family) =>
      [...fake.gatewayRoutes.values()].filter(
        (each) => each.protocol === protocol && familyOf(each.destination.base) === family,
      ),
    async putRoute(wanted) {
      const { destination, gateway, ifindex } = wanted;
      const text = formatPrefix(destination);
      note(`put ${text} via ${formatAddress(gateway)} dev ${ifindex}`);
      fake.gatewayRoutes.set(`${text} ${wanted.protocol}`, route(text, wanted));
    },
    async removeRoute({ destination, protocol }) {
      note(`drop ${formatPrefix(destination)}`);
      fake.gatewayRoutes.delete(`${formatPrefix(destination)} ${protocol}`);
    },
    rules: async (family) => fake.allRules.filter((each) => each.family === family),
    async addRule(rule) {
      note(`rule IPv${rule.family}`);
      fake.allRules.push(rule);
    },
    async removeRule(rule) {
      note(`unrule IPv${rule.family}`);
      fake.allRules.splice(fake.allRules.indexOf(rule), 1);
    },
    close() {
      fake.isClosed = true;
    },
  };
  return fake;
}
