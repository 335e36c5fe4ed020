import {
  type Address,
  addressFromBigInt,
  addressToWire,
  type Family,
} from '../../domain/address.ts';
import type { Prefix } from '../../domain/prefix.ts';
import { AF_INET, AF_INET6, readAddress, socketFamilyOf } from './ip-bytes.ts';
import { decodeAttributes, encodeBody, readU32, u32, viewOf } from './message.ts';

/** A route, or the kernel's answer how it would send to one destination (`linux/rtnetlink.h`). */
export interface Route {
  readonly destination: Prefix;
  readonly kind: RouteKind;
  /** 0 when the route names none (several next hops, blackhole). */
  readonly ifindex: number;
  /** `undefined`: the destination is on the link itself. May be of the other family (RFC 5549). */
  readonly gateway: Address | undefined;
  readonly source: Address | undefined;
  /** 0: the interface's own. */
  readonly mtu: number;
  /** `RTPROT_*`: who made it; 0 in the answer of how a packet would be sent. */
  readonly protocol: number;
  /** Of several to one destination the lowest counts. */
  readonly metric: number;
}

export type RouteKind = 'unicast' | 'local' | 'blackhole' | 'unreachable' | 'prohibit' | 'other';

export const RTM_NEWROUTE = 24;
export const RTM_DELROUTE = 25;
export const RTM_GETROUTE = 26;

const ROUTE_BYTES = 12;
const RTA_DST = 1;
const RTA_OIF = 4;
const RTA_GATEWAY = 5;
const RTA_PRIORITY = 6;
const RTA_PREFSRC = 7;
const RTA_METRICS = 8;
const RTA_TABLE = 15;
const RTA_VIA = 18;
const RTAX_MTU = 2;
const RTM_F_FIB_MATCH = 0x2000;
const RT_TABLE_MAIN = 254;
const RTPROT_STATIC = 4;
const RT_SCOPE_LINK = 253;
const RTN_UNICAST = 1;
const KINDS: Readonly<Record<number, RouteKind>> = {
  1: 'unicast',
  2: 'local',
  6: 'blackhole',
  7: 'unreachable',
  8: 'prohibit',
};

/** The body of an `RTM_GETROUTE` that asks how a packet to this address would be sent. */
export function encodeRouteRequest(destination: Address): Uint8Array {
  const bytes = addressToWire(destination);
  const fixed = new Uint8Array(ROUTE_BYTES);
  fixed[0] = socketFamilyOf(destination);
  fixed[1] = bytes.length * 8;
  return encodeBody(fixed, [[RTA_DST, bytes]]);
}

/**
 * The same question, answered by the entry of the routing table that decides: with its own
 * destination and protocol, and without the source that would be chosen (Linux 4.13).
 */
export function encodeRouteMatch(destination: Address): Uint8Array {
  const body = encodeRouteRequest(destination);
  viewOf(body).setUint32(8, RTM_F_FIB_MATCH, true);
  return body;
}

/** A route to a network by way of a router on the link, in the main table. */
export interface GatewayRoute {
  readonly destination: Prefix;
  readonly gateway: Address;
  readonly ifindex: number;
  readonly protocol: number;
  readonly metric: number;
}

/** The body of an `RTM_NEWROUTE`; with `NLM_F_REPLACE`, in the place of one of equal metric. */
export function encodeGatewayRoute(route: GatewayRoute): Uint8Array {
  return encodeMainRoute(route, [
    [RTA_GATEWAY, addressToWire(route.gateway)],
    [RTA_OIF, u32(route.ifindex)],
  ]);
}

/** The body of an `RTM_DELROUTE`, whatever the route's gateway. */
export function encodeRouteRemoval(
  route: Pick<GatewayRoute, 'destination' | 'protocol' | 'metric'>,
): Uint8Array {
  return encodeMainRoute(route, []);
}

function encodeMainRoute(
  { destination, protocol, metric }: Pick<GatewayRoute, 'destination' | 'protocol' | 'metric'>,
  way: ReadonlyArray<readonly [number, Uint8Array]>,
): Uint8Array {
  const fixed = new Uint8Array(ROUTE_BYTES);
  fixed[0] = socketFamilyOf(destination.base);
  fixed[1] = destination.length;
  fixed[4] = RT_TABLE_MAIN;
  fixed[5] = protocol;
  fixed[7] = RTN_UNICAST;
  return encodeBody(fixed, [
    [RTA_DST, addressToWire(destination.base)],
    [RTA_PRIORITY, u32(metric)],
    ...way,
  ]);
}

/** A route to one address over an interface, without a gateway. */
export interface HostRoute {
  readonly destination: Address;
  readonly ifindex: number;
  readonly table: number;
}

/** The body of an `RTM_NEWROUTE` or `RTM_DELROUTE`. */
export function encodeHostRoute({ destination, ifindex, table }: HostRoute): Uint8Array {
  const bytes = addressToWire(destination);
  const fixed = new Uint8Array(ROUTE_BYTES);
  fixed[0] = socketFamilyOf(destination);
  fixed[1] = bytes.length * 8;
  fixed[5] = RTPROT_STATIC;
  fixed[6] = RT_SCOPE_LINK;
  fixed[7] = RTN_UNICAST;
  return encodeBody(fixed, [
    [RTA_DST, bytes],
    [RTA_OIF, u32(ifindex)],
    [RTA_TABLE, u32(table)],
  ]);
}

/**
 * The body of an `RTM_GETROUTE` that asks for the routes of one table: all of them, or those of one
 * protocol.
 */
export function encodeRouteDump(
  family: Family,
  table: number = RT_TABLE_MAIN,
  protocol = 0,
): Uint8Array {
  const fixed = new Uint8Array(ROUTE_BYTES);
  fixed[0] = family === 4 ? AF_INET : AF_INET6;
  fixed[5] = protocol;
  return encodeBody(fixed, [[RTA_TABLE, u32(table)]]);
}

/** Reads the body of `RTM_NEWROUTE` or `RTM_DELROUTE`; `undefined` for other families. */
export function decodeRoute(body: Uint8Array): Route | undefined {
  if (body.length < ROUTE_BYTES) return undefined;
  const family = body[0] as number;
  if (family !== AF_INET && family !== AF_INET6) return undefined;
  const attributes = decodeAttributes(body, ROUTE_BYTES);
  const metrics = decodeAttributes(attributes.get(RTA_METRICS) ?? new Uint8Array(), 0);
  const bits = family === AF_INET ? 32 : 128;
  const base = readAddress(family, attributes.get(RTA_DST) ?? new Uint8Array(bits / 8));
  const length = body[1] as number;
  if (base === undefined || length > bits) return undefined;
  return {
    destination: { base: clearHostBits(base, bits - length), length },
    kind: KINDS[body[7] as number] ?? 'other',
    ifindex: readU32(attributes.get(RTA_OIF)) ?? 0,
    gateway: readAddress(family, attributes.get(RTA_GATEWAY)) ?? readVia(attributes.get(RTA_VIA)),
    source: readAddress(family, attributes.get(RTA_PREFSRC)),
    mtu: readU32(metrics.get(RTAX_MTU)) ?? 0,
    protocol: body[5] as number,
    metric: readU32(attributes.get(RTA_PRIORITY)) ?? 0,
  };
}

/** `struct rtvia`: a family and an address of it. */
function readVia(value: Uint8Array | undefined): Address | undefined {
  if (!value || value.length < 2) return undefined;
  return readAddress(viewOf(value).getUint16(0, true), value.subarray(2));
}

function clearHostBits(address: Address, count: number): Address {
  const shift = BigInt(count);
  return addressFromBigInt((address >> shift) << shift);
}
