import type { Address } from '../domain/address.ts';
import type { Mac } from '../domain/mac.ts';
import type { Prefix } from '../domain/prefix.ts';

/** Looking inside the running program: what the admin API asks the forwarder for it. */
export interface InspectView {
  /** Frames that come in by a port; the first one when none is named. */
  trace(
    port: string | undefined,
    frames: (portMac: Mac) => readonly Uint8Array[],
  ): Promise<Traced | Refused>;
  /** Starts at once; one at a time. */
  capture(filter: CaptureFilter): { readonly capture: Capture; readonly refusal?: never } | Refused;
  isCapturing(): boolean;
  /** What went through each virtual server, by id, in all and all at once. */
  totals(): ReadonlyMap<string, ServerTotals>;
  natUse(): NatUse;
}

/** Counted since the server is known; flows are those at the last sweep. */
export interface ServerTotals {
  readonly newFlows: number;
  readonly inPackets: number;
  readonly inBytes: number;
  readonly outPackets: number;
  readonly outBytes: number;
  readonly drops: number;
  readonly flows: number;
}

/** How full the NAT addresses are, at the last sweep. */
export interface NatUse {
  readonly addresses: readonly { readonly address: Address; readonly flows: number }[];
  /** Of the backend port that has the most flows, 0 to 1. */
  readonly fullest: number;
}

/** Whose packets are captured. */
export interface CaptureFilter {
  readonly vip: Address;
  /** 0: all of the address. */
  readonly port: number;
  readonly client: Prefix | undefined;
  /** Of so many connections one, whole. */
  readonly sample: number;
  /** Bytes of a packet that are kept. */
  readonly snapLength: number;
}

export interface Capture {
  /** What came since the last time. `lost`: packets in all that the reader was too slow for. */
  read(): { readonly packets: readonly CapturedPacket[]; readonly lost: number };
  /** Idempotent. */
  stop(): void;
}

export interface CapturedPacket {
  readonly direction: 'in' | 'out';
  /** The same for a packet as it came and as it left. */
  readonly id: bigint;
  /** Nanoseconds since 1970. */
  readonly timeNs: bigint;
  readonly interface: string;
  /** As it left: `enum xdp_action`. */
  readonly verdict: number;
  /** Of the whole frame. */
  readonly length: number;
  /** None where nothing left. */
  readonly bytes: Uint8Array;
}

/** Why something cannot be done, in a sentence with a remedy. */
export interface Refused {
  readonly refusal: string;
  readonly capture?: never;
}

export interface Traced {
  readonly port: string;
  readonly packets: readonly TracedPacket[];
  /** Frames beyond the limit. */
  readonly omitted: number;
  readonly refusal?: never;
}

export interface TracedPacket {
  /** `answered`: something of our own goes back. */
  readonly outcome: 'forwarded' | 'answered' | 'dropped' | 'passed';
  /** Counter that tells why it was not forwarded; else empty. */
  readonly reason: string;
  readonly steps: readonly TracedStep[];
  readonly before: Uint8Array;
  readonly after: Uint8Array;
}

export interface TracedStep {
  readonly name: string;
  readonly facts: Readonly<Record<string, string | number | boolean>>;
}
