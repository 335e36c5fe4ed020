import { AF_INET6 } from './ip-bytes.ts';
import { encodeBody, text, u32, viewOf } from './message.ts';

/** What a pair of virtual Ethernet interfaces is made with. */
export interface VethPair {
  readonly names: readonly [string, string];
  readonly mtu: number;
}

/** What an interface that is there should be; what is not named stays as it is. */
export interface LinkChange {
  readonly mtu?: number;
  readonly isUp?: boolean;
  /** IFF_NOARP off or on. */
  readonly usesArp?: boolean;
  /** `none`: no link-local address is made when it goes up. */
  readonly ipv6Addresses?: 'none';
}

const LINK_BYTES = 16;
const IFF_UP = 0x1;
const IFF_NOARP = 0x80;
const IFLA_IFNAME = 3;
const IFLA_MTU = 4;
const IFLA_LINKINFO = 18;
const IFLA_AF_SPEC = 26;
const IFLA_INFO_KIND = 1;
const IFLA_INFO_DATA = 2;
const VETH_INFO_PEER = 1;
const IFLA_INET6_ADDR_GEN_MODE = 8;
const IN6_ADDR_GEN_MODE_NONE = 1;
const NESTED = 0x8000;

/** The body of an `RTM_NEWLINK` that makes the pair, both ends down. */
export function encodeVethPair({ names: [name, peer], mtu }: VethPair): Uint8Array {
  const none = new Uint8Array();
  const peerBody = encodeBody(new Uint8Array(LINK_BYTES), named(peer, mtu));
  const information = encodeBody(none, [
    [IFLA_INFO_KIND, text('veth')],
    [IFLA_INFO_DATA | NESTED, encodeBody(none, [[VETH_INFO_PEER | NESTED, peerBody]])],
  ]);
  return encodeBody(new Uint8Array(LINK_BYTES), [
    ...named(name, mtu),
    [IFLA_LINKINFO | NESTED, information],
  ]);
}

/** The body of an `RTM_NEWLINK` that changes an interface. */
export function encodeLinkChange(ifindex: number, change: LinkChange): Uint8Array {
  const { mtu, isUp, usesArp, ipv6Addresses } = change;
  const fixed = new Uint8Array(LINK_BYTES);
  const view = viewOf(fixed);
  const mask = (isUp === undefined ? 0 : IFF_UP) | (usesArp === undefined ? 0 : IFF_NOARP);
  view.setInt32(4, ifindex, true);
  view.setUint32(8, (isUp ? IFF_UP : 0) | (usesArp === false ? IFF_NOARP : 0), true);
  view.setUint32(12, mask, true);
  return encodeBody(fixed, [
    ...(mtu === undefined ? [] : [[IFLA_MTU, u32(mtu)] as const]),
    ...(ipv6Addresses === undefined ? [] : [[IFLA_AF_SPEC | NESTED, noAddresses()] as const]),
  ]);
}

/** The body of an `RTM_DELLINK`; a veth takes its other end with it. */
export function encodeLinkRemoval(ifindex: number): Uint8Array {
  const fixed = new Uint8Array(LINK_BYTES);
  viewOf(fixed).setInt32(4, ifindex, true);
  return fixed;
}

function named(name: string, mtu: number): (readonly [number, Uint8Array])[] {
  return [
    [IFLA_IFNAME, text(name)],
    [IFLA_MTU, u32(mtu)],
  ];
}

function noAddresses(): Uint8Array {
  const none = new Uint8Array();
  const mode = Uint8Array.of(IN6_ADDR_GEN_MODE_NONE);
  const inet6 = encodeBody(none, [[IFLA_INET6_ADDR_GEN_MODE, mode]]);
  return encodeBody(none, [[AF_INET6 | NESTED, inet6]]);
}
