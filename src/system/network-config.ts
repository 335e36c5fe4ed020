import { getSystemErrorName } from 'node:util';
import type { Address, Family } from '../domain/address.ts';
import {
  decodeLink,
  encodeLinkDump,
  type Link,
  RTM_DELLINK,
  RTM_GETLINK,
  RTM_NEWLINK,
} from '../protocol/rtnetlink/link.ts';
import {
  encodeLinkChange,
  encodeLinkRemoval,
  encodeVethPair,
  type LinkChange,
  type VethPair,
} from '../protocol/rtnetlink/link-change.ts';
import {
  NLM_F_ACK,
  NLM_F_CREATE,
  NLM_F_EXCL,
  NLM_F_REPLACE,
} from '../protocol/rtnetlink/message.ts';
import {
  decodeRoute,
  encodeGatewayRoute,
  encodeHostRoute,
  encodeRouteDump,
  encodeRouteRemoval,
  type GatewayRoute,
  type HostRoute,
  type Route,
  RTM_DELROUTE,
  RTM_GETROUTE,
  RTM_NEWROUTE,
} from '../protocol/rtnetlink/route.ts';
import {
  decodeRule,
  encodeRule,
  encodeRuleDump,
  RTM_DELRULE,
  RTM_GETRULE,
  RTM_NEWRULE,
  type Rule,
} from '../protocol/rtnetlink/rule.ts';
import { NetlinkRequests } from './netlink-requests.ts';

/**
 * Changes this box's interfaces, routes and rules. Removing what is not there is no error; other
 * refusals reject with `code`: `EPERM` without CAP_NET_ADMIN.
 */
export interface NetworkConfig {
  links(): Promise<readonly Link[]>;
  /** Rejects with `EEXIST` when one of the names is taken. */
  addVethPair(pair: VethPair): Promise<void>;
  changeLink(ifindex: number, change: LinkChange): Promise<void>;
  removeLink(ifindex: number): Promise<void>;
  /** Destinations of a table's routes to single addresses. */
  hostRoutes(family: Family, table: number): Promise<readonly Address[]>;
  addHostRoute(route: HostRoute): Promise<void>;
  removeHostRoute(route: HostRoute): Promise<void>;
  /** Routes of the main table that were made under this protocol number. */
  routesOf(protocol: number, family: Family): Promise<readonly Route[]>;
  /** Adds the route, or puts it in the place of the one of its destination and metric, without a gap. */
  putRoute(route: GatewayRoute): Promise<void>;
  removeRoute(route: Pick<GatewayRoute, 'destination' | 'protocol' | 'metric'>): Promise<void>;
  rules(family: Family): Promise<readonly Rule[]>;
  addRule(rule: Rule): Promise<void>;
  removeRule(rule: Rule): Promise<void>;
  /** Idempotent; open requests are rejected. The process goes on until then. */
  close(): void;
}

const NETLINK_ROUTE = 0;
/** What the kernel says of something that is not there, by kind of object. */
const ABSENT: readonly string[] = ['ENOENT', 'ENODEV', 'ESRCH', 'EADDRNOTAVAIL'];

export function openNetworkConfig(): NetworkConfig {
  const requests = new NetlinkRequests(NETLINK_ROUTE, true);
  const change = async (what: string, type: number, flags: number, body: Uint8Array) => {
    const { errno } = await requests.ask(type, flags | NLM_F_ACK, body);
    if (errno === 0) return;
    const code = getSystemErrorName(-errno);
    throw Object.assign(new Error(`The kernel refuses to ${what}: ${code}`), { code });
  };
  const remove = async (what: string, type: number, body: Uint8Array) => {
    try {
      await change(what, type, 0, body);
    } catch (error) {
      if (!ABSENT.includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
    }
  };
  const create = NLM_F_CREATE | NLM_F_EXCL;
  return {
    links: () => requests.dump(RTM_GETLINK, encodeLinkDump(), decodeLink),
    addVethPair: (pair) => change('add an interface', RTM_NEWLINK, create, encodeVethPair(pair)),
    changeLink: (ifindex, to) =>
      change('change an interface', RTM_NEWLINK, 0, encodeLinkChange(ifindex, to)),
    removeLink: (ifindex) => remove('remove an interface', RTM_DELLINK, encodeLinkRemoval(ifindex)),
    async hostRoutes(family, table) {
      const bits = family === 4 ? 32 : 128;
      const body = encodeRouteDump(family, table);
      try {
        const routes = await requests.dump(RTM_GETROUTE, body, decodeRoute);
        return routes.flatMap(({ destination: { base, length } }) => (length === bits ? base : []));
      } catch (error) {
        // A table comes into being with its first route.
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
        throw error;
      }
    },
    addHostRoute: (route) =>
      change('add a route', RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, encodeHostRoute(route)),
    removeHostRoute: (route) => remove('remove a route', RTM_DELROUTE, encodeHostRoute(route)),
    async routesOf(protocol, family) {
      const body = encodeRouteDump(family, undefined, protocol);
      const routes = await requests.dump(RTM_GETROUTE, body, decodeRoute);
      return routes.filter((route) => route.protocol === protocol);
    },
    putRoute: (route) =>
      change('add a route', RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, encodeGatewayRoute(route)),
    removeRoute: (route) => remove('remove a route', RTM_DELROUTE, encodeRouteRemoval(route)),
    rules: (family) => requests.dump(RTM_GETRULE, encodeRuleDump(family), decodeRule),
    addRule: (rule) => change('add a rule', RTM_NEWRULE, create, encodeRule(rule)),
    removeRule: (rule) => remove('remove a rule', RTM_DELRULE, encodeRule(rule)),
    close: () => requests.close(),
  };
}
