import type { Address } from '../domain/address.ts';
import type { ForwardSettings } from '../plan/forwarding/forward-settings.ts';

/** File in the run directory whose lock makes a forwarder the only one on its box. */
export const FORWARDER_LOCK = 'forwarder.lock';

/** What the operator chooses about the forwarding core. Times are in seconds. */
export interface ForwarderSettings {
  /**
   * Interfaces that carry the XDP program; empty: all that are up, Ethernet and hold an address.
   */
  readonly interfaces: readonly string[];
  readonly xdpMode: XdpModeSetting;
  /** Programs on this box reach VIPs, too. */
  readonly localClients: boolean;
  /** Whether routes to `Node.spec.podCIDRs` are kept in the kernel. */
  readonly podRoutes: 'auto' | 'off';
  /** Folder in bpffs for pinned maps and links. */
  readonly bpfDir: string;
  /** Folder for the report and the lock; lives until reboot, as bpffs does. */
  readonly runDir: string;
  /**
   * Sources of packets to backends, per family; a family without any uses the route's own source.
   */
  readonly natAddresses: readonly Address[];
  /** Inclusive; must not overlap the box's own ephemeral ports. */
  readonly natPorts: { readonly first: number; readonly last: number };
  readonly limits: ForwarderLimits;
  readonly timeouts: FlowTimeouts;
  /** To a port of a VIP that nobody serves: TCP RST or ICMP port unreachable, or nothing. */
  readonly unservedPorts: 'reject' | 'drop';
  /** To TCP in mid-stream that no flow knows: RST, or nothing. */
  readonly unknownFlows: 'reset' | 'drop';
  readonly flood: FloodSettings;
  /** How often each next hop's MAC is confirmed. */
  readonly neighbours: { readonly probeMs: number };
  /** What planning takes: classes, defaults of Services' annotations, fallback. */
  readonly plan: ForwardSettings;
}

/** `auto` takes native mode where the driver has it, else generic. */
export type XdpModeSetting = 'auto' | 'native' | 'generic';

/** Sizes of the maps; fixed while they are pinned. */
export interface ForwarderLimits {
  /** Concurrent flows; a power of two. 89 bytes each. */
  readonly flows: number;
  /** Virtual servers: one for each address, port and protocol. */
  readonly servers: number;
  /** Backends, counted once for each server that uses them. */
  readonly backends: number;
  /** Clients remembered for ClientIP affinity. */
  readonly affinity: number;
  /** Datagrams whose later fragments are waited for. */
  readonly fragments: number;
  /** Entries of `loadBalancerSourceRanges` over all Services. */
  readonly sourceRanges: number;
}

/** What holds floods in check. The rates are per second and CPU. */
export interface FloodSettings {
  /** Beyond it a SYN is answered with a SYN cookie, and a new UDP flow is dropped. */
  readonly newFlows: number;
  /** ICMP errors and resets of our own. */
  readonly repliesPerSecond: number;
  /** Prefix lengths of what counts as one client. */
  readonly clientPrefix4: number;
  readonly clientPrefix6: number;
}

/** After so many idle seconds a flow is forgotten. */
export interface FlowTimeouts {
  readonly tcpHalfOpen: number;
  readonly tcpEstablished: number;
  readonly tcpClosing: number;
  /** The backend closed first. */
  readonly tcpTimeWait: number;
  /** UDP that was never answered. */
  readonly udp: number;
  readonly udpStream: number;
}
