import { type Mac, macFromBytes } from '../../domain/mac.ts';
import { decodeAttributes, encodeBody, readText, readU32, viewOf } from './message.ts';

/** A network interface (`linux/if_link.h`). */
export interface Link {
  readonly ifindex: number;
  readonly name: string;
  /** `ARPHRD_*`: 1 is Ethernet. */
  readonly hardwareType: number;
  /** `undefined` where the interface has none, or none of 6 bytes. */
  readonly mac: Mac | undefined;
  readonly mtu: number;
  /** Switched on by the administrator. */
  readonly isUp: boolean;
  /** Up, and with a carrier. */
  readonly isRunning: boolean;
  readonly isLoopback: boolean;
  /** Resolves neighbours by ARP (IFF_NOARP is not set). */
  readonly usesArp: boolean;
  /** Index of the bridge, bond or VRF that it belongs to; 0 when none. */
  readonly master: number;
  /**
   * Index of the interface below (of a VLAN device), or of the other end (of a veth); 0 when there
   * is none, or when it is in another network namespace.
   */
  readonly parent: number;
  /** What a VLAN device puts before its packets. */
  readonly vlan: VlanTag | undefined;
  /** `veth`, `bridge`, `vlan`, …; empty for a physical one. */
  readonly kind: string;
  /** How an XDP program is attached now. */
  readonly xdp: 'none' | 'native' | 'generic' | 'other';
}

/** One tag of an Ethernet frame. */
export interface VlanTag {
  /** 0x8100 (802.1Q) or 0x88a8 (802.1ad). */
  readonly tpid: number;
  readonly vid: number;
}

export const RTM_NEWLINK = 16;
export const RTM_DELLINK = 17;
export const RTM_GETLINK = 18;

export const ARPHRD_ETHER = 1;

const LINK_BYTES = 16;
const IFF_UP = 0x1;
const IFF_LOOPBACK = 0x8;
const IFF_RUNNING = 0x40;
const IFF_NOARP = 0x80;
const IFLA_ADDRESS = 1;
const IFLA_IFNAME = 3;
const IFLA_MTU = 4;
const IFLA_LINK = 5;
const IFLA_MASTER = 10;
const IFLA_LINKINFO = 18;
const IFLA_EXT_MASK = 29;
const IFLA_LINK_NETNSID = 37;
const IFLA_XDP = 43;
const IFLA_INFO_KIND = 1;
const IFLA_INFO_DATA = 2;
const IFLA_VLAN_ID = 1;
const IFLA_VLAN_PROTOCOL = 5;
const VLAN_8021Q = 0x8100;
const IFLA_XDP_ATTACHED = 2;
/** Leaves the counters out: a dump is a tenth of the size. */
const RTEXT_FILTER_SKIP_STATS = new Uint8Array([8, 0, 0, 0]);
const XDP_MODES = ['none', 'native', 'generic'] as const;

export function encodeLinkDump(): Uint8Array {
  return encodeBody(new Uint8Array(LINK_BYTES), [[IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS]]);
}

/** Reads the body of `RTM_NEWLINK` or `RTM_DELLINK`; `undefined` when it is none. */
export function decodeLink(body: Uint8Array): Link | undefined {
  if (body.length < LINK_BYTES) return undefined;
  const view = viewOf(body);
  const flags = view.getUint32(8, true);
  const attributes = decodeAttributes(body, LINK_BYTES);
  const mac = attributes.get(IFLA_ADDRESS);
  const information = decodeAttributes(attributes.get(IFLA_LINKINFO) ?? new Uint8Array(), 0);
  const kind = readText(information.get(IFLA_INFO_KIND));
  const xdp = decodeAttributes(attributes.get(IFLA_XDP) ?? new Uint8Array(), 0);
  return {
    ifindex: view.getInt32(4, true),
    name: readText(attributes.get(IFLA_IFNAME)),
    hardwareType: view.getUint16(2, true),
    mac: mac?.length === 6 ? macFromBytes(mac) : undefined,
    mtu: readU32(attributes.get(IFLA_MTU)) ?? 0,
    isUp: (flags & IFF_UP) !== 0,
    isRunning: (flags & IFF_RUNNING) !== 0,
    isLoopback: (flags & IFF_LOOPBACK) !== 0,
    usesArp: (flags & IFF_NOARP) === 0,
    master: readU32(attributes.get(IFLA_MASTER)) ?? 0,
    parent: attributes.has(IFLA_LINK_NETNSID) ? 0 : (readU32(attributes.get(IFLA_LINK)) ?? 0),
    kind,
    vlan: kind === 'vlan' ? readVlan(information.get(IFLA_INFO_DATA)) : undefined,
    xdp: XDP_MODES[xdp.get(IFLA_XDP_ATTACHED)?.[0] ?? 0] ?? 'other',
  };
}

/** The protocol stands in network order; kernels before 3.10 do not tell it. */
function readVlan(data: Uint8Array | undefined): VlanTag | undefined {
  const attributes = decodeAttributes(data ?? new Uint8Array(), 0);
  const id = attributes.get(IFLA_VLAN_ID);
  const protocol = attributes.get(IFLA_VLAN_PROTOCOL);
  if (!id || id.length < 2) return undefined;
  const tpid = protocol && protocol.length >= 2 ? viewOf(protocol).getUint16(0) : VLAN_8021Q;
  return { tpid, vid: viewOf(id).getUint16(0, true) };
}
