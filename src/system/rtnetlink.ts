import { getSystemErrorName } from 'node:util';
import type { Address } from '../domain/address.ts';
import type { Mac } from '../domain/mac.ts';
import {
  decodeInterfaceAddress,
  encodeAddressDump,
  type InterfaceAddress,
  RTM_DELADDR,
  RTM_GETADDR,
  RTM_NEWADDR,
} from '../protocol/rtnetlink/interface-address.ts';
import {
  decodeLink,
  encodeLinkDump,
  type Link,
  RTM_DELLINK,
  RTM_GETLINK,
  RTM_NEWLINK,
} from '../protocol/rtnetlink/link.ts';
import {
  decodeMessages,
  type NetlinkMessage,
  NLM_F_ACK,
  NLM_F_CREATE,
  NLM_F_REPLACE,
} from '../protocol/rtnetlink/message.ts';
import {
  decodeNeighbour,
  encodeNeighbour,
  encodeNeighbourDump,
  encodeNeighbourUse,
  type Neighbour,
  RTM_DELNEIGH,
  RTM_GETNEIGH,
  RTM_NEWNEIGH,
} from '../protocol/rtnetlink/neighbour.ts';
import {
  decodeRoute,
  encodeRouteMatch,
  encodeRouteRequest,
  type Route,
  RTM_DELROUTE,
  RTM_GETROUTE,
  RTM_NEWROUTE,
} from '../protocol/rtnetlink/route.ts';
import { NetlinkRequests } from './netlink-requests.ts';
import { openSocket } from './sockets.ts';

/** The kernel's interfaces, addresses, routes and neighbours: asked, and followed. */
export interface Rtnetlink {
  links(): Promise<readonly Link[]>;
  addresses(): Promise<readonly InterfaceAddress[]>;
  neighbours(): Promise<readonly Neighbour[]>;
  /** How the kernel would send to this address now. */
  routeTo(destination: Address): Promise<RouteAnswer>;
  /** Which entry of the routing table decides that: with its own destination, without a source. */
  matchTo(destination: Address): Promise<RouteAnswer>;
  /**
   * Has the kernel resolve a neighbour, or confirm it when it is stale. Rejects with `code`:
   * `ENOBUFS` when the neighbour table is full (`net.ipv4.neigh.default.gc_thresh3`).
   */
  useNeighbour(ifindex: number, address: Address): Promise<void>;
  /**
   * Writes the neighbour's entry: reachable at this MAC address, or (`undefined`) failed, which only
   * an entry that is there can be. Overwrites what an administrator fixed: ask first.
   */
  setNeighbour(ifindex: number, address: Address, mac: Mac | undefined): Promise<void>;
  /** Idempotent. Nothing is told afterwards; open questions are rejected. */
  close(): void;
}

export type RouteAnswer =
  | { readonly kind: 'route'; readonly route: Route }
  /** The errno's name: `ENETUNREACH`, `EHOSTUNREACH`, `EACCES`, … */
  | { readonly kind: 'none'; readonly code: string };

export type NetworkEvent =
  | { readonly kind: 'link'; readonly link: Link; readonly removed: boolean }
  | { readonly kind: 'address'; readonly address: InterfaceAddress; readonly removed: boolean }
  | { readonly kind: 'neighbour'; readonly neighbour: Neighbour; readonly removed: boolean }
  | { readonly kind: 'route'; readonly route: Route; readonly removed: boolean }
  /** Something that routes go by, and that names no destination: a rule, a next hop object. */
  | { readonly kind: 'policy' }
  /** Events came faster than they were read: ask for everything anew. */
  | { readonly kind: 'lost' };

const NETLINK_ROUTE = 0;
const RTM_NEWRULE = 32;
const RTM_DELRULE = 33;
const RTM_NEWNEXTHOP = 104;
const RTM_DELNEXTHOP = 105;
/**
 * `RTNLGRP_*`: LINK, NEIGH, IPV4_IFADDR, IPV4_ROUTE, IPV4_RULE, IPV6_IFADDR, IPV6_ROUTE, IPV6_RULE,
 * NEXTHOP.
 */
const GROUPS = [1, 3, 5, 7, 8, 9, 11, 19, 32];

/**
 * Opens the two sockets in the current network namespace. Events arrive from the event loop, in the
 * kernel's order, from now on: ask for the tables after opening, and nothing is missed.
 */
export function openRtnetlink(onEvent: (event: NetworkEvent) => void): Rtnetlink {
  const events = openSocket(
    { family: 'netlink', protocol: NETLINK_ROUTE, groups: GROUPS },
    (bytes) => {
      for (const message of decodeMessages(bytes)) {
        const event = eventOf(message);
        if (event) onEvent(event);
      }
    },
    () => onEvent({ kind: 'lost' }),
  );
  const requests = new NetlinkRequests(NETLINK_ROUTE);
  const change = async (what: string, type: number, flags: number, body: Uint8Array) => {
    const { errno } = await requests.ask(type, flags | NLM_F_ACK, body);
    if (errno === 0) return;
    const code = errorName(errno);
    throw Object.assign(new Error(`The kernel refuses to ${what}: ${code}`), { code });
  };
  const askRoute = async (body: Uint8Array): Promise<RouteAnswer> => {
    const answer = await requests.ask(RTM_GETROUTE, 0, body);
    const route = answer.message && decodeRoute(answer.message.body);
    if (route) return { kind: 'route', route };
    return { kind: 'none', code: errorName(answer.errno) };
  };
  return {
    links: () => requests.dump(RTM_GETLINK, encodeLinkDump(), decodeLink),
    addresses: () => requests.dump(RTM_GETADDR, encodeAddressDump(), decodeInterfaceAddress),
    neighbours: () => requests.dump(RTM_GETNEIGH, encodeNeighbourDump(), decodeNeighbour),
    routeTo: (destination) => askRoute(encodeRouteRequest(destination)),
    matchTo: (destination) => askRoute(encodeRouteMatch(destination)),
    useNeighbour(ifindex, address) {
      const body = encodeNeighbourUse(ifindex, address);
      return change('use a neighbour', RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, body);
    },
    setNeighbour(ifindex, address, mac) {
      const flags = mac === undefined ? NLM_F_REPLACE : NLM_F_CREATE | NLM_F_REPLACE;
      const body = encodeNeighbour(ifindex, address, mac);
      return change('change a neighbour', RTM_NEWNEIGH, flags, body);
    },
    close() {
      events.close();
      requests.close();
    },
  };
}

function eventOf({ type, body }: NetlinkMessage): NetworkEvent | undefined {
  switch (type) {
    case RTM_NEWLINK:
    case RTM_DELLINK: {
      const link = decodeLink(body);
      return link && { kind: 'link', link, removed: type === RTM_DELLINK };
    }
    case RTM_NEWADDR:
    case RTM_DELADDR: {
      const address = decodeInterfaceAddress(body);
      return address && { kind: 'address', address, removed: type === RTM_DELADDR };
    }
    case RTM_NEWNEIGH:
    case RTM_DELNEIGH: {
      const neighbour = decodeNeighbour(body);
      return neighbour && { kind: 'neighbour', neighbour, removed: type === RTM_DELNEIGH };
    }
    case RTM_NEWROUTE:
    case RTM_DELROUTE: {
      const route = decodeRoute(body);
      return route && { kind: 'route', route, removed: type === RTM_DELROUTE };
    }
    case RTM_NEWRULE:
    case RTM_DELRULE:
    case RTM_NEWNEXTHOP:
    case RTM_DELNEXTHOP:
      return { kind: 'policy' };
    default:
      return undefined;
  }
}

function errorName(errno: number): string {
  return errno === 0 ? 'EBADMSG' : getSystemErrorName(-errno);
}
