import type { Address } from '../domain/address.ts';
import type { ForwardSettings } from '../plan/forwarding/plan-service.ts';

/** File in the run directory whose lock makes a forwarder the only one on its box. */
export const FORWARDER_LOCK = 'forwarder.lock';

/** What the operator chooses about the forwarding core. Times are in seconds. */
export interface ForwarderSettings {
  /**
   * Interfaces that carry the XDP program; empty: all that are up, Ethernet and hold an address.
   */
  readonly interfaces: readonly string[];
  readonly xdpMode: XdpModeSetting;
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
  /** What planning takes: classes, default target, health defaults, fallback. */
  readonly plan: ForwardSettings;
}

/** `auto` takes native mode where the driver has it, else generic. */
export type XdpModeSetting = 'auto' | 'native' | 'generic';

/** Sizes of the maps; fixed while they are pinned. */
export interface ForwarderLimits {
  /** Concurrent flows; a power of two. 72 bytes each. */
  readonly flows: number;
  /** Virtual servers: one for each address, port and protocol. */
  readonly servers: number;
  /** Backends, counted once for each server that uses them. */
  readonly backends: number;
  /** Clients remembered for ClientIP affinity. */
  readonly affinity: number;
}

/** After so many idle seconds a flow is forgotten. */
export interface FlowTimeouts {
  readonly tcpHalfOpen: number;
  readonly tcpEstablished: number;
  readonly tcpClosing: number;
  /** UDP that was never answered. */
  readonly udp: number;
  readonly udpStream: number;
}
